import Synchronization
import WeirGraph

/// The kernels of stateful nodes of one session, by device and node name: every graph of the session that has the node
/// uses the same one, so that private queues, random sequences and variables go on from step to step.
public final class KernelStore: Sendable {
    private final class Kept: Sendable {
        let kernels = Mutex<[String: Kernel]>([:])
    }
    private let kept: Kept
    /// Which function's body the nodes are of: bodies may use the same names.
    private let scope: String

    public init() {
        kept = Kept()
        scope = ""
    }
    private init(_ kept: Kept, scope: String) {
        self.kept = kept
        self.scope = scope
    }

    /// The same store for the nodes of a function's body.
    func scoped(to function: String) -> KernelStore { KernelStore(kept, scope: "\(function);") }

    func kernel(_ request: KernelRequest, _ factory: KernelFactory) throws -> Kernel {
        guard request.op.isStateful, request.op.function == nil else { return try factory.make(request) }
        let key = "\(scope)\(request.place.device.name);\(request.op.name);\(request.name)"
        if let known = kept.kernels.withLock({ $0[key] }) { return known }
        let made = try factory.make(request)
        return kept.kernels.withLock { kernels in
            if let known = kernels[key] { return known }
            kernels[key] = made
            return made
        }
    }
}

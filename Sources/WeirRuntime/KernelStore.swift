import Synchronization
import WeirGraph

/// The kernels of stateful nodes of one session: every graph of the session that has the node uses the same one, so that
/// private queues, random sequences and variables go on from step to step.
///
/// A node is the same when all is the same that makes its kernel what it is: device, name, op, types, attributes, and the
/// functions it can call. Kernels that belong to their graph (sends, receives, calls) are made anew for each.
public final class KernelStore: Sendable {
    private struct Entry {
        let op: String
        let attributes: Attributes
        let inputTypes: [PortType]
        let outputTypes: [PortType]
        let functions: FunctionLibrary
        let scope: FunctionReference?
        let kernel: Kernel
    }
    private final class Kept: Sendable {
        /// By device and node name.
        let entries = Mutex<[String: [Entry]]>([:])
    }
    private let kept: Kept
    /// The function whose body the nodes are of: bodies may use the same names.
    private let scope: FunctionReference?

    public init() {
        kept = Kept()
        scope = nil
    }
    private init(_ kept: Kept, scope: FunctionReference) {
        self.kept = kept
        self.scope = scope
    }

    /// The same store for the nodes of a function's body.
    func scoped(to function: FunctionReference) -> KernelStore { KernelStore(kept, scope: function) }

    /// - Parameter library: the functions of the node's graph.
    func kernel(_ request: KernelRequest, _ support: KernelSupport, library: FunctionLibrary) throws -> Kernel {
        func make() throws -> Kernel { try request.place.kernels.kernel(for: request, support) }
        guard request.op.keepsKernel, request.op.function == nil else { return try make() }
        let key = "\(request.place.device.name);\(request.name)"
        // Notes that passes and front ends leave on a node (`_output_shapes`, `_grappler…`) do not make another kernel of it.
        let attributes = Attributes(request.attributes.values.filter { !$0.key.hasPrefix("_") })
        let functions = library.reachable(from: request.attributes)
        func find(_ entries: [Entry]?) -> Kernel? {
            entries?.first {
                $0.op == request.op.name && $0.scope == scope && $0.inputTypes == request.inputTypes
                    && $0.outputTypes == request.outputTypes && $0.attributes == attributes && $0.functions == functions
            }?.kernel
        }
        if let known = kept.entries.withLock({ find($0[key]) }) { return known }
        let made = try make()
        return kept.entries.withLock { entries in
            if let known = find(entries[key]) { return known }
            entries[key, default: []].append(
                Entry(
                    op: request.op.name, attributes: attributes, inputTypes: request.inputTypes, outputTypes: request.outputTypes,
                    functions: functions, scope: scope, kernel: made))
            return made
        }
    }
}

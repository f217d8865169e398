import Synchronization
import WeirGraph

/// The kernels of the stateful nodes of one session. TensorFlow's `OpSegment`. All graphs of the session that contain a node
/// share its kernel, so that private queues, random sequences and variables keep their state from step to step.
///
/// Two nodes share a kernel if their device, name, op, types, attributes and reachable functions are equal. Kernels that belong
/// to one graph (sends, receives, calls) are not shared.
package final class KernelStore: Sendable {
    private struct Entry {
        let op: String
        let attributes: Attributes
        let inputTypes: [PortType]
        let outputTypes: [PortType]
        let functions: FunctionLibrary
        let scope: FunctionReference?
        let kernel: Kernel
    }
    private final class Storage: Sendable {
        /// By device and node name.
        let entries = Mutex<[String: [Entry]]>([:])
    }
    private let kept: Storage
    /// The function whose body contains the nodes, because bodies may use the same node names.
    private let scope: FunctionReference?

    /// Makes an empty store.
    package init() {
        kept = Storage()
        scope = nil
    }
    private init(_ kept: Storage, scope: FunctionReference) {
        self.kept = kept
        self.scope = scope
    }

    /// The same store, for the nodes of the body of `function`.
    func scoped(to function: FunctionReference) -> KernelStore { KernelStore(kept, scope: function) }

    /// Returns the kernel of a node; makes it if the store has none.
    /// - Parameter library: the functions of the node's graph.
    func kernel(_ request: KernelRequest, _ support: KernelSupport, library: FunctionLibrary) throws -> Kernel {
        func make() throws -> Kernel { try request.place.kernels.kernel(for: request, support) }
        guard request.op.sharesKernelAcrossGraphs, request.op.function == nil else { return try make() }
        let key = "\(request.place.device.name);\(request.name)"
        // Attributes with a leading underscore (`_output_shapes`, `_grappler…`) are annotations of passes and front ends. They
        // do not affect the kernel.
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

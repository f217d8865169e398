public import WeirGraph
public import WeirTensor
import Synchronization

/// A placed graph on the devices of this process, ready to run: one executor a device.
public final class LocalGraph: Sendable {
    public struct Part: Sendable {
        public let device: DeviceName
        /// As it was placed and cut, before it was optimized.
        public let graph: Graph
        let executor: Executor
    }
    public let parts: [Part]

    /// Cuts the graph by device, has each part optimized, and makes every kernel.
    ///
    /// - Throws: `notFound` when a node's device has no kernel for it; what kernels say of their attributes.
    public init(
        _ graph: Graph, devices: LocalDevices, kernels: KernelStore, registry: OpRegistry, options: ExecutionOptions = ExecutionOptions()
    ) throws {
        let partitioner = Partitioner(
            registry: registry, suffix: "G", by: { $0.description },
            incarnation: { name in
                guard let place = devices[name] else { throw Status.invalidArgument("No device \(name) in this task") }
                return place.device.incarnation
            })
        let single = Set(graph.nodes.map(\.device)).count <= 1
        let pieces: [(name: String, graph: Graph)]
        if single, let device = graph.nodes.first?.device {
            pieces = [(device.description, graph)]
        } else {
            pieces = try partitioner.partition(graph)
        }
        parts = try pieces.map { piece in
            let name = try DeviceName(piece.name)
            guard let place = devices[name] else {
                throw Status.invalidArgument("Node '\(piece.graph.nodes[0].name)' is placed on \(name), which is not a device of this task")
            }
            let functions = FunctionTable(
                library: graph.library, place: place, devices: devices, kernels: kernels, registry: registry, options: options)
            let ready = try options.optimizer.run(piece.graph, PassEnvironment(registry: registry, place: place))
            let made = try ready.nodes.map { try LocalGraph.kernel($0, place, functions, kernels, graph.library) }
            return Part(device: name, graph: piece.graph, executor: try Executor(ready, kernels: made, place: place, scheduling: options.scheduling))
        }
    }

    private static func kernel(
        _ node: Node, _ place: KernelPlace, _ functions: FunctionTable, _ store: KernelStore, _ library: FunctionLibrary
    ) throws -> Kernel {
        let request = KernelRequest(
            name: node.name, op: node.op, attributes: node.attributes, inputTypes: node.inputTypes, outputTypes: node.outputTypes,
            place: place, functions: functions)
        if node.op.function != nil {
            // A node that is a call: its op is the function.
            let callable = try functions.instantiate(FunctionReference(node.op.name, attributes: node.attributes.values))
            return .async { context, done in
                callable.call(context.inputTensors, in: context.step) { result in
                    done(result.map { $0.map { Slot.value($0) } })
                }
            }
        }
        guard let factory = node.op.kernel(for: place.device.type, node.attributes) else {
            let kernels = node.op.kernels.map { "  \($0.summary)" }.joined(separator: "\n")
            throw Status.notFound(
                "No registered '\(node.op.name)' OpKernel for '\(place.device.type)' devices compatible with node {{node \(node.name)}}\n"
                    + "\t.  Registered:\(kernels.isEmpty ? "  <no registered kernels>" : "\n" + kernels)\n")
        }
        do {
            return try store.kernel(request, factory, library: library)
        } catch {
            let status = Status(error)
            throw status.appending("\n\t [[{{node \(node.name)}}]]")
        }
    }

    /// Runs one step on all devices at once, part of it on the calling thread.
    public func run(_ step: StepContext, call: CallFrame? = nil, _ done: @escaping Completion<Void>) {
        if parts.count == 1 { return parts[0].executor.run(step, call: call, done) }
        guard !parts.isEmpty else { return done(.success(())) }
        let gathering = Gathering(parts.count, done)
        // The last part runs on this thread, the others meanwhile on the pool's.
        for part in parts.dropLast() {
            part.executor.place.pool.submit { part.executor.run(step, call: call) { gathering.finish($0) } }
        }
        parts[parts.count - 1].executor.run(step, call: call) { gathering.finish($0) }
    }

    /// Waits for all parts; the first failure that is no fallout of another is the step's.
    private final class Gathering: Sendable {
        private struct State {
            var left: Int
            var failure: Status?
        }
        private let state: Mutex<State>
        private let done: Completion<Void>
        init(_ count: Int, _ done: @escaping Completion<Void>) {
            state = Mutex(State(left: count))
            self.done = done
        }
        func finish(_ result: Result<Void, Status>) {
            let outcome = state.withLock { state -> Result<Void, Status>? in
                if case .failure(let status) = result, state.failure == nil || (state.failure?.isDerived == true && !status.isDerived) {
                    state.failure = status
                }
                state.left -= 1
                guard state.left == 0 else { return nil }
                return state.failure.map { .failure($0) } ?? .success(())
            }
            if let outcome { done(outcome) }
        }
    }
}

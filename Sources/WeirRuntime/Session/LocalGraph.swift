package import WeirGraph
package import WeirTensor
import Synchronization

/// A placed graph on the devices of this process, ready to run, with one executor for each device.
package final class LocalGraph: Sendable {
    /// The partition of one device.
    package struct Part: Sendable {
        /// The device that runs the partition.
        package let device: DeviceName
        /// The placed partition, before optimization.
        package let graph: Graph
        let executor: Executor
    }
    /// The partitions, one for each device that has nodes.
    package let parts: [Part]
    /// The functions that the graph calls. Nil for the body of a function, which uses those of the calling graph.
    let functions: ProcessFunctionLibraryRuntime?
    private let callsFunctions: Bool

    /// Partitions the graph by device, optimizes each partition and makes its kernels.
    ///
    /// - Throws: `notFound` when a node's device has no kernel for it; the errors of kernels that reject their attributes;
    ///   `invalidArgument` when two arguments or two results have the same index.
    package convenience init(
        _ graph: Graph, devices: LocalDevices, kernels: KernelStore, registry: OpRegistry, options: ExecutionOptions = ExecutionOptions()
    ) throws {
        try self.init(graph, devices: devices, kernels: kernels, registry: registry, options: options, within: nil)
    }

    /// As above. `outer` has the functions of the calling graph when this graph is the body of a function.
    init(
        _ graph: Graph, devices: LocalDevices, kernels: KernelStore, registry: OpRegistry, options: ExecutionOptions,
        within outer: ProcessFunctionLibraryRuntime?
    ) throws {
        try LocalGraph.checkCallFrame(graph)
        let tables = outer ?? ProcessFunctionLibraryRuntime()
        functions = outer == nil ? tables : nil
        callsFunctions = outer == nil && !graph.library.isEmpty
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
        do {
            parts = try pieces.map { piece in
                let name = try DeviceName(piece.name)
                guard let place = devices[name] else {
                    throw Status.invalidArgument("Node '\(piece.graph.nodes[0].name)' is placed on \(name), which is not a device of this task")
                }
                let functions = tables.table(at: name) {
                    FunctionLibraryRuntime(
                        library: graph.library, place: place, devices: devices, kernels: kernels, registry: registry, options: options,
                        tables: tables)
                }
                let ready = try options.optimizer.run(piece.graph, PassEnvironment(registry: registry, place: place))
                let made = try ready.nodes.map { try LocalGraph.kernel($0, place, functions, kernels, graph.library) }
                return Part(device: name, graph: piece.graph, executor: try Executor(ready, kernels: made, place: place, scheduling: options.scheduling))
            }
        } catch {
            // The tables and their functions may retain each other, and no graph exists that would close them.
            if outer == nil { tables.close() }
            throw error
        }
    }

    deinit { functions?.close() }

    /// Checks that arguments, and results, have different indices. Two results with one index would write the same storage, and
    /// two arguments would read one value as two types.
    private static func checkCallFrame(_ graph: Graph) throws(Status) {
        var seen: [Bool: [Int: NodeID]] = [:]
        for (id, node) in graph.nodes.enumerated() {
            let isArgument = node.isArgument
            guard isArgument || node.isResult else { continue }
            let index = node.attributes.int("index") ?? 0
            guard (0..<OpSchema.maximumPortCount).contains(index) else {
                throw .invalidArgument("\(node.op.name) node '\(node.name)': attribute 'index' must be below \(OpSchema.maximumPortCount), found \(index)")
            }
            if let other = seen[isArgument, default: [:]].updateValue(id, forKey: index) {
                throw .invalidArgument("\(node.op.name) nodes '\(graph.nodes[other].name)' and '\(node.name)' have the same index \(index)")
            }
        }
    }

    private static func kernel(
        _ node: Node, _ place: KernelEnvironment, _ functions: FunctionLibraryRuntime, _ store: KernelStore, _ library: FunctionLibrary
    ) throws -> Kernel {
        let request = KernelRequest(
            name: node.name, op: node.op, attributes: node.attributes, inputTypes: node.inputTypes, outputTypes: node.outputTypes,
            // A session keeps kernels, and a graph's functions hold what it keeps: who calls none does not hold them.
            place: place, functions: node.attributes.functionNames.isEmpty ? NoFunctions() : functions)
        if node.op.function != nil {
            // The op of the node is itself a function: the node is a call of it.
            let callable = try functions.instantiate(FunctionReference(node.op.name, attributes: node.attributes.values))
            return .async { context, done in
                callable.call(context.inputTensors, in: context.step) { result in
                    done(result.map { $0.map { EdgeValue.value($0) } })
                }
            }
        }
        guard let support = node.op.support(on: place.device.type, node.attributes) else {
            let kernels = node.op.supports.map { "  \($0.summary)" }.joined(separator: "\n")
            throw Status.notFound(
                "No registered '\(node.op.name)' OpKernel for '\(place.device.type)' devices compatible with node {{node \(node.name)}}\n"
                    + "\t.  Registered:\(kernels.isEmpty ? "  <no registered kernels>" : "\n" + kernels)\n")
        }
        do {
            return try store.kernel(request, support, library: library)
        } catch {
            let status = Status(error)
            throw status.appending("\n\t [[{{node \(node.name)}}]]")
        }
    }

    /// Runs one step on all devices concurrently. Part of it runs on the calling thread. `done` is called once, from any
    /// thread.
    package func run(_ step: StepContext, call: CallFrame? = nil, _ done: @escaping Completion<Void>) {
        guard !parts.isEmpty else { return done(.success(())) }
        var done = done
        // Keeps the compiled functions alive until the step ends.
        if callsFunctions { done = { [done, self] result in withExtendedLifetime(self) { done(result) } } }
        if parts.count == 1 { return parts[0].executor.run(step, call: call, done) }
        let gathering = ExecutorBarrier(parts.count, done)
        // The last partition runs on this thread, the others on the pool's threads.
        for part in parts.dropLast() {
            part.executor.place.pool.submit { part.executor.run(step, call: call) { gathering.finish($0) } }
        }
        parts[parts.count - 1].executor.run(step, call: call) { gathering.finish($0) }
    }

    /// Waits for all partitions. The step fails with the first failure that is not derived from another.
    private final class ExecutorBarrier: Sendable {
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

import WeirDevice
import WeirGraph
import WeirTensor
import Synchronization

/// Makes the functions of a library callable from one device of this task. TensorFlow's `FunctionLibraryRuntime`.
///
/// The nodes of a body run on the caller's device. Nodes that request another device of this task, or have no kernel on the
/// caller's device, are placed elsewhere. Each pair of function and attributes is instantiated once and compiled at its first
/// call, because functions may call themselves.
final class FunctionLibraryRuntime: FunctionInstantiator {
    private let library: FunctionLibrary
    fileprivate let place: KernelEnvironment
    private let devices: LocalDevices
    private let kernels: KernelStore
    private let registry: OpRegistry
    private let options: ExecutionOptions
    private let tables: ProcessFunctionLibraryRuntime
    /// The instantiated functions by name, one for each set of attributes.
    private let bodies = Mutex<[String: [InstantiatedFunction]]>([:])

    init(
        library: FunctionLibrary, place: KernelEnvironment, devices: LocalDevices, kernels: KernelStore, registry: OpRegistry,
        options: ExecutionOptions, tables: ProcessFunctionLibraryRuntime
    ) {
        self.library = library
        self.place = place
        self.devices = devices
        self.kernels = kernels
        self.registry = registry
        self.options = options
        self.tables = tables
    }

    /// Releases the instantiated functions, because bodies may retain each other.
    func close() {
        let known = bodies.withLock { bodies in
            defer { bodies = [:] }
            return bodies.values.joined().map { $0 }
        }
        for body in known { body.close() }
    }

    func instantiate(_ reference: FunctionReference) throws -> any CallableFunction {
        guard let definition = library[reference.name] else {
            throw Status.notFound("Function \(reference.name) is not defined.")
        }
        func known(_ bodies: [String: [InstantiatedFunction]]) -> InstantiatedFunction? {
            bodies[reference.name]?.first { $0.reference == reference }
        }
        if let known = bodies.withLock({ known($0) }) { return known }
        try tables.count(reference)
        return bodies.withLock { bodies in
            if let known = known(bodies) { return known }
            let body = InstantiatedFunction(definition, reference: reference, table: self)
            bodies[reference.name, default: []].append(body)
            return body
        }
    }

    /// Compiles a function's body for the devices of this task.
    func compile(_ definition: FunctionDefinition, _ reference: FunctionReference) throws -> (graph: LocalGraph, results: Int) {
        var graph = try definition.body(Attributes(reference.attributes), registry: registry, library: library)
        graph = try Lowering(registry: registry).run(graph, within: definition.name)
        let results = graph.nodes.count(where: \.isResult)
        for id in graph.nodes.indices where graph.nodes[id].device == nil && graph.nodes[id].requestedDevice.isEmpty {
            if graph.nodes[id].op.function != nil || graph.nodes[id].op.support(on: place.device.type, graph.nodes[id].attributes) != nil {
                graph.nodes[id].device = place.device.name
            }
        }
        let placer = Placer(devices: devices.placementDevices, allowsSoftPlacement: true)
        graph = try ControlLoops.add(to: placer.place(graph), registry: registry)
        return (
            try LocalGraph(
                graph, devices: devices, kernels: kernels.scoped(to: reference), registry: registry, options: options, within: tables),
            results
        )
    }
}

/// A function with its attributes. It is compiled at its first call.
final class InstantiatedFunction: CallableFunction {
    private let definition: FunctionDefinition
    let reference: FunctionReference
    private let table: FunctionLibraryRuntime
    private let compiled = Mutex<Result<(graph: LocalGraph, results: Int), Status>?>(nil)

    init(_ definition: FunctionDefinition, reference: FunctionReference, table: FunctionLibraryRuntime) {
        self.definition = definition
        self.reference = reference
        self.table = table
    }

    /// Releases the compiled body, because it may retain this object. A later call compiles it again.
    func close() {
        let dropped = compiled.withLock { compiled in
            defer { compiled = nil }
            return compiled
        }
        withExtendedLifetime(dropped) {}
    }

    func call(_ arguments: [Tensor], in step: StepContext, _ done: @escaping Completion<[Tensor]>) {
        do throws(Status) {
            let inner = try step.beginCall(of: definition.name, LocalRendezvous())
            do throws(Status) {
                // A call runs on its caller's stack, so deep recursion may need a new stack.
                try ThreadStack.withSufficientStack { run(arguments, inner, calledIn: step, done) }
            } catch {
                inner.endCall()
                throw error
            }
        } catch {
            done(.failure(error))
        }
    }

    private func run(_ arguments: [Tensor], _ step: StepContext, calledIn caller: StepContext, _ done: @escaping Completion<[Tensor]>) {
        let body = compiled.withLock { compiled in
            if let compiled { return compiled }
            let result: Result<(graph: LocalGraph, results: Int), Status>
            do { result = .success(try table.compile(definition, reference)) } catch { result = .failure(Status(error)) }
            compiled = result
            return result
        }
        switch body {
        case .failure(let status):
            step.endCall()
            done(.failure(status))
        case .success(let (graph, results)):
            let call = CallFrame(arguments: arguments, resultCount: results)
            // A call has its own cancellation. So a failure in the body is reported to the step before the step is cancelled;
            // otherwise the kernels that the cancellation stops could report first and hide the cause.
            let stop: @Sendable () -> Void = {
                step.cancellation.cancel()
                step.rendezvous.abort(.cancelled("Function call was cancelled").derived)
            }
            // Cancelling a call cancels the calls within it recursively. Every 64 calls a job on the pool continues, to bound
            // the use of stack.
            let pool = table.place.pool
            let token = caller.cancellation.register { if step.callDepth % 64 == 0 { pool.submit(stop) } else { stop() } }
            if token == nil { stop() }
            graph.run(step, call: call) { result in
                if let token { caller.cancellation.deregister(token) }
                step.endCall()
                done(result.flatMap { _ in Result { () throws(Status) -> [Tensor] in try call.results() } })
            }
        }
    }
}

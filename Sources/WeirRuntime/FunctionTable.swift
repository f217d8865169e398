import WeirDevice
import WeirGraph
import WeirTensor
import Synchronization

/// Makes functions of a library callable from one device of this task.
///
/// A body is placed on the caller's device; what was asked to be elsewhere in this task, or has no kernel there, goes
/// where it can run. Each (function, attributes) is made once, when first called for: functions may call themselves.
final class FunctionTable: FunctionInstantiator {
    private let library: FunctionLibrary
    fileprivate let place: KernelPlace
    private let devices: LocalDevices
    private let kernels: KernelStore
    private let registry: OpRegistry
    private let options: ExecutionOptions
    private let tables: FunctionTables
    /// By the function's name, one body for each set of attributes it is called with.
    private let bodies = Mutex<[String: [FunctionBody]]>([:])

    init(
        library: FunctionLibrary, place: KernelPlace, devices: LocalDevices, kernels: KernelStore, registry: OpRegistry,
        options: ExecutionOptions, tables: FunctionTables
    ) {
        self.library = library
        self.place = place
        self.devices = devices
        self.kernels = kernels
        self.registry = registry
        self.options = options
        self.tables = tables
    }

    /// Lets go of what was made ready: bodies may hold each other.
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
        func known(_ bodies: [String: [FunctionBody]]) -> FunctionBody? {
            bodies[reference.name]?.first { $0.reference == reference }
        }
        if let known = bodies.withLock({ known($0) }) { return known }
        try tables.count(reference)
        return bodies.withLock { bodies in
            if let known = known(bodies) { return known }
            let body = FunctionBody(definition, reference: reference, table: self)
            bodies[reference.name, default: []].append(body)
            return body
        }
    }

    /// A function's body as a graph on this task's devices.
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

/// One function with its attributes filled in; compiled at its first call.
final class FunctionBody: CallableFunction {
    private let definition: FunctionDefinition
    let reference: FunctionReference
    private let table: FunctionTable
    private let compiled = Mutex<Result<(graph: LocalGraph, results: Int), Status>?>(nil)

    init(_ definition: FunctionDefinition, reference: FunctionReference, table: FunctionTable) {
        self.definition = definition
        self.reference = reference
        self.table = table
    }

    /// Lets go of the compiled body, which may hold this one; a later call makes another.
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
                // A call runs on its caller's stack.
                try ThreadStack.withRoom { run(arguments, inner, calledIn: step, done) }
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
            // A call has a cancellation of its own, so that a failure in the body ends the step only once the step has heard
            // of it; else all that is cancelled by it would fail first, and the cause be taken for fallout.
            let stop: @Sendable () -> Void = {
                step.cancellation.cancel()
                step.rendezvous.abort(.cancelled("Function call was cancelled").derived)
            }
            // A cancellation goes down from call to call on one stack, which every so often must be a new one.
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

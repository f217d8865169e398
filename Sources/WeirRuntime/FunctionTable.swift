import WeirGraph
import WeirTensor
import Synchronization

/// Makes functions of a library callable from one device of this task.
///
/// A body is placed on the caller's device; what was asked to be elsewhere in this task, or has no kernel there, goes
/// where it can run. Each (function, attributes) is made once, when first called for: functions may call themselves.
final class FunctionTable: FunctionInstantiator {
    private let library: FunctionLibrary
    private let place: KernelPlace
    private let devices: LocalDevices
    private let kernels: KernelStore
    private let registry: OpRegistry
    private let options: ExecutionOptions
    /// By the function's name, one body for each set of attributes it is called with.
    private let bodies = Mutex<[String: [FunctionBody]]>([:])

    init(
        library: FunctionLibrary, place: KernelPlace, devices: LocalDevices, kernels: KernelStore, registry: OpRegistry,
        options: ExecutionOptions
    ) {
        self.library = library
        self.place = place
        self.devices = devices
        self.kernels = kernels
        self.registry = registry
        self.options = options
    }

    func instantiate(_ reference: FunctionReference) throws -> any CallableFunction {
        guard let definition = library[reference.name] else {
            throw Status.notFound("Function \(reference.name) is not defined.")
        }
        return bodies.withLock { bodies in
            if let known = bodies[reference.name]?.first(where: { $0.reference == reference }) { return known }
            let body = FunctionBody(definition, reference: reference, table: self)
            bodies[reference.name, default: []].append(body)
            return body
        }
    }

    /// A function's body as a graph on this task's devices.
    func compile(_ definition: FunctionDefinition, _ reference: FunctionReference) throws -> (graph: LocalGraph, results: Int) {
        var graph = try definition.body(Attributes(reference.attributes), registry: registry, library: library)
        graph = try Lowering(registry: registry).run(graph, within: definition.name)
        let results = graph.nodes.count (where: \.isResult)
        for id in graph.nodes.indices where graph.nodes[id].device == nil && graph.nodes[id].requestedDevice.isEmpty {
            if graph.nodes[id].op.function != nil || graph.nodes[id].op.kernel(for: place.device.type, graph.nodes[id].attributes) != nil {
                graph.nodes[id].device = place.device.name
            }
        }
        let placer = Placer(devices: devices.placementDevices, allowsSoftPlacement: true)
        graph = try ControlLoops.add(to: placer.place(graph), registry: registry)
        return (try LocalGraph(graph, devices: devices, kernels: kernels.scoped(to: reference), registry: registry, options: options), results)
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

    func call(_ arguments: [Tensor], in step: StepContext, _ done: @escaping Completion<[Tensor]>) {
        let body = compiled.withLock { compiled in
            if let compiled { return compiled }
            let result: Result<(graph: LocalGraph, results: Int), Status>
            do { result = .success(try table.compile(definition, reference)) } catch { result = .failure(Status(error)) }
            compiled = result
            return result
        }
        switch body {
        case .failure(let status): done(.failure(status))
        case .success(let (graph, results)):
            let call = CallFrame(arguments: arguments, resultCount: results)
            // A step within the step: its own rendezvous, so that two calls of one function do not meet, and its own
            // cancellation, so that a failure in the body ends the step only once the step has heard of it; else all that
            // is cancelled by it would fail first, and the cause be taken for fallout.
            let inner = StepContext(
                id: step.id, rendezvous: LocalRendezvous(), sessionHandle: step.sessionHandle, trace: step.trace,
                resources: step.resources)
            let stop: @Sendable () -> Void = {
                inner.cancellation.cancel()
                inner.rendezvous.abort(.cancelled("Function call was cancelled").derived)
            }
            let token = step.cancellation.register(stop)
            if token == nil { stop() }
            graph.run(inner, call: call) { result in
                if let token { step.cancellation.deregister(token) }
                done(result.flatMap { _ in Result { () throws(Status) -> [Tensor] in try call.results() } })
            }
        }
    }
}

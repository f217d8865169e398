import Weir

extension DirectSession {
    /// A session whose steps all cost the same: it has one thread for kernels, and a fixed execution mode instead of the
    /// measured choice.
    static func onOneThread(
        _ graph: Graph, scheduling: ExecutionOptions.Scheduling = .sequential, optimizer: GraphOptimizer = .standard
    ) throws -> DirectSession {
        let name = DeviceName(job: "localhost", replica: 0, task: 0, type: "CPU", index: 0)
        let place = KernelEnvironment(
            device: CPUDevice(name: name, incarnation: 1), resources: ResourceTable(defaultContainer: "localhost"),
            pool: try oneThread.get())
        var options = RuntimeOptions()
        options.execution.scheduling = scheduling
        options.execution.optimizer = optimizer
        return try DirectSession(graph, registry: .standard, devices: LocalDevices(places: [place]), options: options)
    }
    private static let oneThread = Result { try ComputePool(threadCount: 1) }

    /// A compiled step that computes one tensor.
    func step(feeding feeds: [(Output, Tensor)], fetching fetch: Output) throws -> () throws -> Void {
        let plan = try plan(feeds: feeds.map(\.0.name), fetches: [fetch.name], targets: [])
        let values = feeds.map(\.1)
        return { keep(try self.run(plan, values)) }
    }
}

extension GraphBuilder {
    func placeholder(_ shape: Shape) -> Output {
        add("Placeholder", name: "x", attributes: ["dtype": .type(.float32), "shape": .shape(PartialShape(shape))])[0]
    }
}

extension Tensor {
    /// A tensor of values from -1 to 1, the same at each call.
    static func sample(_ shape: Shape) throws(Status) -> Tensor {
        let tensor = try Tensor(.float32, shape)
        let elements = tensor.mutableElements(Float.self)
        for index in elements.indices { elements[index] = Float(index % 17) / 8 - 1 }
        return tensor
    }
}

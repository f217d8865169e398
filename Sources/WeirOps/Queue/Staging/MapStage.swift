import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `MapStage`: stores components of the tuple of a key; waits while the map is full.
    static let mapStage = mapStaging(AnyOrder.self)
    static let orderedMapStage = mapStaging(KeyOrder.self)
    /// `MapPeek`: returns components of the tuple of a key and leaves it in the map; waits until it is there.
    static let mapPeek = mapTaking(AnyOrder.self, "Peek", keeping: true)
    static let orderedMapPeek = mapTaking(KeyOrder.self, "Peek", keeping: true)
    /// `MapUnstage`: takes components of the tuple of a key; waits until it is there.
    static let mapUnstage = mapTaking(AnyOrder.self, "Unstage", keeping: false)
    static let orderedMapUnstage = mapTaking(KeyOrder.self, "Unstage", keeping: false)
    /// `MapUnstageNoKey`: takes components of any tuple (`OrderedMap…`: the one with the lowest key); waits until there is
    /// one.
    static let mapUnstageNoKey = mapTakingAny(AnyOrder.self)
    static let orderedMapUnstageNoKey = mapTakingAny(KeyOrder.self)
    /// `MapSize`: the number of complete tuples.
    static let mapSize = mapCounting(AnyOrder.self, "Size") { $0.count }
    static let orderedMapSize = mapCounting(KeyOrder.self, "Size") { $0.count }
    /// `MapIncompleteSize`: the number of tuples with missing components.
    static let mapIncompleteSize = mapCounting(AnyOrder.self, "IncompleteSize") { $0.incompleteCount }
    static let orderedMapIncompleteSize = mapCounting(KeyOrder.self, "IncompleteSize") { $0.incompleteCount }
    /// `MapClear`: removes all tuples.
    static let mapClear = mapClearing(AnyOrder.self)
    static let orderedMapClear = mapClearing(KeyOrder.self)

    private static func mapStaging<Order: StagingMapOrder>(_ order: Order.Type) -> OpDefinition {
        OpDefinition(
            Order.prefix + "Stage", "(key: int64, indices: int32, values: fake_dtypes) -> ()",
            attributes: stagingAttributes("dtypes: list(type)", "fake_dtypes: list(type) >= 1")
        )
        .stateful().blocking()
        .noGradient()
        .kernel(gpu: [:], hostMemory: ["key", "indices"]) { request in
            try mapKernel(request, order) { context in
                .put(
                    key: try stagingKey(context.input(0)), indices: try context.input(1).integers("indices"),
                    values: try (2..<context.inputCount).map { try context.input($0).snapshot() })
            }
        }
    }

    private static func mapTaking<Order: StagingMapOrder>(_ order: Order.Type, _ name: String, keeping: Bool)
        -> OpDefinition
    {
        OpDefinition(
            Order.prefix + name, "(key: int64, indices: int32) -> (values: dtypes)",
            attributes: stagingAttributes("dtypes: list(type) >= 1")
        )
        .stateful().blocking()
        .noGradient()
        .kernel(gpu: [:], hostMemory: ["key", "indices"]) { request in
            try mapKernel(request, order) { context in
                .take(
                    key: try stagingKey(context.input(0)), indices: try context.input(1).integers("indices"),
                    keeping: keeping)
            }
        }
    }

    private static func mapTakingAny<Order: StagingMapOrder>(_ order: Order.Type) -> OpDefinition {
        OpDefinition(
            Order.prefix + "UnstageNoKey", "(indices: int32) -> (key: int64, values: dtypes)",
            attributes: stagingAttributes("dtypes: list(type) >= 1")
        )
        .stateful().blocking()
        .noGradient()
        .kernel(gpu: [:], hostMemory: ["key", "indices"]) { request in
            try mapKernel(request, order) { context in .takeAny(indices: try context.input(0).integers("indices")) }
        }
    }

    private static func mapCounting<Order: StagingMapOrder>(
        _ order: Order.Type, _ name: String, _ count: @escaping @Sendable (StagingMapState<Order>) -> Int
    ) -> OpDefinition {
        OpDefinition(Order.prefix + name, "() -> (size: int32)", attributes: stagingAttributes("dtypes: list(type)"))
            .stateful()
            .shape(ShapeFunctions.scalar)
            .noGradient()
            .kernel(gpu: [:], hostMemory: ["size"]) { request in
                let map = try stagingMap(request, order)
                return .sync { context in context.setOutput(0, Tensor(Int32(clamping: try map.get().read(count)))) }
            }
    }

    private static func mapClearing<Order: StagingMapOrder>(_ order: Order.Type) -> OpDefinition {
        OpDefinition(Order.prefix + "Clear", "() -> ()", attributes: stagingAttributes("dtypes: list(type)"))
            .stateful()
            .noGradient()
            .kernel(gpu: [:]) { request in
                let map = try stagingMap(request, order)
                return .sync { _ in try map.get().clear() }
            }
    }
}

/// Returns the staging map of a node, which is named by `shared_name` or else by the node.
private func stagingMap<Order: StagingMapOrder>(
    _ request: KernelRequest, _ order: Order.Type
) throws -> NodeResource<StagingResource<StagingMapState<Order>>> {
    let limits = try StagingLimits(request)
    let width = try request.types("dtypes").count
    return try NodeResource(request, nodeNameIsShared: true) { _ in
        StagingResource(StagingMapState(limits, width: width))
    }
}

private func stagingKey(_ tensor: Tensor) throws -> Int64 { Int64(try tensor.integer("key")) }

private func mapKernel<Order: StagingMapOrder>(
    _ request: KernelRequest, _ order: Order.Type,
    _ operation: @escaping @Sendable (borrowing KernelContext) throws -> StagingMapState<Order>.Operation
) throws -> Kernel {
    let map = try stagingMap(request, order)
    let outputs = request.outputTypes.count
    return .async { context, done in
        do {
            try map.get().perform(try operation(context), context.step.cancellation) { result in
                done(
                    result.flatMap { tuple in
                        guard outputs == 0 || tuple.count == outputs else {
                            return .failure(
                                .invalidArgument("output/input size mismatch \(tuple.count) vs. \(outputs)"))
                        }
                        return .success(outputs == 0 ? [] : tuple.map { .value($0) })
                    })
            }
        } catch {
            done(.failure(Status(error)))
        }
    }
}

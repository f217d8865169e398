import WeirGraph
import WeirKernels
import WeirTensor

/// Returns the attributes of a staging op. `types` declares the attribute `dtypes`, with or without a minimum.
func stagingAttributes(_ types: String...) -> [String] {
    ["capacity: int >= 0 = 0", "memory_limit: int >= 0 = 0"] + types + [
        "container: string = ''", "shared_name: string = ''",
    ]
}

extension OpDefinition {
    /// `Stage`: adds a tuple to a staging area; waits while it is full.
    static let stage = OpDefinition(
        "Stage", "(values: dtypes) -> ()", attributes: stagingAttributes("dtypes: list(type) >= 1")
    )
    .stateful().blocking()
    .noGradient()
    .kernel(gpu: [:]) { request in
        try stagingKernel(request) { context in .put(try context.inputTensors.map { try $0.snapshot() }) }
    }

    /// `Unstage`: takes the oldest tuple; waits until there is one.
    static let unstage = OpDefinition(
        "Unstage", "() -> (values: dtypes)", attributes: stagingAttributes("dtypes: list(type) >= 1")
    )
    .stateful().blocking()
    .noGradient()
    .kernel(gpu: [:]) { request in try stagingKernel(request) { _ in .take } }

    /// `StagePeek`: returns the tuple at an index and leaves it; waits until it is there.
    static let stagePeek = OpDefinition(
        "StagePeek", "(index: int32) -> (values: dtypes)", attributes: stagingAttributes("dtypes: list(type) >= 1")
    )
    .stateful().blocking()
    .noGradient()
    .kernel(gpu: [:], hostMemory: ["index"]) { request in
        try stagingKernel(request) { context in .peek(try context.input(0).integer("index")) }
    }

    /// `StageSize`: the number of tuples.
    static let stageSize = OpDefinition(
        "StageSize", "() -> (size: int32)", attributes: stagingAttributes("dtypes: list(type)")
    )
    .stateful()
    .shape(ShapeFunctions.scalar)
    .noGradient()
    .kernel(gpu: [:], hostMemory: ["size"]) { request in
        let area = try stagingArea(request)
        return .sync { context in context.setOutput(0, Tensor(Int32(clamping: try area.get().read(\.count)))) }
    }

    /// `StageClear`: removes all tuples.
    static let stageClear = OpDefinition("StageClear", "() -> ()", attributes: stagingAttributes("dtypes: list(type)"))
        .stateful()
        .noGradient()
        .kernel(gpu: [:]) { request in
            let area = try stagingArea(request)
            return .sync { _ in try area.get().clear() }
        }
}

/// Returns the staging area of a node, which is named by `shared_name` or else by the node.
private func stagingArea(_ request: KernelRequest) throws -> NodeResource<StagingResource<StagingState>> {
    let limits = try StagingLimits(request)
    return try NodeResource(request, nodeNameIsShared: true) { _ in StagingResource(StagingState(limits)) }
}

private func stagingKernel(
    _ request: KernelRequest,
    _ operation: @escaping @Sendable (borrowing KernelContext) throws -> StagingState.Operation
) throws -> Kernel {
    let area = try stagingArea(request)
    let outputs = request.outputTypes.count
    return .async { context, done in
        do {
            try area.get().perform(try operation(context), context.step.cancellation) { result in
                done(
                    result.flatMap { tuple in
                        guard outputs == 0 || tuple.count == outputs else {
                            return .failure(.invalidArgument("Mismatch stage/unstage: \(tuple.count) vs. \(outputs)"))
                        }
                        return .success(outputs == 0 ? [] : tuple.map { .value($0) })
                    })
            }
        } catch {
            done(.failure(Status(error)))
        }
    }
}

import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `Barrier`: assembles tuples from components that arrive by key, in any order.
    static let barrier = OpDefinition(
        "Barrier", "() -> (handle: Ref(string))", "component_types: list(type) >= 1",
        "shapes: list(shape) >= 0 = []", "capacity: int = -1", "container: string = ''", "shared_name: string = ''"
    )
    .stateful()
    .shape { $0.setOutput(0, .vector(2)) }
    .noGradient()
    .kernel(make: barrierKernel)

    /// `BarrierInsertMany`: sets one component of the tuples of some keys.
    static let barrierInsertMany = OpDefinition(
        "BarrierInsertMany", "(handle: Ref(string), keys: string, values: T) -> ()", "T: type", "component_index: int"
    )
    .shape { c in
        try c.requireRank(1, 1)
        try c.requireRank(2, atLeast: 1)
    }
    .noGradient()
    .kernel(make: barrierInsertKernel)

    /// `BarrierTakeMany`: takes complete tuples; waits until there are enough.
    static let barrierTakeMany = OpDefinition(
        "BarrierTakeMany",
        "(handle: Ref(string), num_elements: int32) -> (indices: int64, keys: string, values: component_types)",
        "component_types: list(type) >= 1", "allow_small_batch: bool = false", "wait_for_incomplete: bool = false",
        "timeout_ms: int = -1"
    )
    .blocking()
    .noGradient()
    .kernel(make: barrierTakeKernel)

    /// `BarrierClose`: closes the barrier for new keys.
    static let barrierClose = OpDefinition(
        "BarrierClose", "(handle: Ref(string)) -> ()", "cancel_pending_enqueues: bool = false"
    )
    .noGradient()
    .kernel { request in
        let input = ResourceInput<BarrierResource>(request)
        let cancelsPending = try request.bool("cancel_pending_enqueues")
        return .sync { context in try input.find(context).close(cancelsPending: cancelsPending) }
    }

    /// `BarrierReadySize`: the number of complete tuples.
    static let barrierReadySize = barrierSize("BarrierReadySize") { $0.readyCount }
    /// `BarrierIncompleteSize`: the number of tuples with missing components.
    static let barrierIncompleteSize = barrierSize("BarrierIncompleteSize") { $0.incompleteCount }

    private static func barrierSize(_ name: String, _ size: @escaping @Sendable (BarrierResource) -> Int)
        -> OpDefinition
    {
        OpDefinition(name, "(handle: Ref(string)) -> (size: int32)")
            .shape(ShapeFunctions.scalar)
            .noGradient()
            .kernel { request in
                let input = ResourceInput<BarrierResource>(request)
                return .sync { context in context.setOutput(0, Tensor(Int32(clamping: size(try input.find(context))))) }
            }
    }
}

@Sendable private func barrierKernel(_ request: KernelRequest) throws -> Kernel {
    let types = try request.types("component_types"),
        shapes = try request.shapes("shapes").map { try $0.validatedSize() }
    guard shapes.count == types.count else {
        throw Status.invalidArgument("All of the component shapes must be specified")
    }
    if let vague = shapes.first(where: { !$0.isFullyKnown }) {
        throw Status.invalidArgument("Shape \(vague) is not fully defined")
    }
    guard try request.int("capacity") == -1 else {
        throw Status.invalidArgument(
            "Barrier only accepts capacity=-1.  Feed the inputs to your Barrier through a queue to enforce a limited "
                + "capacity."
        )
    }
    let node = try NodeResource<BarrierResource>(request, nodeNameIsShared: false) { barrier in
        guard barrier.types == types else {
            throw Status.invalidArgument(
                "Shared barrier '\(barrier.name)' has component types \(QueueSpecification.list(barrier.types)) "
                    + "but requested component types were \(QueueSpecification.list(types))")
        }
        guard barrier.shapes == shapes else {
            throw Status.invalidArgument(
                "Shared barrier '\(barrier.name)' has component shapes \(QueueSpecification.list(barrier.shapes)) "
                    + "but requested component shapes were \(QueueSpecification.list(shapes))")
        }
    } make: {
        BarrierResource(name: $0.name, types: types, shapes: shapes)
    }
    let reference = node.stringHandle(request)
    return .sync { context in
        _ = try node.get()
        context.setOutput(0, reference: reference)
    }
}

@Sendable private func barrierInsertKernel(_ request: KernelRequest) throws -> Kernel {
    let input = ResourceInput<BarrierResource>(request)
    let component = try request.int("component_index")
    let dtype = try request.type("T")
    return .sync { context in
        let barrier = try input.find(context)
        guard barrier.types.indices.contains(component) else {
            throw Status.invalidArgument(
                "The component ID is out of range \(component) > num_components (= \(barrier.types.count))")
        }
        guard barrier.types[component] == dtype else {
            throw Status.invalidArgument(
                "Signature mismatch, have: string_ref, string, \(dtype)-> expected: string_ref, string, "
                    + "\(barrier.types[component])->"
            )
        }
        let keys = try context.input(1).array(of: ByteString.self)
        let values = try context.input(2).snapshot()
        guard keys.isEmpty || values.elementCount > 0 else {
            throw Status.invalidArgument("Tensors with no elements are not supported: received shape \(values.shape)")
        }
        guard keys.isEmpty || (values.rank > 0 && values.dimension(0) == keys.count) else {
            throw Status.invalidArgument(
                "Expected as many values as keys, found \(keys.count) keys and values of shape \(values.shape)")
        }
        try barrier.insert(component, keys, try keys.indices.map { try values.row($0).copied() })
    }
}

@Sendable private func barrierTakeKernel(_ request: KernelRequest) throws -> Kernel {
    try requireNoTimeout(request)
    let input = ResourceInput<BarrierResource>(request)
    let allowsSmallBatch = try request.bool("allow_small_batch")
    let types = try request.types("component_types")
    return .async { context, done in
        do {
            let barrier = try input.find(context)
            guard context.shape(1).rank == 0 else { throw Status.invalidArgument("num_elements must be a scalar.") }
            let count = try context.input(1).integer("num_elements")
            guard barrier.types == types else {
                throw Status.invalidArgument(
                    "Signature mismatch, have: string_ref, int32->int64, string, \(QueueSpecification.list(types)) "
                        + "expected: "
                        + "string_ref, int32->int64, string, \(QueueSpecification.list(barrier.types))")
            }
            guard count >= 0 else { throw Status.invalidArgument("BarrierTakeMany requested \(count) < 0 elements") }
            let batches = barrierBatches(types, barrier.shapes)
            guard count > 0 else { return done(.success(try batches.batch([]).map { .value($0) })) }
            try batches.requireBatch(of: count)
            try barrier.take(count, allowsSmallBatch: allowsSmallBatch, context.step.cancellation) { result in
                done(
                    result.flatMap { elements in
                        Result { try batches.batch(elements).map { .value($0) } }.mapError { Status($0) }
                    })
            }
        } catch {
            done(.failure(Status(error)))
        }
    }
}

/// The specification of the output batches: the index, the key, and the components.
private func barrierBatches(_ types: [DType], _ shapes: [PartialShape]) -> QueueSpecification {
    QueueSpecification(label: "PriorityQueue", types: [.int64, .string] + types, shapes: [.scalar, .scalar] + shapes)
}

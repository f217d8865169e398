import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `CollectiveReduce`: every member of the group gets the elementwise combination of all members' tensors. The attributes
    /// `subdiv_offsets` and `wait_for` tune TensorFlow's ring, and change no values.
    static let collectiveReduce = OpDefinition(
        "CollectiveReduce", "(input: T) -> (data: T)",
        attributes: [CollectiveSchema.reducedTypes] + CollectiveSchema.group + CollectiveSchema.reduction + [
            "subdiv_offsets: list(int)", "wait_for: list(int) = []",
        ] + CollectiveSchema.options
    )
    .statefulWithKernelPerGraph().blocking()
    .shape(ShapeFunctions.unchanged)
    .kernel(gpu: [:]) { request in
        let group = try CollectiveGroupArguments(request), reduction = try CollectiveReduction(request)
        let operation = try CollectiveNode(request, "Reduce(\(reduction.text))").operation(
            .reduce(reduction), group, arithmetic: reduction.arithmetic(request))
        return .async { context, done in CollectiveNode.run(operation, context.input(0), context, done) }
    }

    /// `CollectiveReduceV2`: the same with the group as inputs.
    static let collectiveReduceV2 = reduceV2("CollectiveReduceV2", "ReduceV2") { .reduce($0) }
        .shape(ShapeFunctions.unchanged)

    /// `CollectiveReduceScatterV2`: every member gets the part of the combination that its rank says; the first dimension is cut.
    static let collectiveReduceScatterV2 = reduceV2("CollectiveReduceScatterV2", "ReduceScatterV2") { .reduceScatter($0) }
        .shape(unknownRows)

    private static func reduceV2(
        _ name: String, _ text: String, _ kind: @escaping @Sendable (CollectiveReduction) -> CollectiveOperation.Kind
    ) -> OpDefinition {
        OpDefinition(
            name, "(input: T, \(CollectiveSchema.orderedGroupInputs)) -> (data: T)",
            attributes: [CollectiveSchema.reducedTypes] + CollectiveSchema.reduction + CollectiveSchema.options + CollectiveSchema.ordering + [
                "max_subdivs_per_device: int = -1"
            ]
        )
        .statefulWithKernelPerGraph().blocking()
        .kernel(gpu: [:], hostMemory: CollectiveSchema.hostInputs) { request in
            let reduction = try CollectiveReduction(request), arithmetic = try reduction.arithmetic(request)
            let node = try CollectiveNode(request, "\(text)(\(reduction.text))")
            return .async { context, done in
                do {
                    let group = try CollectiveGroupArguments(context, first: 1)
                    CollectiveNode.run(node.operation(kind(reduction), group, arithmetic: arithmetic), context.input(0), context, done)
                } catch {
                    done(.failure(Status(error)))
                }
            }
        }
    }

    /// The shape of the input, with an unknown first dimension: the size of the group is not known.
    @Sendable static func unknownRows(_ c: inout ShapeContext) throws {
        try c.requireRank(0, atLeast: 1)
        let shape = c.input(0)
        c.setOutput(0, shape.rank == nil ? .unknown : shape.replacing(0, with: nil))
    }
}

import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `CollectiveGather`: every member gets all members' tensors, concatenated along the first dimension.
    static let collectiveGather = OpDefinition(
        "CollectiveGather", "(input: T) -> (data: T)",
        attributes: [CollectiveSchema.gatheredTypes] + CollectiveSchema.group + ["shape: shape"] + CollectiveSchema.options
    )
    .statefulWithKernelPerGraph().blocking()
    .shape { c in
        try c.requireRank(0, atLeast: 1)
        let shape = c.input(0)
        guard let size = c.attributes.int("group_size"), let rows = shape[0] else { return try unknownRows(&c) }
        let product = rows.multipliedReportingOverflow(by: size)
        guard !product.overflow, product.partialValue >= 0 else {
            throw Status.invalidArgument("group_size \(size) is no number of members for a tensor with \(rows) rows")
        }
        c.setOutput(0, shape.replacing(0, with: product.partialValue))
    }
    .kernel(gpu: [:]) { request in
        let operation = try CollectiveNode(request, "Gather").operation(.gather, CollectiveGroupArguments(request))
        return .async { context, done in CollectiveNode.run(operation, context.input(0), context, done) }
    }

    /// `CollectiveGatherV2`: the same with the group as inputs.
    static let collectiveGatherV2 = OpDefinition(
        "CollectiveGatherV2", "(input: T, \(CollectiveSchema.orderedGroupInputs)) -> (data: T)",
        attributes: [CollectiveSchema.gatheredTypes] + CollectiveSchema.options + CollectiveSchema.ordering
    )
    .statefulWithKernelPerGraph().blocking()
    .shape(unknownRows)
    .kernel(gpu: [:], hostMemory: CollectiveSchema.hostInputs) { request in
        let node = try CollectiveNode(request, "GatherV2")
        return .async { context, done in
            do {
                let operation = node.operation(.gather, try CollectiveGroupArguments(context, first: 1))
                CollectiveNode.run(operation, context.input(0), context, done)
            } catch {
                done(.failure(Status(error)))
            }
        }
    }
}

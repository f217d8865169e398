import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `CollectiveAllToAllV2`: each member gets one part of every member's tensor, by rank; the first dimension is cut.
    static let collectiveAllToAllV2 = OpDefinition(
        "CollectiveAllToAllV2", "(input: T, \(CollectiveSchema.orderedGroupInputs)) -> (data: T)",
        attributes: [CollectiveSchema.reducedTypes] + CollectiveSchema.options + CollectiveSchema.ordering
    )
    .statefulWithKernelPerGraph().blocking()
    .shape(ShapeFunctions.unchanged)
    .kernel(gpu: [:], hostMemory: CollectiveSchema.hostInputs) { request in
        let node = try CollectiveNode(request, "AllToAllV2")
        return .async { context, done in
            do {
                let operation = node.operation(.allToAll, try CollectiveGroupArguments(context, first: 1))
                CollectiveNode.run(operation, context.input(0), context, done)
            } catch {
                done(.failure(Status(error)))
            }
        }
    }
}

import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `CollectiveBcastSend`: the source of a broadcast. Its output is its input.
    static let collectiveBcastSend = OpDefinition(
        "CollectiveBcastSend", "(input: T) -> (data: T)",
        attributes: [CollectiveSchema.broadcastTypes] + CollectiveSchema.group + ["shape: shape"] + CollectiveSchema.options
    )
    .statefulWithKernelPerGraph().blocking()
    .shape(declaredShape)
    .kernel(gpu: [:]) { request in
        let operation = try broadcast(request, isSource: true)
        return .async { context, done in
            guard context.shape(0) == operation.shape else {
                return done(.failure(.internalError("Declared shape of op \(operation.name) does not match shape of input")))
            }
            CollectiveNode.run(operation, context.input(0), context, done)
        }
    }

    /// `CollectiveBcastRecv`: any other member of a broadcast. Its output is the source's tensor.
    static let collectiveBcastRecv = OpDefinition(
        "CollectiveBcastRecv", "() -> (data: T)",
        attributes: [CollectiveSchema.broadcastTypes] + CollectiveSchema.group + ["shape: shape"] + CollectiveSchema.options
    )
    .statefulWithKernelPerGraph().blocking()
    .shape(declaredShape)
    .kernel(gpu: [:]) { request in
        let operation = try broadcast(request, isSource: false)
        return .async { context, done in CollectiveNode.run(operation, nil, context, done) }
    }

    /// `CollectiveBcastSendV2`: the source, with the group as inputs.
    static let collectiveBcastSendV2 = OpDefinition(
        "CollectiveBcastSendV2", "(input: T, \(CollectiveSchema.groupInputs)) -> (data: T)",
        attributes: [CollectiveSchema.broadcastTypes] + CollectiveSchema.options
    )
    .statefulWithKernelPerGraph().blocking()
    .shape(ShapeFunctions.unchanged)
    .kernel(gpu: [:], hostMemory: CollectiveSchema.hostInputs) { request in
        let node = try CollectiveNode(request, "Broadcast(1)")
        return .async { context, done in
            do {
                let operation = node.operation(
                    .broadcast(isSource: true), try CollectiveGroupArguments(context, first: 1), shape: context.shape(0))
                CollectiveNode.run(operation, context.input(0), context, done)
            } catch {
                done(.failure(Status(error)))
            }
        }
    }

    /// `CollectiveBcastRecvV2`: any other member, with the group and the shape as inputs.
    static let collectiveBcastRecvV2 = OpDefinition(
        "CollectiveBcastRecvV2", "(\(CollectiveSchema.groupInputs), shape: Tshape) -> (data: T)",
        attributes: [CollectiveSchema.broadcastTypes, "Tshape: {int32, int64} = int32"] + CollectiveSchema.options
    )
    .statefulWithKernelPerGraph().blocking()
    .shape { c in c.setOutput(0, try c.shapeArgument(3)) }
    .kernel(gpu: [:], hostMemory: CollectiveSchema.hostInputs.union(["shape"])) { request in
        let node = try CollectiveNode(request, "Broadcast(0)")
        return .async { context, done in
            do {
                let operation = node.operation(
                    .broadcast(isSource: false), try CollectiveGroupArguments(context, first: 0), shape: try context.input(3).shapeValue())
                CollectiveNode.run(operation, nil, context, done)
            } catch {
                done(.failure(Status(error)))
            }
        }
    }

    @Sendable private static func declaredShape(_ c: inout ShapeContext) throws {
        if let shape = c.attributes.shape("shape") { c.setOutput(0, shape) }
    }

    private static func broadcast(_ request: KernelRequest, isSource: Bool) throws -> CollectiveOperation {
        let group = try CollectiveGroupArguments(request), declared = try request.shape("shape")
        guard let shape = declared.known else {
            throw Status.invalidArgument("\(request.op.name) node '\(request.name)': attribute 'shape' must be fully defined, found \(declared)")
        }
        return try CollectiveNode(request, "Broadcast(\(isSource ? 1 : 0))").operation(
            .broadcast(isSource: isSource), group, shape: try shape.validated())
    }
}

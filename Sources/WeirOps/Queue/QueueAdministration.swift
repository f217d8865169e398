import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `QueueCloseV2`: closes a queue for new elements. The remaining elements can still be dequeued.
    static let queueClose = closing("QueueClose", "Ref(string)")
    static let queueCloseV2 = closing("QueueCloseV2", "resource").stateful()

    private static func closing(_ name: String, _ handle: String) -> OpDefinition {
        OpDefinition(name, "(handle: \(handle)) -> ()", "cancel_pending_enqueues: bool = false")
            .blocking()
            .noGradient()
            .kernel { request in
                let queueInput = ResourceInput<QueueResource>(request)
                let cancellingPending = try request.bool("cancel_pending_enqueues")
                return .async { context, done in
                    do {
                        try queueInput.find(context).close(cancellingPending: cancellingPending) {
                            done($0.map { _ in [] })
                        }
                    } catch {
                        done(.failure(Status(error)))
                    }
                }
            }
    }

    /// `QueueSizeV2`: the number of elements of a queue.
    static let queueSize = size("QueueSize", "Ref(string)")
    static let queueSizeV2 = size("QueueSizeV2", "resource").stateful()

    private static func size(_ name: String, _ handle: String) -> OpDefinition {
        OpDefinition(name, "(handle: \(handle)) -> (size: int32)")
            .shape(ShapeFunctions.scalar)
            .noGradient()
            .kernel { request in
                let queueInput = ResourceInput<QueueResource>(request)
                return .sync { context in
                    context.setOutput(0, Tensor(Int32(clamping: try queueInput.find(context).count)))
                }
            }
    }

    /// `QueueIsClosedV2`: whether a queue is closed.
    static let queueIsClosed = isClosed("QueueIsClosed", "Ref(string)")
    static let queueIsClosedV2 = isClosed("QueueIsClosedV2", "resource").stateful()

    private static func isClosed(_ name: String, _ handle: String) -> OpDefinition {
        OpDefinition(name, "(handle: \(handle)) -> (is_closed: bool)")
            .shape(ShapeFunctions.scalar)
            .noGradient()
            .kernel { request in
                let queueInput = ResourceInput<QueueResource>(request)
                return .sync { context in context.setOutput(0, Tensor(try queueInput.find(context).isClosedForEnqueue)) }
            }
    }
}

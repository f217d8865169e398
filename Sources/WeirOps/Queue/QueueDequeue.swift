import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `QueueDequeueV2`: takes one element; waits while the queue is empty.
    static let queueDequeue = dequeue("QueueDequeue", "Ref(string)")
    static let queueDequeueV2 = dequeue("QueueDequeueV2", "resource").stateful()

    private static func dequeue(_ name: String, _ handle: String) -> OpDefinition {
        OpDefinition(
            name, "(handle: \(handle)) -> (components: component_types)", "component_types: list(type) >= 1",
            "timeout_ms: int = -1"
        )
        .shape { c in
            if c.outputs.count == 1, let element = c.handle(0) { c.setOutput(0, element.shape) }
        }
        .blocking()
        .noGradient()
        .kernel { request in
            try requireNoTimeout(request)
            let queueInput = ResourceInput<QueueResource>(request)
            let signature = QueueSignature(request)
            return .async { context, done in
                do {
                    let queue = try queueInput.find(context)
                    try signature.requireOutputs(queue.specification.types)
                    queue.takeOne(context.step.cancellation) { done($0.map { $0.map { .value($0) } }) }
                } catch {
                    done(.failure(Status(error)))
                }
            }
        }
    }

    /// `QueueDequeueManyV2`: takes `n` elements as one tensor for each component; waits until there are enough.
    static let queueDequeueMany = dequeueMany("QueueDequeueMany", "Ref(string)", upTo: false)
    static let queueDequeueManyV2 = dequeueMany("QueueDequeueManyV2", "resource", upTo: false).stateful()
    /// `QueueDequeueUpToV2`: like `QueueDequeueManyV2`, but takes fewer elements when the queue is closed.
    static let queueDequeueUpTo = dequeueMany("QueueDequeueUpTo", "Ref(string)", upTo: true)
    static let queueDequeueUpToV2 = dequeueMany("QueueDequeueUpToV2", "resource", upTo: true).stateful()

    private static func dequeueMany(_ name: String, _ handle: String, upTo: Bool) -> OpDefinition {
        let label = upTo ? "DequeueUpToOp" : "DequeueManyOp"
        return OpDefinition(
            name, "(handle: \(handle), n: int32) -> (components: component_types)", "component_types: list(type) >= 1",
            "timeout_ms: int = -1"
        )
        .shape { c in
            let count = try c.constant(1)?.integers("n").first
            if let count, count < 0 { throw Status.invalidArgument("Input 'n' must be >= 0, but is \(count)") }
            guard c.outputs.count == 1, let element = c.handle(0) else { return }
            c.setOutput(0, PartialShape.vector(upTo ? nil : count).concatenating(element.shape))
        }
        .blocking()
        .noGradient()
        .kernel { request in
            try requireNoTimeout(request)
            let queueInput = ResourceInput<QueueResource>(request)
            let signature = QueueSignature(request)
            return .async { context, done in
                do {
                    let queue = try queueInput.find(context)
                    guard let count = try context.input(1).integers("n").first else {
                        throw Status.invalidArgument("\(label) takes the number of elements, found an empty tensor")
                    }
                    guard count >= 0 else {
                        throw Status.invalidArgument("\(label) requested \(count) < 0 elements")
                    }
                    let specification = queue.specification
                    try signature.requireOutputs(specification.types)
                    try specification.requireBatch(of: count)
                    guard count > 0 else {
                        return done(.success(try specification.batch([]).map { .value($0) }))
                    }
                    queue.take(count, allowsSmallBatch: upTo, context.step.cancellation) { result in
                        done(
                            result.flatMap { elements in
                                Result { try specification.batch(elements).map { .value($0) } }.mapError { Status($0) }
                            })
                    }
                } catch {
                    done(.failure(Status(error)))
                }
            }
        }
    }
}

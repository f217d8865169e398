import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `QueueEnqueueV2`: adds one element; waits while the queue is full.
    static let queueEnqueue = enqueue("QueueEnqueue", "Ref(string)", many: false)
    static let queueEnqueueV2 = enqueue("QueueEnqueueV2", "resource", many: false).stateful()
    /// `QueueEnqueueManyV2`: adds the rows of the components one after another; waits while the queue is full.
    static let queueEnqueueMany = enqueue("QueueEnqueueMany", "Ref(string)", many: true)
    static let queueEnqueueManyV2 = enqueue("QueueEnqueueManyV2", "resource", many: true).stateful()

    private static func enqueue(_ name: String, _ handle: String, many: Bool) -> OpDefinition {
        OpDefinition(
            name, "(handle: \(handle), components: Tcomponents) -> ()", "Tcomponents: list(type) >= 1",
            "timeout_ms: int = -1"
        )
        .blocking()
        .noGradient()
        .kernel { request in
            try requireNoTimeout(request)
            let queueInput = ResourceInput<QueueResource>(request)
            let signature = QueueSignature(request)
            return .async { context, done in
                do {
                    let queue = try queueInput.find(context)
                    try signature.requireInputs(queue.specification.types)
                    let components = try (1..<context.inputCount).map { try context.input($0).snapshot() }
                    let elements: [QueueElement]
                    if many {
                        elements = try queue.specification.elements(ofBatch: components)
                        guard !elements.isEmpty else { return done(.success([])) }
                    } else {
                        try queue.specification.check(components)
                        elements = [components]
                    }
                    queue.put(elements, context.step.cancellation) { done($0.map { _ in [] }) }
                } catch {
                    done(.failure(Status(error)))
                }
            }
        }
    }
}

/// - Throws: `invalidArgument` when a node sets `timeout_ms`. TensorFlow does not support it either.
func requireNoTimeout(_ request: KernelRequest) throws {
    guard try request.int("timeout_ms") == -1 else { throw Status.invalidArgument("Timeout not supported yet.") }
}

/// The input and output types of a queue op, to compare with the component types of the queue.
struct QueueSignature: Sendable {
    private let inputs: [PortType]
    private let outputs: [PortType]

    init(_ request: KernelRequest) {
        inputs = request.inputTypes
        outputs = request.outputTypes
    }

    /// - Throws: `invalidArgument` unless the inputs after the handle have these types.
    func requireInputs(_ types: [DType]) throws {
        guard inputs.dropFirst().map(\.dtype) != types else { return }
        throw mismatch(expectedInputs: [inputs[0]] + types.map { PortType($0) }, expectedOutputs: outputs)
    }
    /// - Throws: `invalidArgument` unless the outputs have these types.
    func requireOutputs(_ types: [DType]) throws {
        guard outputs.map(\.dtype) != types else { return }
        throw mismatch(expectedInputs: inputs, expectedOutputs: types.map { PortType($0) })
    }
    private func mismatch(expectedInputs: [PortType], expectedOutputs: [PortType]) -> Status {
        func list(_ ports: [PortType]) -> String { ports.map(\.description).joined(separator: ", ") }
        return .invalidArgument(
            "Signature mismatch, have: \(list(inputs))->\(list(outputs)) expected: \(list(expectedInputs))->"
                + list(expectedOutputs))
    }
}

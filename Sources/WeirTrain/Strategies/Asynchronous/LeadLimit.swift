import WeirGraph
import WeirOps
import WeirTensor

/// Bounds how many steps a worker may be ahead of each other worker, with queues of tokens on the parameter server that has the
/// global step.
///
/// Each ordered pair of workers has a queue, which begins with `maximum + 1` tokens. A worker's step takes one token from each other
/// worker, and in the end gives one to each. So the step with number `c`, from 0, begins when each other worker has completed
/// `c - maximum` steps. A token is 0. The token 1 opens a queue for good: whoever takes it puts it back. It stands for a worker that
/// will do no more steps.
struct LeadLimit {
    /// Operations that wait for tokens. A step reads variables after them.
    let gates: [Operation]
    /// What the client runs when a worker ends.
    let control: StepGates
    /// The first tokens of all queues; empty for all workers but the first.
    let initializers: [Operation]
    /// All queues; empty for all workers but the first.
    let queues: [Output]

    private let incoming: [Output]
    private let outgoing: [Output]
    private let tokens: [Output]

    /// Adds the gates of the worker with number `task`.
    /// - Parameter runSuffix: the end of the queues' names, which no other training has.
    init(_ builder: GraphBuilder, of task: Int, among tasks: [Int], maximum: Int, runSuffix: String, beside globalStep: Variable) {
        let others = tasks.filter { $0 != task }
        func queue(_ giver: Int, _ taker: Int) -> Output {
            let name = "async/lead/\(giver)_\(taker)\(runSuffix)"
            return builder.fifoQueue(types: [.int32], shapes: [.scalar], sharedName: name, name: name).handle
        }
        func give(_ token: Double, _ queue: Output) -> Operation { builder.add("QueueEnqueueV2", [queue, builder.scalar(token, .int32)]) }
        let isFirst = task == tasks.first
        (incoming, outgoing, tokens, initializers, queues, control) = builder.colocate(with: globalStep.handle.operation) {
            let incoming = others.map { queue($0, task) }
            let outgoing = others.map { queue(task, $0) }
            let tokens = incoming.map { builder.add("QueueDequeueV2", [$0], attributes: ["component_types": .types([.int32])])[0] }
            var all: [Output] = []
            if isFirst {
                let between = others.flatMap { giver in others.filter { $0 != giver }.map { queue(giver, $0) } }
                all = incoming + outgoing + between
            }
            let first = builder.filled(Shape(maximum + 1), with: 0, .int32)
            let initializers = all.map { builder.add("QueueEnqueueManyV2", [$0, first]) }
            let numbers = others.map { other in tasks.firstIndex(of: other) ?? 0 }
            let open = Dictionary(zip(numbers, incoming.map { give(1, $0) }), uniquingKeysWith: { a, _ in a })
            let leave = builder.group(outgoing.map { give(1, $0) }, name: "async/leave")
            return (incoming, outgoing, tokens, initializers, all, StepGates(open: open, leave: leave))
        }
        gates = tokens.map(\.operation)
    }

    /// Adds the end of a step: gives a token to each other worker, and puts back those that open a queue for good.
    func release(_ builder: GraphBuilder) -> [Operation] {
        zip(zip(incoming, tokens), outgoing).flatMap { taken, outgoing in
            let (queue, token) = taken
            return builder.colocate(with: queue.operation) {
                // As many tokens as the number says: none, or the one that opens.
                let again = builder.add("Fill", [token.reshaped(to: [1]), builder.scalar(1, .int32)])[0]
                return [
                    builder.add("QueueEnqueueManyV2", [queue, again]), builder.add("QueueEnqueueV2", [outgoing, builder.scalar(0, .int32)]),
                ]
            }
        }
    }
}

import Synchronization
import WeirDevice
import WeirTensor

/// Several elementwise ops as one small program that is run block by block: values between its steps stay in the cache.
///
/// It computes what the ops would, with their own loops. Shapes that it is not made for, and errors, are left to the ops'
/// own kernels, which it keeps for that.
final class ElementwiseProgram: Sendable {
    struct Step: Sendable {
        let function: ElementwiseFunction
        let left: Int
        let right: Int
        let result: Int
    }
    struct Member: Sendable {
        let node: Node
        /// Where each input comes from: an input of the program, or an output of another member.
        let values: [Int]
        let result: Int
    }
    /// Values are numbered: the inputs first, then what members and steps make.
    let inputCount: Int
    let valueCount: Int
    let steps: [Step]
    let members: [Member]
    let outputs: [Int]
    /// For each output, the first that is the same value: a value may have been passed on under several names.
    let firstOutputs: [Int]
    /// For values that are no inputs or outputs: the part of the working memory where they lie.
    let registers: [Int]
    let registerCount: Int
    /// How many elements are worth a thread's trouble: 10 to 20 µs of work.
    let grain: Int

    /// Whether a node can be part of a program.
    static func canHold(_ node: Node) -> Bool {
        guard node.outputTypes == [PortType(.float32)], !node.inputs.isEmpty, node.inputTypes.allSatisfy({ $0 == PortType(.float32) }) else {
            return false
        }
        return node.op.elementwise?(node.attributes) != nil || isPassing(node)
    }
    private static func isPassing(_ node: Node) -> Bool { [.identity, .value].contains(node.op.passThrough) }

    /// - Parameters:
    ///   - nodes: each after those that it needs.
    ///   - inputs: the places of values from outside.
    ///   - outputs: the members whose values are wanted outside.
    init?(_ nodes: [(id: NodeID, node: Node)], inputs: [Endpoint: Int], outputs: [NodeID]) {
        inputCount = inputs.count
        var values: [NodeID: Int] = [:]
        var next = inputs.count
        var steps: [Step] = []
        var members: [Member] = []
        for (id, node) in nodes {
            let operands = node.inputs.compactMap { inputs[$0] ?? values[$0.node] }
            guard operands.count == node.inputs.count else { return nil }
            if let function = node.op.elementwise?(node.attributes) {
                var left = operands[0]
                if case .unary = function.body {
                    steps.append(Step(function: function, left: left, right: left, result: next))
                    next += 1
                } else {
                    guard operands.count > 1 else { return nil }
                    for right in operands.dropFirst() {
                        steps.append(Step(function: function, left: left, right: right, result: next))
                        left = next
                        next += 1
                    }
                }
                values[id] = next - 1
            } else {
                // What is passed on is the same value.
                values[id] = operands[0]
            }
            members.append(Member(node: node, values: operands, result: values[id] ?? 0))
        }
        let wanted = outputs.compactMap { values[$0] }
        // An input that is merely passed on is no program's result.
        guard wanted.count == outputs.count, wanted.allSatisfy({ $0 >= inputs.count }) else { return nil }
        self.outputs = wanted
        let first = Dictionary(wanted.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        firstOutputs = wanted.map { first[$0] ?? 0 }
        self.members = members
        valueCount = next
        grain = (1 << 18) / max(1, steps.reduce(0) { $0 + ($1.function.isExpensive ? 32 : 1) })
        self.steps = ElementwiseProgram.ordered(steps, inputCount: inputs.count, outputs: wanted)
        (registers, registerCount) = ElementwiseProgram.allocate(self.steps, valueCount: next, inputCount: inputs.count, outputs: wanted)
    }

    /// Steps in an order in which values die soon: each operand's steps right before the step that takes it.
    private static func ordered(_ steps: [Step], inputCount: Int, outputs: [Int]) -> [Step] {
        var result: [Step] = []
        var isDone = [Bool](repeating: false, count: inputCount + steps.count)
        for index in 0..<inputCount { isDone[index] = true }
        for output in outputs {
            var stack = [output]
            while let value = stack.last {
                if isDone[value] {
                    stack.removeLast()
                    continue
                }
                let step = steps[value - inputCount]
                if !isDone[step.left] {
                    stack.append(step.left)
                } else if !isDone[step.right] {
                    stack.append(step.right)
                } else {
                    stack.removeLast()
                    isDone[value] = true
                    result.append(step)
                }
            }
        }
        return result
    }

    private static func allocate(_ steps: [Step], valueCount: Int, inputCount: Int, outputs: [Int]) -> (registers: [Int], count: Int) {
        var lastUse = [Int](repeating: -1, count: valueCount)
        for (position, step) in steps.enumerated() {
            lastUse[step.left] = position
            lastUse[step.right] = position
        }
        let isOutput = Set(outputs)
        var registers = [Int](repeating: -1, count: valueCount)
        var free: [Int] = []
        var count = 0
        for (position, step) in steps.enumerated() {
            for operand in Set([step.left, step.right]) where registers[operand] >= 0 && lastUse[operand] == position {
                free.append(registers[operand])
            }
            guard !isOutput.contains(step.result) else { continue }
            if let register = free.popLast() {
                registers[step.result] = register
            } else {
                registers[step.result] = count
                count += 1
            }
        }
        return (registers, count)
    }

    /// The op of the one node that runs this program. It lives in graphs that are ready to run, and nowhere else.
    var definition: OpDefinition {
        OpDefinition(
            "_FusedElementwise", "(inputs: Tin) -> (outputs: Tout)", "Tin: list(type) >= 0", "Tout: list(type) >= 0"
        )
        .kernel { request in
            let runner = try ElementwiseRunner(self, request)
            return .sync { context in try runner.run(context) }
        }
    }
}

import WeirTensor

/// Several elementwise ops compiled to a program that runs block by block, so that intermediate values stay in the cache.
///
/// It computes the same as the ops, with the ops' own loops. For shapes that it does not support, and for errors, it runs the
/// ops' kernels one after another.
final class ElementwiseProgram: Sendable {
    /// One call of a loop: the numbers of its operands and of its result.
    struct Step: Sendable {
        let function: ElementwiseFunction
        /// The function in CUDA C++, of x and y; nil if the op has none.
        let expression: String?
        let left: Int
        let right: Int
        let result: Int
    }
    /// One of the fused nodes.
    struct Member: Sendable {
        let node: Node
        /// The number of each input's value: an input of the program, or the result of another member.
        let values: [Int]
        let result: Int
    }
    /// The number of inputs. Values are numbered: first the inputs, then the results of the steps.
    let inputCount: Int
    let valueCount: Int
    let steps: [Step]
    let members: [Member]
    let outputs: [Int]
    /// For each output, the first output with the same value. Several outputs have the same value if an Identity forwards it.
    let firstOutputs: [Int]
    /// For each value that is neither input nor output, the register (a part of the scratch memory) that holds it.
    let registers: [Int]
    let registerCount: Int
    /// The number of elements for which a thread is worth its overhead: 10 to 20 µs of work.
    let grain: Int

    /// Whether the node can be part of a program for a type of device.
    static func canHold(_ node: Node, on deviceType: String) -> Bool {
        guard node.outputTypes == [PortType(.float32)], !node.inputs.isEmpty, node.inputTypes.allSatisfy({ $0 == PortType(.float32) }) else {
            return false
        }
        if isPassing(node) { return true }
        guard node.op.elementwise?(node.attributes) != nil else { return false }
        switch deviceType {
        case "CPU": return true
        case "GPU": return node.op.cudaExpression?(node.attributes) != nil
        default: return false
        }
    }
    private static func isPassing(_ node: Node) -> Bool { [.identity, .value].contains(node.op.passThrough) }

    /// - Parameters:
    ///   - nodes: the members in topological order.
    ///   - inputs: for each value from outside, its number.
    ///   - outputs: the members whose values are used outside.
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
                let expression = node.op.cudaExpression?(node.attributes)
                var left = operands[0]
                if case .unary = function.body {
                    steps.append(Step(function: function, expression: expression, left: left, right: left, result: next))
                    next += 1
                } else {
                    guard operands.count > 1 else { return nil }
                    for right in operands.dropFirst() {
                        steps.append(Step(function: function, expression: expression, left: left, right: right, result: next))
                        left = next
                        next += 1
                    }
                }
                values[id] = next - 1
            } else {
                // A forwarded value keeps its number.
                values[id] = operands[0]
            }
            members.append(Member(node: node, values: operands, result: values[id] ?? 0))
        }
        let wanted = outputs.compactMap { values[$0] }
        // A forwarded input cannot be an output of a program.
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

    /// The steps in an order that keeps few values alive: the steps of each operand directly before the step that uses it.
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

    /// Assigns a register to each intermediate value. A register is used again after the last use of its value.
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
}

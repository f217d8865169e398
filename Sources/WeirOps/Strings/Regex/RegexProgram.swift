import WeirKernels
import WeirTensor

/// A regular expression compiled for a machine that follows all alternatives at once (Thompson's NFA). The order of the
/// alternatives is that of a backtracking matcher.
struct RegexProgram: Sendable {
    enum Instruction: Sendable {
        /// Consumes a character of a set and continues with the next instruction.
        case consume(Int)
        case check(RegexSyntax.Assertion)
        case jump(Int)
        /// Continues at both instructions. The first has priority.
        case split(Int, Int)
        /// Records the position of the start or end of a group.
        case save(Int)
        case accept
    }

    /// The maximum number of instructions. A short pattern with counted repetitions can expand to very many.
    private static let maximumInstructionCount = 20_000

    private(set) var instructions: [Instruction] = []
    /// The program that matches the reversed text, without groups. It is never longer than the forward one.
    private(set) var backward: [Instruction] = []
    let sets: RegexSets
    private(set) var hasAssertions = false
    let groupCount: Int
    private var isBackward = false

    init(_ syntax: RegexSyntax, _ sets: [ScalarSet], groupCount: Int) throws(Status) {
        self.groupCount = groupCount
        self.sets = RegexSets(sets)
        try add(.group(syntax, 0))
        try emit(.accept)
        let forward = instructions
        instructions = []
        isBackward = true
        try add(syntax)
        try emit(.accept)
        backward = instructions
        instructions = forward
    }

    subscript(index: Int, isBackward: Bool) -> Instruction { isBackward ? backward[index] : instructions[index] }

    private mutating func emit(_ instruction: Instruction) throws(Status) {
        guard instructions.count < Self.maximumInstructionCount else { throw .invalidArgument("pattern too large - compile failed") }
        instructions.append(instruction)
    }

    private mutating func add(_ syntax: RegexSyntax) throws(Status) {
        switch syntax {
        case .empty: break
        case .set(let set): try emit(.consume(set))
        case .assertion(let assertion):
            hasAssertions = true
            try emit(.check(assertion))
        case .group(let inside, let number):
            guard let number, !isBackward else { return try add(inside) }
            try emit(.save(2 * number))
            try add(inside)
            try emit(.save(2 * number + 1))
        case .sequence(let parts):
            if isBackward {
                for part in parts.reversed() { try add(part) }
            } else {
                for part in parts { try add(part) }
            }
        case .alternatives(let choices):
            var ends: [Int] = []
            for choice in choices.dropLast() {
                let split = instructions.count
                try emit(.split(split + 1, 0))
                try add(choice)
                ends.append(instructions.count)
                try emit(.jump(0))
                instructions[split] = .split(split + 1, instructions.count)
            }
            try add(choices[choices.count - 1])
            for end in ends { instructions[end] = .jump(instructions.count) }
        case .repetition(let part, let minimum, let maximum, let isGreedy):
            for _ in 0..<minimum {
                let start = instructions.count
                try add(part)
                // Stops if the part is empty: nested repetitions of it could otherwise take very long.
                if instructions.count == start { break }
            }
            guard let maximum else { return try addLoop(part, isGreedy) }
            var splits: [Int] = []
            for _ in minimum..<maximum {
                splits.append(instructions.count)
                try emit(.split(0, 0))
                try add(part)
            }
            for split in splits { branch(split, into: split + 1, past: instructions.count, isGreedy) }
        }
    }

    private mutating func addLoop(_ part: RegexSyntax, _ isGreedy: Bool) throws(Status) {
        let split = instructions.count
        try emit(.split(0, 0))
        try add(part)
        try emit(.jump(split))
        branch(split, into: split + 1, past: instructions.count, isGreedy)
    }

    private mutating func branch(_ split: Int, into start: Int, past end: Int, _ isGreedy: Bool) {
        instructions[split] = isGreedy ? .split(start, end) : .split(end, start)
    }
}

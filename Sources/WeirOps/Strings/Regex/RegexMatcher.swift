import WeirGraph
import WeirTensor

/// Runs of a program over texts. A run's time is the product of both lengths at most, whatever the pattern; what it needs
/// beside is kept for the next.
struct RegexMatcher {
    private let program: RegexProgram
    private var text: [UInt8] = []
    /// Whether a match must reach to the end of the text.
    private let isFull: Bool
    private let captures: Bool
    private let cancellation: Cancellation
    /// For each instruction, the round in which it was reached last: of any run.
    private var reached: [Int]
    private var round = 0

    private struct Thread {
        var instruction: Int
        var places: [Int]
    }

    /// - Parameter cancellation: ends a run that takes long.
    init(_ program: RegexProgram, isFull: Bool, captures: Bool, cancellation: Cancellation) {
        self.program = program
        self.cancellation = cancellation
        self.isFull = isFull
        self.captures = captures
        reached = [Int](repeating: 0, count: program.instructions.count)
    }

    /// Says in which text matches are looked for.
    mutating func begin(_ text: [UInt8]) { self.text = text }

    /// The leftmost match from `start` on, of those the one a backtracking matcher would find first: where it and its
    /// groups begin and end, -1 for groups that took no part.
    /// - Throws: `cancelled` when the step has ended.
    mutating func match(from start: Int, isAnchored: Bool) throws(Status) -> [Int]? {
        let none = [Int](repeating: -1, count: captures ? 2 * (program.groupCount + 1) : 0)
        var threads: [Thread] = []
        var best: [Int]?
        var position = start
        round += 1
        while true {
            guard !cancellation.isCancelled else { throw .cancelled("The match of a regular expression was cancelled").derived }
            // Lower in priority than every thread begun further left.
            if best == nil, position == start || !isAnchored { follow(0, none, position, &threads) }
            if threads.isEmpty, best != nil || isAnchored { return best }
            let (scalar, width) = Self.decode(text, position)
            var survivors: [Thread] = []
            round += 1
            each: for thread in threads {
                switch program.instructions[thread.instruction] {
                case .consume(let set):
                    guard let scalar, set.contains(scalar) else { continue }
                    follow(thread.instruction + 1, thread.places, position + width, &survivors)
                default:
                    // It accepts. Those behind it were less preferred.
                    if isFull, position != text.count { continue }
                    best = thread.places
                    break each
                }
            }
            if position >= text.count { return best }
            threads = survivors
            position += width
        }
    }

    /// Adds the threads that are reached from an instruction without consuming anything.
    private mutating func follow(_ instruction: Int, _ places: [Int], _ position: Int, _ threads: inout [Thread]) {
        var stack = [Thread(instruction: instruction, places: places)]
        while var thread = stack.popLast() {
            let at = thread.instruction
            if reached[at] == round { continue }
            reached[at] = round
            switch program.instructions[at] {
            case .consume, .accept: threads.append(thread)
            case .jump(let target):
                thread.instruction = target
                stack.append(thread)
            case .split(let first, let second):
                stack.append(Thread(instruction: second, places: thread.places))
                stack.append(Thread(instruction: first, places: thread.places))
            case .save(let slot):
                if captures { thread.places[slot] = position }
                thread.instruction += 1
                stack.append(thread)
            case .check(let assertion):
                guard holds(assertion, position) else { continue }
                thread.instruction += 1
                stack.append(thread)
            }
        }
    }

    private func holds(_ assertion: RegexSyntax.Assertion, _ position: Int) -> Bool {
        switch assertion {
        case .textStart: position == 0
        case .textEnd: position == text.count
        case .lineStart: position == 0 || text[position - 1] == 10
        case .lineEnd: position == text.count || text[position] == 10
        case .wordBoundary: isWord(position - 1) != isWord(position)
        case .noWordBoundary: isWord(position - 1) == isWord(position)
        }
    }

    private func isWord(_ position: Int) -> Bool {
        text.indices.contains(position) && ScalarSet.word.contains(UInt32(text[position]))
    }

    /// The character at a position and how many bytes it takes; nil and 1 for a byte that begins none.
    static func decode(_ text: [UInt8], _ position: Int) -> (scalar: UInt32?, width: Int) {
        guard position < text.count else { return (nil, 1) }
        let first = text[position]
        if first < 0x80 { return (UInt32(first), 1) }
        let width = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1
        guard width > 1, first < 0xf5, position + width <= text.count else { return (nil, 1) }
        var scalar = UInt32(first) & (0x7f >> UInt32(width))
        for byte in text[position + 1..<position + width] {
            guard byte & 0xc0 == 0x80 else { return (nil, 1) }
            scalar = scalar << 6 | UInt32(byte & 0x3f)
        }
        // Overlong forms and halves of surrogate pairs are no characters.
        let smallest: UInt32 = width == 4 ? 0x1_0000 : width == 3 ? 0x800 : 0x80
        guard scalar >= smallest, Unicode.Scalar(scalar) != nil else { return (nil, 1) }
        return (scalar, width)
    }
}

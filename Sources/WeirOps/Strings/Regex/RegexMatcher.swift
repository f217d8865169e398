import WeirGraph
import WeirKernels
import WeirTensor

/// Matches texts against the program of a regular expression. The time is at most proportional to the product of the
/// lengths of program and text, for every pattern. It is mostly proportional to that of the text, because the automaton
/// finds where matches begin, and threads are simulated only from there. Buffers are kept for the next text.
struct RegexMatcher {
    private let program: RegexProgram
    /// Whether a match must span the whole text.
    private let isFull: Bool
    private let cancellation: Cancellation
    private var automaton: RegexAutomaton
    private var text: [UInt8] = []
    /// The number of positions that a match consists of.
    private var placeCount = 0
    private var knowledge = AutomatonResult.none
    /// The number of thread steps before the automaton is used.
    private var stepBudget = 0
    /// The start and end of the last match and of its groups; -1 for a group that did not participate.
    private(set) var places: [Int] = []

    /// For each instruction, the last round in which it was reached. Rounds are numbered over all runs.
    private var reached: [Int]
    private var round = 0
    private var threads = Threads()
    private var nextThreads = Threads()
    private var stack: [Pending] = []
    /// The positions that the current thread has recorded.
    private var currentCaptures: [Int] = []

    /// What the automaton has found for the current text.
    private enum AutomatonResult {
        case none
        /// The automaton knows where matches begin.
        case starts
        /// The automaton has given up.
        case gaveUp
    }

    /// The instructions of the threads, by descending priority, and the recorded positions of each thread, one thread after
    /// another.
    private struct Threads {
        var instructions: [Int] = []
        var places: [Int] = []

        mutating func clear() {
            instructions.removeAll(keepingCapacity: true)
            places.removeAll(keepingCapacity: true)
        }
    }

    /// The tasks that remain after a thread was followed to an instruction that consumes a character.
    private enum Pending {
        case follow(Int)
        case restore(slot: Int, Int)
    }

    static let cancelled = Status.cancelled("The match of a regular expression was cancelled").derived

    /// - Parameters:
    ///   - cancellation: ends a long run.
    ///   - memory: the approximate limit of the automaton's memory in bytes. With 0, the threads are simulated from the
    ///     start.
    init(_ program: RegexProgram, isFull: Bool, _ cancellation: Cancellation, memory: Int) {
        self.program = program
        self.isFull = isFull
        self.cancellation = cancellation
        automaton = RegexAutomaton(program, isBackward: !isFull, memory: memory)
        reached = [Int](repeating: 0, count: program.instructions.count)
    }

    /// Returns whether the whole text matches.
    /// - Throws: `cancelled` when the step has ended.
    mutating func matches(_ text: [UInt8]) throws(Status) -> Bool {
        if let answer = try automaton.read(text, cancellation) { return answer }
        begin(text, groupCount: 0, isFirstEnough: true)
        return try run(from: 0, isAnchored: true, steps: .max) ?? false
    }

    /// Sets the text in which `match(from:)` searches.
    /// - Parameters:
    ///   - groupCount: the number of groups whose positions are recorded, in addition to the match itself.
    ///   - isFirstEnough: whether only the first match is wanted, so that most of the text may not be read.
    mutating func begin(_ text: [UInt8], groupCount: Int, isFirstEnough: Bool) {
        self.text = text
        placeCount = isFull ? 0 : 2 * (groupCount + 1)
        // A short simulation of the threads is tried first. If it finds no match, little time is lost.
        stepBudget = isFirstEnough ? text.count / 8 : 0
        knowledge = .none
        currentCaptures = [Int](repeating: -1, count: placeCount)
    }

    /// Searches the leftmost match from `start` on. If several begin there, it is the one that a backtracking matcher finds
    /// first. Its positions are in `places` afterwards.
    /// - Throws: `cancelled` when the step has ended.
    mutating func match(from start: Int) throws(Status) -> Bool {
        if knowledge == .none {
            if stepBudget > 0, let isFound = try run(from: start, isAnchored: false, steps: stepBudget) { return isFound }
            knowledge = try automaton.read(text, cancellation) == nil ? .gaveUp : .starts
        }
        guard knowledge == .starts else { return try run(from: start, isAnchored: false, steps: .max) ?? false }
        guard let place = automaton.starts.first(from: start) else { return false }
        return try run(from: place, isAnchored: true, steps: .max) ?? false
    }

    /// Simulates the threads from `start` on.
    /// - Parameter steps: the maximum number of steps.
    /// - Returns: whether there is a match, or nil if the steps were not enough.
    private mutating func run(from start: Int, isAnchored: Bool, steps: Int) throws(Status) -> Bool? {
        var steps = steps
        var position = start
        var isFound = false
        nextThreads.clear()
        round += 1
        while true {
            guard !cancellation.isCancelled else { throw Self.cancelled }
            // The new thread has a lower priority than all threads that began further left.
            if !isFound, position == start || !isAnchored {
                for slot in currentCaptures.indices { currentCaptures[slot] = -1 }
                follow(0, position)
            }
            swap(&threads, &nextThreads)
            nextThreads.clear()
            if threads.instructions.isEmpty, isFound || isAnchored { return isFound }
            steps -= threads.instructions.count + 1
            if steps < 0 { return nil }
            let (scalar, width) = Self.decode(text, position)
            round += 1
            each: for index in threads.instructions.indices {
                let instruction = threads.instructions[index]
                switch program.instructions[instruction] {
                case .consume(let set):
                    guard let scalar, program.sets.contains(set, scalar) else { continue }
                    advance(index, to: instruction + 1, position + width)
                default:
                    // The instruction is `accept`. The threads behind it have a lower priority.
                    if isFull, position != text.count { continue }
                    places.removeAll(keepingCapacity: true)
                    places += threads.places[index * placeCount..<(index + 1) * placeCount]
                    isFound = true
                    break each
                }
            }
            if position >= text.count { return isFound }
            position += width
        }
    }

    /// Adds the threads that result when thread `index` has consumed a character to the survivors.
    @inline(__always)
    private mutating func advance(_ index: Int, to instruction: Int, _ position: Int) {
        let place = index * placeCount
        switch program.instructions[instruction] {
        case .consume, .accept:
            // The fast path: the next instruction also consumes, and the recorded positions stay the same.
            if reached[instruction] == round { return }
            reached[instruction] = round
            nextThreads.instructions.append(instruction)
            for slot in 0..<placeCount { nextThreads.places.append(threads.places[place + slot]) }
        default:
            for slot in 0..<placeCount { currentCaptures[slot] = threads.places[place + slot] }
            follow(instruction, position)
        }
    }

    /// Adds the threads that are reached from an instruction without consuming a character to the survivors.
    private mutating func follow(_ instruction: Int, _ position: Int) {
        walk(instruction, position)
        while let task = stack.popLast() {
            switch task {
            case .restore(let slot, let place): currentCaptures[slot] = place
            case .follow(let instruction): walk(instruction, position)
            }
        }
    }

    /// Follows a thread until it consumes a character or reaches a visited instruction. Other branches go on the stack.
    @inline(__always)
    private mutating func walk(_ instruction: Int, _ position: Int) {
        var at = instruction
        while reached[at] != round {
            reached[at] = round
            switch program.instructions[at] {
            case .consume, .accept:
                nextThreads.instructions.append(at)
                for place in currentCaptures { nextThreads.places.append(place) }
                return
            case .jump(let target): at = target
            case .split(let first, let second):
                stack.append(.follow(second))
                at = first
            case .save(let slot):
                if slot < placeCount {
                    stack.append(.restore(slot: slot, currentCaptures[slot]))
                    currentCaptures[slot] = position
                }
                at += 1
            case .check(let assertion):
                guard assertion.holds(neighbour(position - 1), neighbour(position)) else { return }
                at += 1
            }
        }
    }

    private func neighbour(_ position: Int) -> RegexSyntax.CharacterKind {
        text.indices.contains(position) ? .init(UInt32(text[position])) : .edge
    }

    /// Returns the character at a position and its number of bytes; nil and 1 for a byte that is not valid UTF-8.
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
        // Overlong encodings and surrogates are not valid.
        let smallest: UInt32 = width == 4 ? 0x1_0000 : width == 3 ? 0x800 : 0x80
        guard scalar >= smallest, Unicode.Scalar(scalar) != nil else { return (nil, 1) }
        return (scalar, width)
    }
}

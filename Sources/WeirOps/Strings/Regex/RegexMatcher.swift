import WeirGraph
import WeirKernels
import WeirTensor

/// Runs of a program over texts. A run's time is the product of both lengths at most, whatever the pattern, and mostly that
/// of the text's alone: an automaton says where matches begin, and only from there on threads are followed one by one. What
/// a run needs beside is kept for the next.
struct RegexMatcher {
    private let program: RegexProgram
    /// Whether a match must reach from the start of a text to its end.
    private let isFull: Bool
    private let cancellation: Cancellation
    private var automaton: RegexAutomaton
    private var text: [UInt8] = []
    /// How many places a match consists of.
    private var placeCount = 0
    private var knowledge = Knowledge.none
    /// How many steps threads may take before the automaton is asked.
    private var patience = 0
    /// The last match: where it and its groups begin and end, -1 for groups that took no part.
    private(set) var places: [Int] = []

    /// For each instruction, the round in which it was reached last: of any run.
    private var reached: [Int]
    private var round = 0
    private var threads = Threads()
    private var survivors = Threads()
    private var stack: [Pending] = []
    /// The places that the thread which is being followed has noted.
    private var noted: [Int] = []

    /// What is known of a text.
    private enum Knowledge {
        case none
        /// The automaton knows where matches begin.
        case starts
        /// The automaton has given up.
        case nothingToKnow
    }

    /// Where threads are, the more preferred first, and the places that each has noted, one thread's behind the other's.
    private struct Threads {
        var instructions: [Int] = []
        var places: [Int] = []

        mutating func clear() {
            instructions.removeAll(keepingCapacity: true)
            places.removeAll(keepingCapacity: true)
        }
    }

    /// What is left to do when a thread has been followed to where it consumes something.
    private enum Pending {
        case follow(Int)
        case restore(slot: Int, Int)
    }

    static let cancelled = Status.cancelled("The match of a regular expression was cancelled").derived

    /// - Parameters:
    ///   - cancellation: ends a run that takes long.
    ///   - memory: how many bytes the automaton may take, about; with none, threads do all.
    init(_ program: RegexProgram, isFull: Bool, _ cancellation: Cancellation, memory: Int) {
        self.program = program
        self.isFull = isFull
        self.cancellation = cancellation
        automaton = RegexAutomaton(program, isBackward: !isFull, memory: memory)
        reached = [Int](repeating: 0, count: program.instructions.count)
    }

    /// Whether all of a text matches.
    /// - Throws: `cancelled` when the step has ended.
    mutating func matches(_ text: [UInt8]) throws(Status) -> Bool {
        if let answer = try automaton.read(text, cancellation) { return answer }
        begin(text, groupCount: 0, isFirstEnough: true)
        return try run(from: 0, isAnchored: true, steps: .max) ?? false
    }

    /// Says in which text matches are looked for.
    /// - Parameters:
    ///   - groupCount: how many groups to note the places of, beside the match itself.
    ///   - isFirstEnough: whether only the first match is wanted, so that most of the text may not matter.
    mutating func begin(_ text: [UInt8], groupCount: Int, isFirstEnough: Bool) {
        self.text = text
        placeCount = isFull ? 0 : 2 * (groupCount + 1)
        // Where the threads do not find a match soon, a little has been lost.
        patience = isFirstEnough ? text.count / 8 : 0
        knowledge = .none
        noted = [Int](repeating: -1, count: placeCount)
    }

    /// Looks for the leftmost match from `start` on, of those the one a backtracking matcher would find first. It is in
    /// `places` then.
    /// - Throws: `cancelled` when the step has ended.
    mutating func match(from start: Int) throws(Status) -> Bool {
        if knowledge == .none {
            if patience > 0, let isFound = try run(from: start, isAnchored: false, steps: patience) { return isFound }
            knowledge = try automaton.read(text, cancellation) == nil ? .nothingToKnow : .starts
        }
        guard knowledge == .starts else { return try run(from: start, isAnchored: false, steps: .max) ?? false }
        guard let place = automaton.starts.first(from: start) else { return false }
        return try run(from: place, isAnchored: true, steps: .max) ?? false
    }

    /// Follows threads from `start` on.
    /// - Parameter steps: how many steps they may take.
    /// - Returns: whether there is a match; nil when the steps were not enough to know.
    private mutating func run(from start: Int, isAnchored: Bool, steps: Int) throws(Status) -> Bool? {
        var steps = steps
        var position = start
        var isFound = false
        survivors.clear()
        round += 1
        while true {
            guard !cancellation.isCancelled else { throw Self.cancelled }
            // Lower in priority than every thread begun further left.
            if !isFound, position == start || !isAnchored {
                for slot in noted.indices { noted[slot] = -1 }
                follow(0, position)
            }
            swap(&threads, &survivors)
            survivors.clear()
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
                    // It accepts. Those behind it were less preferred.
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

    /// Adds what becomes of a thread when it has consumed a character to the survivors.
    @inline(__always)
    private mutating func advance(_ index: Int, to instruction: Int, _ position: Int) {
        let place = index * placeCount
        switch program.instructions[instruction] {
        case .consume, .accept:
            // Most often it goes on with the next character, with what it has noted.
            if reached[instruction] == round { return }
            reached[instruction] = round
            survivors.instructions.append(instruction)
            for slot in 0..<placeCount { survivors.places.append(threads.places[place + slot]) }
        default:
            for slot in 0..<placeCount { noted[slot] = threads.places[place + slot] }
            follow(instruction, position)
        }
    }

    /// Adds the threads that are reached from an instruction without consuming anything to the survivors.
    private mutating func follow(_ instruction: Int, _ position: Int) {
        walk(instruction, position)
        while let task = stack.popLast() {
            switch task {
            case .restore(let slot, let place): noted[slot] = place
            case .follow(let instruction): walk(instruction, position)
            }
        }
    }

    /// Follows a thread to where it consumes something or comes where one has been, and leaves what branches off for later.
    @inline(__always)
    private mutating func walk(_ instruction: Int, _ position: Int) {
        var at = instruction
        while reached[at] != round {
            reached[at] = round
            switch program.instructions[at] {
            case .consume, .accept:
                survivors.instructions.append(at)
                for place in noted { survivors.places.append(place) }
                return
            case .jump(let target): at = target
            case .split(let first, let second):
                stack.append(.follow(second))
                at = first
            case .save(let slot):
                if slot < placeCount {
                    stack.append(.restore(slot: slot, noted[slot]))
                    noted[slot] = position
                }
                at += 1
            case .check(let assertion):
                guard assertion.holds(neighbour(position - 1), neighbour(position)) else { return }
                at += 1
            }
        }
    }

    private func neighbour(_ position: Int) -> RegexSyntax.Neighbour {
        text.indices.contains(position) ? .init(UInt32(text[position])) : .edge
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

import WeirGraph
import WeirKernels
import WeirTensor

/// Follows a program through texts a character at a time, whatever the number of its threads: all that are alive at a
/// position make up one state, and what a character makes of a state is worked out once and then looked up, also in the
/// texts that come after.
///
/// It says whether there are matches, not where their groups are. Forward it says whether all of a text matches. Backward,
/// from the end of a text on, it says where matches begin.
struct RegexAutomaton {
    /// How many bytes the states may take, about. When they take more, all are dropped and made again as they are needed.
    static let memory = 8 << 20
    /// What stands for a character where there is none: at the edges of a text, and for a byte that begins none.
    private static let edge: UInt32 = 0x11_0000
    private static let invalid: UInt32 = 0x11_0001

    private struct State: Hashable {
        /// The instructions that the last character has led to, ascending.
        var instructions: RegexRuns
        var behind: RegexSyntax.Neighbour
    }

    private let program: RegexProgram
    private let isBackward: Bool
    private let memory: Int
    /// How many characters were read since the states were dropped last.
    private var characters = 0
    private var bytes = 0
    private var states: [State] = []
    private var numbers: [State: Int] = [:]
    /// For each state and class of characters, twice the number of the state that follows, plus one if there is a match
    /// between the two characters; -1 where that is not known yet.
    private var transitions: [Int32] = []
    /// The same for characters that are not ASCII's.
    private var others: [UInt64: Int32] = [:]
    /// For each instruction, the round in which it was reached last.
    private var reached: [Int]
    private var round = 0
    private var stack: [Int] = []
    /// Where in the last text matches begin, when it was read backward.
    private(set) var starts = RegexStarts()

    init(_ program: RegexProgram, isBackward: Bool, memory: Int) {
        self.program = program
        self.isBackward = isBackward
        self.memory = memory
        reached = [Int](repeating: 0, count: program.instructions.count)
        clear()
    }

    /// The states that there are at first: that in which no thread is alive, which ends a run, and that in which runs begin.
    private mutating func clear() {
        characters = 0
        bytes = 0
        states = []
        numbers = [:]
        transitions = []
        others = [:]
        // No instruction has the number -1, so that no other state is taken for the first.
        _ = add(State(instructions: RegexRuns([-1...(-1)]), behind: .other))
        _ = add(State(instructions: RegexRuns(isBackward ? [] : [0...0]), behind: .edge))
    }

    /// How many transitions a state has: one for each class, for the edge, and for bytes that begin no character.
    private var width: Int { program.sets.classCount + 2 }

    private mutating func add(_ state: State) -> Int {
        let number = states.count
        states.append(state)
        numbers[state] = number
        transitions.append(contentsOf: repeatElement(-1, count: width))
        bytes += 4 * width + 8 * state.instructions.runs.count + 160
        return number
    }

    /// Reads all of a text.
    /// - Returns: whether all of it matches, when it is read forward; nil when there are so many states that the text is
    ///   better left to who follows the threads one by one.
    mutating func read(_ text: [UInt8], _ cancellation: Cancellation) throws(Status) -> Bool? {
        if isBackward { starts.clear(text.count + 1) }
        var state = 1
        var position = isBackward ? text.count : 0
        while true {
            let (symbol, width) = next(text, position)
            var found = known(state, symbol)
            if found < 0 || characters & 0xfff == 0 {
                guard !cancellation.isCancelled else { throw RegexMatcher.cancelled }
            }
            if found < 0 {
                guard let made = make(state, symbol) else { return nil }
                found = made
            }
            characters += 1
            if isBackward, found & 1 == 1 { starts.insert(position) }
            if symbol == Self.edge { return found & 1 == 1 }
            state = Int(found >> 1)
            if state == 0 { return false }
            position += isBackward ? -width : width
        }
    }

    /// The character that comes next and how many bytes it takes.
    @inline(__always)
    private func next(_ text: [UInt8], _ position: Int) -> (symbol: UInt32, width: Int) {
        let place = isBackward ? position - 1 : position
        guard place >= 0, place < text.count else { return (Self.edge, 0) }
        if text[place] < 0x80 { return (UInt32(text[place]), 1) }
        guard isBackward else {
            let (scalar, width) = RegexMatcher.decode(text, position)
            return (scalar ?? Self.invalid, width)
        }
        // What is before is the character that begins as many bytes before as it has.
        for width in 2...4 where width <= position {
            let (scalar, length) = RegexMatcher.decode(text, position - width)
            if let scalar, length == width { return (scalar, width) }
        }
        return (Self.invalid, 1)
    }

    private func column(_ symbol: UInt32) -> Int? {
        if symbol < 128 { return Int(program.sets.classes[Int(symbol)]) }
        return symbol < Self.edge ? nil : program.sets.classCount + Int(symbol - Self.edge)
    }

    @inline(__always)
    private func known(_ state: Int, _ symbol: UInt32) -> Int32 {
        if let column = column(symbol) { return transitions[state * width + column] }
        return others[UInt64(state) << 32 | UInt64(symbol)] ?? -1
    }

    /// Works out what a character makes of a state, for `transitions`; nil when the states are too many.
    private mutating func make(_ number: Int, _ symbol: UInt32) -> Int32? {
        var number = number
        if bytes > memory {
            // States that hardly any character was read with were not worth making.
            let pays = characters >= 10 * states.count
            let state = states[number]
            clear()
            guard pays else { return nil }
            number = numbers[state] ?? add(state)
        }
        let neighbour: RegexSyntax.Neighbour = symbol == Self.edge ? .edge : .init(symbol)
        let (targets, accepts) = step(states[number], symbol, neighbour)
        var following = 0
        if isBackward || !targets.runs.isEmpty {
            let state = State(instructions: targets, behind: program.hasAssertions || symbol == Self.edge ? neighbour : .other)
            following = numbers[state] ?? add(state)
        }
        let made = Int32(truncatingIfNeeded: 2 * following + (accepts ? 1 : 0))
        if let column = column(symbol) {
            transitions[number * width + column] = made
        } else {
            others[UInt64(number) << 32 | UInt64(symbol)] = made
            bytes += 32
        }
        return made
    }

    /// The instructions that a character leads to, and whether there is a match before it.
    private mutating func step(_ state: State, _ symbol: UInt32, _ ahead: RegexSyntax.Neighbour) -> (targets: RegexRuns, accepts: Bool) {
        var targets = RegexRuns()
        var accepts = false
        round += 1
        // Backward, a match may begin anywhere.
        if isBackward { follow(0, state.behind, symbol, ahead, &targets, &accepts) }
        for run in state.instructions.runs {
            for instruction in run { follow(Int(instruction), state.behind, symbol, ahead, &targets, &accepts) }
        }
        targets.sort()
        return (targets, accepts)
    }

    /// Adds what a character leads to from an instruction and those that are reached from it without consuming anything.
    private mutating func follow(
        _ instruction: Int, _ behind: RegexSyntax.Neighbour, _ symbol: UInt32, _ ahead: RegexSyntax.Neighbour,
        _ targets: inout RegexRuns, _ accepts: inout Bool
    ) {
        var at = instruction
        while true {
            let code = program[at, isBackward]
            if case .consume(let set) = code {
                if symbol < Self.edge, program.sets.contains(set, symbol) { targets.append(at + 1) }
            } else if reached[at] != round {
                reached[at] = round
                switch code {
                case .consume: break
                case .accept: accepts = true
                case .jump(let target): stack.append(target)
                case .split(let first, let second):
                    stack.append(second)
                    stack.append(first)
                case .save: stack.append(at + 1)
                case .check(let assertion):
                    if isBackward ? assertion.holds(ahead, behind) : assertion.holds(behind, ahead) { stack.append(at + 1) }
                }
            }
            guard let next = stack.popLast() else { return }
            at = next
        }
    }
}

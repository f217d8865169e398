import WeirGraph
import WeirKernels
import WeirTensor

/// A lazily built deterministic automaton (DFA) of a regular expression. The set of threads that are alive at a position is
/// one state. A transition is computed when it is first needed, and cached, also for later texts.
///
/// It finds whether there are matches, but not where their groups are. Forward it tells whether the whole text matches.
/// Backward, from the end of the text, it finds where matches begin.
struct RegexAutomaton {
    /// The approximate limit of the states' memory in bytes. Above it all states are dropped and computed again on demand.
    static let memory = 8 << 20
    /// Symbols where there is no character: at an edge of the text, and for a byte that is not valid UTF-8.
    private static let edge: UInt32 = 0x11_0000
    private static let invalid: UInt32 = 0x11_0001

    private struct State: Hashable {
        /// The instructions to which the last character has led, in ascending order.
        var instructions: InstructionSet
        var behind: RegexSyntax.CharacterKind
    }

    private let program: RegexProgram
    private let isBackward: Bool
    private let memory: Int
    /// The number of characters read since the states were last dropped.
    private var characters = 0
    private var bytes = 0
    private var states: [State] = []
    private var numbers: [State: Int] = [:]
    /// For each state and class of characters: twice the number of the next state, plus one if there is a match between the
    /// two characters; -1 if not yet computed.
    private var transitions: [Int32] = []
    /// The transitions for characters that are not ASCII.
    private var others: [UInt64: Int32] = [:]
    /// For each instruction, the last round in which it was reached.
    private var reached: [Int]
    private var round = 0
    private var stack: [Int] = []
    /// The positions at which matches of the last text begin, if it was read backward.
    private(set) var starts = PositionSet()

    init(_ program: RegexProgram, isBackward: Bool, memory: Int) {
        self.program = program
        self.isBackward = isBackward
        self.memory = memory
        reached = [Int](repeating: 0, count: program.instructions.count)
        clear()
    }

    /// Makes the two initial states: number 0 has no threads and ends a run, number 1 begins a run.
    private mutating func clear() {
        characters = 0
        bytes = 0
        states = []
        numbers = [:]
        transitions = []
        others = [:]
        // No instruction has the number -1, so no other state is equal to state 0.
        _ = add(State(instructions: InstructionSet([-1...(-1)]), behind: .other))
        _ = add(State(instructions: InstructionSet(isBackward ? [] : [0...0]), behind: .edge))
    }

    /// The number of transitions of a state: one for each class, one for the edge, and one for invalid bytes.
    private var width: Int { program.sets.classCount + 2 }

    private mutating func add(_ state: State) -> Int {
        let number = states.count
        states.append(state)
        numbers[state] = number
        transitions.append(contentsOf: repeatElement(-1, count: width))
        bytes += 4 * width + 8 * state.instructions.runs.count + 160
        return number
    }

    /// Reads a whole text.
    /// - Returns: forward, whether the whole text matches. Nil if there are too many states, so that the caller must
    ///   simulate the threads.
    /// - Throws: `cancelled` when the step has ended.
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

    /// Returns the next symbol and its number of bytes.
    @inline(__always)
    private func next(_ text: [UInt8], _ position: Int) -> (symbol: UInt32, width: Int) {
        let place = isBackward ? position - 1 : position
        guard place >= 0, place < text.count else { return (Self.edge, 0) }
        if text[place] < 0x80 { return (UInt32(text[place]), 1) }
        guard isBackward else {
            let (scalar, width) = RegexMatcher.decode(text, position)
            return (scalar ?? Self.invalid, width)
        }
        // The character before `position` is the one that is exactly as long as its distance from `position`.
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

    /// Computes and stores the transition of a state for a symbol. Returns nil if there are too many states.
    private mutating func make(_ number: Int, _ symbol: UInt32) -> Int32? {
        var number = number
        if bytes > memory {
            // If few characters were read for each state, computing states does not pay.
            let pays = characters >= 10 * states.count
            let state = states[number]
            clear()
            guard pays else { return nil }
            number = numbers[state] ?? add(state)
        }
        let neighbour: RegexSyntax.CharacterKind = symbol == Self.edge ? .edge : .init(symbol)
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

    /// Returns the instructions to which a symbol leads, and whether there is a match before it.
    private mutating func step(_ state: State, _ symbol: UInt32, _ ahead: RegexSyntax.CharacterKind) -> (targets: InstructionSet, accepts: Bool) {
        var targets = InstructionSet()
        var accepts = false
        round += 1
        // Backward, a match may end at any position, so a new thread starts at each.
        if isBackward { follow(0, state.behind, symbol, ahead, &targets, &accepts) }
        for run in state.instructions.runs {
            for instruction in run { follow(Int(instruction), state.behind, symbol, ahead, &targets, &accepts) }
        }
        targets.sort()
        return (targets, accepts)
    }

    /// Follows all paths from `instruction` that consume nothing. Adds the instructions behind those that consume `symbol`
    /// to `targets`.
    private mutating func follow(
        _ instruction: Int, _ behind: RegexSyntax.CharacterKind, _ symbol: UInt32, _ ahead: RegexSyntax.CharacterKind,
        _ targets: inout InstructionSet, _ accepts: inout Bool
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

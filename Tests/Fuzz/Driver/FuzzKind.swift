/// One kind of case: what a subcommand makes and runs, by number.
protocol FuzzKind {
    static var name: String { get }
    /// What its cases are, for `--help`.
    static var abstract: String { get }
    /// How long one case may take before it counts as hanging.
    static var patience: Duration { get }
    /// The most resident memory the process may come to, in bytes.
    static var memoryLimit: Int { get }
    /// Whether a case may still be under way when the next begins. Such kinds set `CaseCounter.oldest` themselves.
    static var overlaps: Bool { get }

    init(_ session: FuzzSession) async throws
    /// Runs a case; what it finds it hands to `report`.
    /// - Returns: whether the case got past the first check.
    mutating func run(_ number: Int, _ random: inout SplitMix64) async throws -> Bool
    /// Waits for what is under way, and stops what was started.
    mutating func finish() async throws
    /// Says what a case consists of, for a person who looks into it.
    mutating func describe(_ number: Int, _ random: inout SplitMix64) async throws -> String
}

extension FuzzKind {
    #if DEBUG
        // Not optimised, and mostly under a sanitizer, a case takes many times as long.
        static var patience: Duration { .seconds(120) }
    #else
        static var patience: Duration { .seconds(5) }
    #endif
    static var memoryLimit: Int { 3 << 30 }
    static var overlaps: Bool { false }
    mutating func finish() async throws {}
}

/// What a fuzzing process knows of its run.
struct FuzzSession {
    let seed: UInt64
    /// A folder of its own, which is the current one.
    let folder: String
    let counter: CaseCounter
    /// Whether just one case is to run, with words about it.
    let explains: Bool
    /// How many requests may be under way at once.
    let window: Int

    /// Says what part of a case begins, while one is looked into.
    func enter(_ phase: String) { if explains { Console.line("PHASE\t\(phase)") } }

    /// Tells the process that watches about something that is wrong but did not end this one.
    func report(_ number: Int, group: String, _ text: String) {
        let line = text.split(separator: "\n", omittingEmptySubsequences: true).joined(separator: " | ")
        Console.line("\(Finding.mark)\t\(number)\t\(group)\t\(line.prefix(1500))")
    }
}

/// Something that must not happen, and the case in which it did.
struct Finding {
    static let mark = "FINDING"
    var number: Int
    /// What findings of one cause have in common.
    var group: String
    var text: String

    init(_ number: Int, _ group: String, _ text: String) {
        self.number = number
        self.group = group
        self.text = text
    }
    /// Reads what `FuzzSession.report` wrote.
    init?(line: String) {
        let fields = line.split(separator: "\t", maxSplits: 3, omittingEmptySubsequences: false)
        guard fields.count == 4, fields[0] == Finding.mark, let number = Int(fields[1]) else { return nil }
        self.init(number, String(fields[2]), String(fields[3]))
    }
}

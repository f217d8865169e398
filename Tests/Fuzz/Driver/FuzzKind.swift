/// One kind of case, which a subcommand makes and runs by number.
protocol FuzzKind {
    static var name: String { get }
    /// A description of its cases, for `--help`.
    static var abstract: String { get }
    /// The time after which a case counts as hanging.
    static var caseTimeout: Duration { get }
    /// The limit of the process's resident memory, in bytes.
    static var memoryLimit: Int { get }
    /// Whether a case may still run when the next starts. Such kinds set `CaseCounter.oldest` themselves.
    static var overlaps: Bool { get }

    init(_ session: FuzzSession) async throws
    /// Runs a case and passes findings to `FuzzSession.report`.
    /// - Returns: whether the case passed the first check.
    mutating func run(_ number: Int, _ random: inout SplitMix64) async throws -> Bool
    /// Waits for running cases, and stops servers.
    mutating func finish() async throws
    /// Describes a case for `--explain`.
    mutating func describe(_ number: Int, _ random: inout SplitMix64) async throws -> String
}

extension FuzzKind {
    #if DEBUG
        // Unoptimised, and usually with a sanitizer, a case takes many times as long.
        static var caseTimeout: Duration { .seconds(120) }
    #else
        static var caseTimeout: Duration { .seconds(15) }
    #endif
    static var memoryLimit: Int { 3 << 30 }
    static var overlaps: Bool { false }
    mutating func finish() async throws {}
}

/// The settings of a child process's run.
struct FuzzSession {
    let seed: UInt64
    /// The process's temporary folder, which is its current directory.
    let folder: String
    let counter: CaseCounter
    /// Whether to describe each case and report phases.
    let explains: Bool
    /// The number of concurrent requests.
    let window: Int

    /// Reports the start of a phase of a case, if `explains`.
    func enter(_ phase: String) { if explains { Console.line("PHASE\t\(phase)") } }

    /// Reports a finding that did not end this process to the watcher.
    func report(_ number: Int, group: String, _ text: String) {
        let line = text.split(separator: "\n", omittingEmptySubsequences: true).joined(separator: " | ")
        Console.line("\(Finding.mark)\t\(number)\t\(group)\t\(line.prefix(1500))")
    }
}

/// A failure that a case has caused.
struct Finding {
    static let mark = "FINDING"
    var number: Int
    /// The key by which findings of the same cause are grouped.
    var group: String
    var text: String

    init(_ number: Int, _ group: String, _ text: String) {
        self.number = number
        self.group = group
        self.text = text
    }
    /// Parses a line of `FuzzSession.report`.
    init?(line: String) {
        let fields = line.split(separator: "\t", maxSplits: 3, omittingEmptySubsequences: false)
        guard fields.count == 4, fields[0] == Finding.mark, let number = Int(fields[1]) else { return nil }
        self.init(number, String(fields[2]), String(fields[3]))
    }
}

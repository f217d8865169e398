public import WeirTensor

/// A cluster: its jobs, their tasks, and the address of each task. TensorFlow's `ClusterSpec`.
///
/// The cluster is fixed: there is no membership protocol, and every process must be given the same spec. Task indices may have
/// gaps.
public struct ClusterSpec: Sendable, Equatable {
    /// The address of each task, by job and task index: `host:port`, or the addresses of the task's replicas with commas between
    /// them.
    public let jobs: [String: [Int: String]]

    /// One task of a cluster.
    public struct Task: Sendable, Equatable {
        /// The name of the job.
        public let job: String
        /// The index of the task in its job.
        public let task: Int
        /// As in `jobs`.
        public let address: String
    }

    /// A cluster without tasks.
    public init() { jobs = [:] }

    /// Makes a cluster of jobs whose tasks are numbered from 0.
    /// - Parameter jobs: for each job the addresses of its tasks.
    /// - Throws: `invalidArgument` for a malformed job name or address.
    public init(_ jobs: [String: [String]]) throws(Status) {
        try self.init(jobs.mapValues { Dictionary(uniqueKeysWithValues: $0.enumerated().map { ($0, $1) }) })
    }

    /// Makes a cluster of jobs whose tasks have these indices.
    /// - Throws: `invalidArgument` for a malformed job name, task index or address.
    public init(_ jobs: [String: [Int: String]]) throws(Status) {
        for (job, tasks) in jobs {
            try ClusterSpec.check(job: job)
            for (task, address) in tasks { try ClusterSpec.check(job, task, address) }
        }
        self.jobs = jobs
    }

    private static func check(job: String) throws(Status) {
        func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte) || (97...122).contains(byte) }
        guard let first = job.utf8.first, isLetter(first),
            job.utf8.allSatisfy({ isLetter($0) || (48...57).contains($0) || $0 == UInt8(ascii: "_") })
        else {
            throw .invalidArgument(
                "Cluster: a job's name is a letter followed by letters, digits and _; found \(quoted(job))")
        }
    }

    private static func check(_ job: String, _ task: Int, _ address: String) throws(Status) {
        guard (0...Int(Int32.max)).contains(task) else {
            throw .invalidArgument("Cluster: a task's number is 0 or more; found \(task) in job '\(job)'")
        }
        for replica in address.split(separator: ",", omittingEmptySubsequences: false) {
            guard let colon = replica.lastIndex(of: ":"), isHost(replica[..<colon]),
                isPort(replica[replica.index(after: colon)...])
            else {
                throw .invalidArgument(
                    "Cluster: Could not interpret \(quoted(address)) as a host-port pair (job '\(job)', task \(task)); "
                        + "expected host:port")
            }
        }
    }

    /// Whether the text could be a host. Rejects URLs, quotes and spaces, but does not check the grammar of host names.
    private static func isHost(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && !"/\\\"'|;".utf8.contains($0) }
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.utf8.allSatisfy { (48...57).contains($0) } && Int(text).map { $0 <= 65535 } ?? false
    }

    /// Returns text of a user or a peer for an error message: in quotes, on one line, at most 80 characters.
    static func quoted(_ text: some StringProtocol) -> String {
        let line = text.prefix(80).map { $0.isNewline ? " " : String($0) }.joined()
        return "\"\(line)\(text.count > 80 ? "…" : "")\""
    }

    /// All tasks, sorted by job and index.
    public var tasks: [Task] {
        jobs.sorted { $0.key < $1.key }.flatMap { job, tasks in
            tasks.sorted { $0.key < $1.key }.map { Task(job: job, task: $0.key, address: $0.value) }
        }
    }
    /// Returns the task indices of a job, sorted; empty if there is no such job.
    public func taskIndices(job: String) -> [Int] { (jobs[job] ?? [:]).keys.sorted() }
    /// Returns the address of a task, or of its first replica; nil if there is no such task.
    public func address(job: String, task: Int) -> String? { addresses(job: job, task: task).first }
    /// Returns the addresses of all replicas of a task; empty if there is no such task.
    public func addresses(job: String, task: Int) -> [String] {
        jobs[job]?[task]?.split(separator: ",").map(String.init) ?? []
    }
    /// The names of all tasks for error messages, such as `/job:ps/task:0`.
    public var taskNames: [String] { tasks.map { "/job:\($0.job)/task:\($0.task)" } }

    /// The cluster as JSON. A job is an array if its task indices have no gaps, else an object.
    // Nothing needs escaping: the initializers reject job names and hosts with quotes, backslashes and control characters.
    public var json: String {
        let parts = jobs.sorted { $0.key < $1.key }.map { job, tasks -> String in
            let sorted = tasks.sorted { $0.key < $1.key }
            if sorted.map(\.key) == Array(0..<sorted.count) {
                return "\"\(job)\":[\(sorted.map { "\"\($0.value)\"" }.joined(separator: ","))]"
            }
            return "\"\(job)\":{\(sorted.map { "\"\($0.key)\":\"\($0.value)\"" }.joined(separator: ","))}"
        }
        return "{\(parts.joined(separator: ","))}"
    }
}

extension ClusterSpec: CustomStringConvertible {
    /// The cluster as JSON: `ClusterSpec({"ps":["a:2222"],"worker":["b:2222"]})`.
    public var description: String { "ClusterSpec(\(json))" }
}

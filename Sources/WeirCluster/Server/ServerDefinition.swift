import Glibc
public import WeirTensor
import WeirWire

/// The cluster of a server and its task in it. TensorFlow's `ServerDef`.
public struct ServerDefinition: Sendable {
    /// The whole cluster.
    public var cluster: ClusterSpec
    /// The job of the server.
    public var job: String
    /// The index of the server's task in its job.
    public var task: Int
    /// The port to listen on; 0 for any free port.
    public var port: Int

    /// Where the cluster is defined.
    public enum Source: Sendable {
        /// By the caller.
        case cluster(ClusterSpec)
        /// By JSON in the format of `TF_CONFIG`: `cluster`, and `task` with `type` and `index`.
        case configuration(String)
        /// By the environment variable `TF_CONFIG`.
        case environment
    }

    /// Makes the definition of a task's server.
    /// - Parameters:
    ///   - job: the job of the server; nil uses that of `TF_CONFIG`, or the only job of the cluster.
    ///   - task: the task index; nil uses that of `TF_CONFIG`, or the only task of the job.
    ///   - port: the port to listen on; nil uses that of the task's address, and 0 uses any free port.
    /// - Throws: `invalidArgument` when the cluster has no such task, or when job or task is missing.
    public init(_ source: Source, job: String?, task: Int?, port: Int? = nil) throws(Status) {
        var (job, task) = (job, task)
        switch source {
        case .cluster(let spec): cluster = spec
        case .configuration(let text):
            (cluster, job, task) = try ServerDefinition.read(text, job, task)
        case .environment:
            guard let text = getenv("TF_CONFIG").map({ String(cString: $0) }) else {
                throw .invalidArgument("No cluster: give one with --cluster, or set TF_CONFIG")
            }
            (cluster, job, task) = try ServerDefinition.read(text, job, task)
        }
        guard !cluster.jobs.isEmpty else {
            let place = if case .cluster = source { "The cluster" } else { "The cluster in TF_CONFIG" }
            throw .invalidArgument("\(place) is empty: expected a job with at least one task")
        }
        let names = cluster.jobs.keys.sorted().joined(separator: ", ")
        if job == nil, cluster.jobs.count == 1 { job = cluster.jobs.keys.first }
        guard let job else {
            throw .invalidArgument("Which job is this? The cluster has \(names)")
        }
        guard let tasks = cluster.jobs[job] else {
            throw .invalidArgument("Job \"\(job)\" was not defined in cluster, whose jobs are: \(names)")
        }
        guard let index = task ?? (tasks.count == 1 ? tasks.keys.first : nil) else {
            throw .invalidArgument("Which task of job '\(job)' is this? It has \(tasks.keys.sorted())")
        }
        guard let address = cluster.address(job: job, task: index) else {
            throw .invalidArgument(
                "Task \(index) was not defined in job \"\(job)\", whose tasks are: \(tasks.keys.sorted())")
        }
        self.job = job
        self.task = index
        if let port, !(0...65535).contains(port) {
            throw .invalidArgument("A port is a number between 0 and 65535, found \(port)")
        }
        self.port = port ?? address.lastIndex(of: ":").flatMap { Int(address[address.index(after: $0)...]) } ?? 0
    }

    /// Parses `TF_CONFIG`. A job and a task that the caller gave override those in the text.
    private static func read(
        _ text: String, _ job: String?, _ task: Int?
    ) throws(Status) -> (ClusterSpec, String?, Int?) {
        let spec = try ClusterSpec(json: text)
        let entry = try entry(in: JSONValue(parsing: text))
        // A task index belongs to its job. If the caller gave another job, the index in the text does not apply.
        let index = job == nil || job == entry?.type ? entry?.index : nil
        return (spec, job ?? entry?.type, task ?? index)
    }

    /// The task in the text of `TF_CONFIG`; nil if there is none.
    private static func entry(in configuration: JSONValue) throws(Status) -> (type: String, index: Int?)? {
        guard let task = configuration["task"], task != .null else { return nil }
        let malformed = Status.invalidArgument(
            "TF_CONFIG: 'task' must have a job's name as 'type' and a whole number as 'index', as in {\"type\": \"worker\", \"index\": 0}")
        guard case .text(let type)? = task["type"] else { throw malformed }
        let number: Int?
        switch task["index"] ?? .null {
        case .null: return (type, nil)
        case .integer(let value): number = value
        case .number(let value): number = Int(exactly: value)
        // Some launchers write the index as a string.
        case .text(let text): number = Int(text)
        case .boolean, .array, .object: number = nil
        }
        guard number != nil else { throw malformed }
        return (type, number)
    }

    /// The name of the server's task.
    public var taskName: DeviceName { DeviceName(job: job, replica: 0, task: task) }
    /// The host in the address of this task, which other tasks connect to.
    public var host: String {
        let address = cluster.address(job: job, task: task) ?? "127.0.0.1:0"
        return String(address[..<(address.lastIndex(of: ":") ?? address.endIndex)])
    }
}

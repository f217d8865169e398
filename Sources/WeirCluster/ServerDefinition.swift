#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif
public import WeirTensor

/// Which task of which cluster a server is.
public struct ServerDefinition: Sendable {
    public var cluster: ClusterSpec
    public var job: String
    public var task: Int
    /// The port to listen at: that of its own entry, unless another was asked for.
    public var port: Int

    /// Where the cluster is said.
    public enum Source: Sendable {
        case cluster(ClusterSpec)
        /// What `TF_CONFIG` holds: JSON with `cluster`, and `task` with `type` and `index`.
        case configuration(String)
        /// `TF_CONFIG` of this process.
        case environment
    }

    /// - Parameters:
    ///   - job: which job this is; not needed when the source says so, or the cluster has just one.
    ///   - task: which task of it; likewise.
    ///   - port: instead of the one of the task's own entry; 0 takes any free one.
    /// - Throws: `invalidArgument` when the cluster has no such task, or it is not said which task this is.
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
        let names = cluster.jobs.keys.sorted().joined(separator: ", ")
        if job == nil, cluster.jobs.count == 1 { job = cluster.jobs.keys.first }
        guard let job else {
            throw .invalidArgument("Which job is this? The cluster has \(names.isEmpty ? "none" : names)")
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

    /// What `TF_CONFIG` says; a job and task that were given go before its own.
    private static func read(
        _ text: String, _ job: String?, _ task: Int?
    ) throws(Status) -> (ClusterSpec, String?, Int?) {
        let spec = try ClusterSpec(json: text)
        let own: Configuration.Own?
        do {
            own = try JSONDecoder().decode(Configuration.self, from: Data(text.utf8)).task
        } catch {
            throw .invalidArgument(
                "TF_CONFIG: 'task' must have a job's name as 'type' and a whole number as 'index', as in {\"type\": \"worker\", \"index\": 0}")
        }
        // The numbers of tasks belong to their jobs: another job's is not ours.
        let index = job == nil || job == own?.type ? own?.index : nil
        return (spec, job ?? own?.type, task ?? index)
    }

    private struct Configuration: Decodable {
        struct Own: Decodable {
            var type: String
            var index: Int?

            private enum Key: String, CodingKey { case type, index }
            init(from decoder: any Decoder) throws {
                let fields = try decoder.container(keyedBy: Key.self)
                type = try fields.decode(String.self, forKey: .type)
                // Some launchers write the number as a string.
                if let text = try? fields.decode(String.self, forKey: .index) {
                    guard let number = Int(text) else {
                        throw DecodingError.dataCorruptedError(forKey: .index, in: fields, debugDescription: "not a number")
                    }
                    index = number
                } else {
                    index = try fields.decodeIfPresent(Int.self, forKey: .index)
                }
            }
        }
        var task: Own?
    }

    public var taskName: DeviceName { DeviceName(job: job, replica: 0, task: task) }
    /// The host that others reach this task at.
    public var host: String {
        let address = cluster.address(job: job, task: task) ?? "127.0.0.1:0"
        return String(address[..<(address.lastIndex(of: ":") ?? address.endIndex)])
    }
}

import WeirProto
import WeirTensor

extension ClusterSpec {
    /// Decodes a cluster.
    /// - Throws: `invalidArgument` for a malformed job name or address, or for a duplicate job.
    init(_ message: TFClusterDef) throws(Status) {
        var jobs: [String: [Int: String]] = [:]
        for job in message.job {
            let tasks = Dictionary(uniqueKeysWithValues: job.tasks.map { (Int($0.key), $0.value) })
            guard jobs.updateValue(tasks, forKey: job.name) == nil else {
                throw .invalidArgument("Cluster: job '\(job.name)' is there more than once")
            }
        }
        do { try self.init(jobs) } catch { throw Status(error) }
    }
}

extension TFClusterDef {
    /// Encodes a cluster. Jobs are sorted by name.
    init(_ cluster: ClusterSpec) {
        self.init()
        job = cluster.jobs.sorted { $0.key < $1.key }.map { name, tasks in
            var job = TFJobDef()
            job.name = name
            for (task, address) in tasks { job.tasks[Int32(clamping: task)] = address }
            return job
        }
    }
}

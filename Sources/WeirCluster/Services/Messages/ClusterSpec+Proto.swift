import WeirProto
import WeirTensor

extension ClusterSpec {
    /// - Throws: `invalidArgument` for a job's name or an address that is none, or a job that is there twice.
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
    /// Jobs in the order of their names.
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

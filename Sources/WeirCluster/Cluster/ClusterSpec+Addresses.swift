package import WeirTensor

extension ClusterSpec {
    /// Checks that no two tasks have the same address, for a client that needs all of them. TensorFlow's `ClusterSpec` permits it, and a
    /// server serves its own task only.
    /// - Throws: `invalidArgument` with the names of both tasks.
    package func requireDistinctAddresses() throws(Status) {
        var owners: [String: String] = [:]
        for (task, name) in zip(tasks, taskNames) {
            for address in addresses(job: task.job, task: task.task) {
                if let owner = owners.updateValue(name, forKey: address) {
                    throw .invalidArgument("Cluster: expected each task at an address of its own, found \(owner) and \(name) both at \(address)")
                }
            }
        }
    }
}

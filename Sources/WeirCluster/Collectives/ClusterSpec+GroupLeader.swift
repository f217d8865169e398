import WeirTensor

extension ClusterSpec {
    /// The task that leads the groups of collective operations: it knows who has joined.
    ///
    /// A session may name it (`ConfigProto.experimental.collective_group_leader`). TensorFlow's tasks each lead their own groups
    /// if it does not, so that a group with members on two tasks is never complete. In Weir all tasks then choose the same one,
    /// by the rule of TensorFlow's strategies: the chief, else the first worker; else the first task of the cluster.
    /// - Parameter name: the name that the session gives; empty if none.
    /// - Throws: `invalidArgument` when the name is not that of a task of the cluster.
    func groupLeader(named name: String) throws(Status) -> DeviceName {
        guard name.isEmpty else {
            let leader = try DeviceName(name)
            guard let job = leader.job, let task = leader.task, address(job: job, task: task) != nil else {
                throw .invalidArgument(
                    "collective_group_leader: expected a task of the cluster (\(taskNames.joined(separator: ", "))), found \(ClusterSpec.quoted(name))")
            }
            return DeviceName(job: job, replica: 0, task: task)
        }
        for job in ["chief", "worker"] {
            if let task = taskIndices(job: job).first { return DeviceName(job: job, replica: 0, task: task) }
        }
        guard let first = tasks.first else { throw .failedPrecondition("A cluster without tasks has no collective operations") }
        return DeviceName(job: first.job, replica: 0, task: first.task)
    }
}

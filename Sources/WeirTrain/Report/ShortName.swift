import WeirTensor

/// Names of tasks and devices as people say them.
enum ShortName {
    /// `worker 0` for `/job:worker/replica:0/task:0`; the name itself if it is not of a task.
    static func task(_ name: String) -> String {
        guard let parsed = try? DeviceName(name), let job = parsed.job else { return name }
        return "\(job) \(parsed.task ?? 0)"
    }

    /// `ps 0 → worker 1`; `within worker 1` for tensors between the devices of one task.
    static func link(_ link: StepUtilization.Link) -> String {
        link.source == link.destination ? "within \(task(link.source))" : "\(task(link.source)) → \(task(link.destination))"
    }
}

import WeirTensor

extension Status {
    /// Returns the status of a call to another task that is cancelled because its step ends. It is derived: never the root cause.
    static func cancelled(_ call: String, at task: DeviceName, after time: Duration) -> Status {
        let silence = time < .seconds(1) ? "" : ": Task \(task) has not answered for \(StepCoordinator.seconds(time))"
        return Status.cancelled("\(call) was cancelled\(silence)").derived
    }
}

import WeirTensor

extension Status {
    /// What a call of another task ends with when its step ends: never the cause of that.
    static func cancelled(_ call: String, at task: DeviceName, after time: Duration) -> Status {
        let silence = time < .seconds(1) ? "" : ": Task \(task) has not answered for \(StepCoordinator.seconds(time))"
        return Status.cancelled("\(call) was cancelled\(silence)").derived
    }
}

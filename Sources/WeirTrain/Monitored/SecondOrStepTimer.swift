/// Says when a hook has to work again: so many steps, or seconds, after the last time. The first time is at once. TensorFlow's
/// `SecondOrStepTimer`.
public struct SecondOrStepTimer: Sendable {
    private let interval: HookInterval?
    private let now: @Sendable () -> Duration
    private var lastTime: Duration?
    /// The step of the last time; nil before the first.
    public private(set) var lastTriggeredStep: Int?

    /// - Parameter interval: nil means never.
    public init(_ interval: HookInterval?) { self.init(interval, clock: .continuous) }

    init(_ interval: HookInterval?, clock: MonitorClock) {
        self.interval = interval
        now = clock.now
    }

    /// Whether it is time to work at this step. It never is twice at the same step.
    public func shouldTrigger(forStep step: Int) -> Bool {
        guard let interval else { return false }
        guard let lastTriggeredStep, let lastTime else { return true }
        if step == lastTriggeredStep { return false }
        switch interval {
        // A step before the last time is of a training that was restored: its difference is negative, so that the timer waits.
        case .steps(let count): return step.subtractingReportingOverflow(lastTriggeredStep).partialValue >= count
        case .seconds(let seconds): return (now() - lastTime).seconds >= seconds
        }
    }

    /// Begins to count anew, at this step.
    /// - Returns: the seconds and steps since the last time; nil the first time.
    @discardableResult
    public mutating func updateLastTriggered(_ step: Int) -> (seconds: Double, steps: Int)? {
        let time = now()
        defer { (lastTime, lastTriggeredStep) = (time, step) }
        guard let lastTime, let lastTriggeredStep else { return nil }
        return ((time - lastTime).seconds, step &- lastTriggeredStep)
    }
}

import Synchronization
import WeirGraph
import WeirTensor

/// A RecvTensor request of another task that waits for its tensor. It ends once, with the first result.
final class PendingReceive: Sendable {
    private let done: Mutex<Completion<RendezvousItem>?>
    private let step: StepTable.Step
    /// The table of the step if the request arrived before its step.
    private let earlyIn: StepTable?
    private let metrics: WaitMetrics
    private let start = ContinuousClock.now

    init(of step: StepTable.Step, earlyIn: StepTable?, metrics: WaitMetrics, _ done: @escaping Completion<RendezvousItem>) {
        self.done = Mutex(done)
        self.step = step
        self.earlyIn = earlyIn
        self.metrics = metrics
        metrics.begin()
    }

    func finish(_ result: Result<RendezvousItem, Status>) {
        let done = done.withLock { done in
            defer { done = nil }
            return done
        }
        guard let done else { return }
        earlyIn?.endEarlyReceive(step)
        metrics.end(since: start)
        done(result)
    }
}

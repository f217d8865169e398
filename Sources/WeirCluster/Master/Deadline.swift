import Synchronization
import WeirTensor

/// A timer that calls an action once, unless it is stopped before.
final class Deadline: Sendable {
    private let fired = Atomic<Bool>(false)
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ duration: Duration, _ action: @escaping @Sendable () -> Void) {
        let duration = duration.bounded
        let timer = Task { [weak self] in
            guard (try? await Task.sleep(for: duration)) != nil else { return }
            self?.fired.store(true, ordering: .releasing)
            action()
        }
        task.withLock { $0 = timer }
    }
    var hasFired: Bool { fired.load(ordering: .acquiring) }
    func stop() { task.withLock { $0 }?.cancel() }

    /// Runs an operation, and cancels it after this time. Returns when the operation ends, which must be soon after it is
    /// cancelled.
    static func run(within duration: Duration, _ operation: @escaping @Sendable () async -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await operation() }
            group.addTask { try? await Task.sleep(for: duration.bounded) }
            await group.next()
            group.cancelAll()
        }
    }
}

/// The deadline of a step.
///
/// It ends the step a little before the client's timeout, so that the client learns which task has not responded. At its
/// timeout the client itself reports `deadlineExceeded`, without the name of the task.
final class StepDeadline: Sendable {
    private let timeout: Duration
    private let deadline = Mutex<Deadline?>(nil)
    init(_ timeout: Duration) { self.timeout = timeout }

    /// Returns the part of a timeout that is reserved for messages to and from the client.
    static func margin(_ timeout: Duration) -> Duration { min(timeout / 10, .milliseconds(500)) }

    /// Starts the timer. Call this before the step runs.
    func start(_ coordinator: StepCoordinator) {
        let margin = StepDeadline.margin(timeout)
        let timer = Deadline(max(timeout - margin, .zero)) { [weak coordinator] in coordinator?.end(within: margin / 2) }
        deadline.withLock { $0 = timer }
    }
    var hasFired: Bool { deadline.withLock { $0 }?.hasFired == true }
    func stop() { deadline.withLock { $0 }?.stop() }
}

import Synchronization
import WeirTensor

/// Does something after a while, unless it is stopped before.
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

    /// Runs an operation, which is cancelled after this time. The operation must then end soon.
    static func run(within duration: Duration, _ operation: @escaping @Sendable () async -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await operation() }
            group.addTask { try? await Task.sleep(for: duration.bounded) }
            await group.next()
            group.cancelAll()
        }
    }
}

/// Ends a step a little before its time is over, so that its client is told which task it waited for: when the time is
/// over the client's own side says so, and no more than that.
final class StepDeadline: Sendable {
    private let timeout: Duration
    private let deadline = Mutex<Deadline?>(nil)
    init(_ timeout: Duration) { self.timeout = timeout }

    /// What is left of a time for answers to come and go.
    static func margin(_ timeout: Duration) -> Duration { min(timeout / 10, .milliseconds(500)) }

    /// To be called before the step runs.
    func start(_ coordinator: StepCoordinator) {
        let margin = StepDeadline.margin(timeout)
        let timer = Deadline(max(timeout - margin, .zero)) { [weak coordinator] in coordinator?.end(within: margin / 2) }
        deadline.withLock { $0 = timer }
    }
    var hasFired: Bool { deadline.withLock { $0 }?.hasFired == true }
    func stop() { deadline.withLock { $0 }?.stop() }
}

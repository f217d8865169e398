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
}

/// Waits for an operation, but no longer than this; then it is cancelled and left to end by itself.
func withDeadline(_ duration: Duration, _ operation: @escaping @Sendable () async -> Void) async {
    await withTaskGroup(of: Void.self) { group in
        group.addTask { await operation() }
        group.addTask { try? await Task.sleep(for: duration.bounded) }
        await group.next()
        group.cancelAll()
    }
}

import Glibc
import Synchronization

/// A spin lock for critical sections of a few dozen instructions. The few threads of one step share it. Locking takes one
/// atomic operation when the lock is free.
final class SpinLock: Sendable {
    private let taken = Atomic<Bool>(false)

    func lock() {
        var attempts = 0
        while taken.exchange(true, ordering: .acquiring) {
            attempts += 1
            if attempts > 100 { sched_yield() }
        }
    }
    func unlock() { taken.store(false, ordering: .releasing) }
}

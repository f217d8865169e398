import Glibc
import Synchronization
import WeirTensor

/// Blocks a thread until a completion is called. Must not be used on threads of Swift's cooperative pool.
final class BlockingCompletion<T: Sendable>: @unchecked Sendable {  // `result` is written before the flag that publishes it
    private let isDone = Atomic<Bool>(false)
    @exclusivity(unchecked) private var result: Result<T, Status>?
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    @exclusivity(unchecked) private var isAsleep = false

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }
    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func finish(_ result: Result<T, Status>) {
        self.result = result
        isDone.store(true, ordering: .sequentiallyConsistent)
        pthread_mutex_lock(mutex)
        let wake = isAsleep
        pthread_mutex_unlock(mutex)
        if wake { pthread_cond_broadcast(condition) }
    }

    func wait() -> Result<T, Status> {
        if !isDone.load(ordering: .acquiring) {
            pthread_mutex_lock(mutex)
            isAsleep = true
            while !isDone.load(ordering: .sequentiallyConsistent) { pthread_cond_wait(condition, mutex) }
            pthread_mutex_unlock(mutex)
        }
        return result ?? .failure(.internalError("a step ended without a result"))
    }
}

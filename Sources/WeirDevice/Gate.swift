import Glibc

/// A semaphore: threads wait until others have opened it as often.
final class Gate: @unchecked Sendable {  // the semaphore orders all accesses
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    init(count: Int = 0) { sem_init(semaphore, 0, UInt32(count)) }
    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }
    func open() { sem_post(semaphore) }
    func wait() { while sem_wait(semaphore) != 0 {} }
}

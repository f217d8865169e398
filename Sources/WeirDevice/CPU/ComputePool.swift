#if canImport(Glibc)
    import Glibc
#endif
import Synchronization
public import WeirTensor

/// Threads that run kernels: as many as there are cores, never those of Swift's cooperative pool, which stays free for
/// messages. Work is taken first come, first served.
///
/// A job that goes on and on (a loop without end, say) keeps its thread. When jobs wait and for a while no thread has
/// come back for one, another thread is started for them, which ends when the others are back.
public final class ComputePool: Sendable {
    public typealias Job = @Sendable () -> Void

    /// The pool of this process, made when first used: with a server's devices, before anybody can connect to it and take
    /// threads. A process that cannot have one thread for its kernels ends there, saying so.
    public static let shared: ComputePool = {
        do throws(Status) {
            return try ComputePool(threadCount: Processor.coreCount)
        } catch {
            fatalError(error.message)
        }
    }()

    /// How many threads there are: where the system has fewer left than were asked for, those that it had.
    public let threadCount: Int
    private let queue: Queue

    /// - Parameter isRelieved: whether another thread is started when jobs wait for long. Without it a pool of one thread
    ///   runs its jobs strictly one after the other.
    /// - Throws: `resourceExhausted` when the system has not one thread left.
    public init(threadCount: Int, isRelieved: Bool = true) throws(Status) {
        queue = Queue(maximumSpinners: max(1, threadCount) - 1)
        var (started, failure) = (0, Int32(0))
        while started < max(1, threadCount), failure == 0 {
            failure = ComputePool.startThread(queue)
            if failure == 0 { started += 1 }
        }
        self.threadCount = started
        // Without this one the pool works too, though jobs may wait for as long as others take.
        if started > 0, isRelieved { _ = ComputePool.startThread(queue, Queue.watch) }
        guard started == 0 else { return }
        throw .resourceExhausted(
            "Cannot start a thread for kernels: \(String(cString: strerror(failure))); is the limit on processes (ulimit -u) too low?")
    }
    deinit { queue.close() }

    /// Set in the threads of pools.
    private static let mark: pthread_key_t = {
        var key = pthread_key_t()
        precondition(pthread_key_create(&key, nil) == 0, "no room left for a thread's own values")
        return key
    }()
    /// Whether the calling thread is a pool's, and so may run kernels for as long as they take. Costs next to nothing.
    public static var isOnItsThread: Bool { pthread_getspecific(mark) != nil }
    /// Makes the calling thread count as one.
    static func markThread() { pthread_setspecific(mark, UnsafeMutableRawPointer(bitPattern: 1)) }

    /// Runs a job on one of the threads, some time soon.
    public func submit(_ job: @escaping Job) { queue.push(Queue.Entry(run: job, isShare: false)) }

    /// Whether so many jobs wait already that what can be done by the thread that has it should not be handed on.
    public var isCrowded: Bool { queue.waitingCount >= 1024 }

    /// Runs a body on one of the threads and gives what it gives: for tasks of Swift's, whose threads are not for work.
    public func result<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            submit { continuation.resume(with: Result(catching: body)) }
        }
    }

    /// Runs `body` over ranges that together cover `0..<count`, on several threads when there is work for them.
    ///
    /// - Parameters:
    ///   - grain: how many elements are worth a thread's trouble; less than two grains run on the calling thread.
    ///   - body: called with disjoint ranges, from several threads at once.
    /// The call returns when all of it is done. The calling thread works too, so it may itself be a pool thread.
    public func parallelFor(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
        let parts = min(threadCount, count / max(grain, 1))
        guard parts > 1 else {
            if count > 0 { body(0..<count) }
            return
        }
        withoutActuallyEscaping(body) { escaping in
            let share = Share(count: count, parts: parts, body: escaping)
            for _ in 1..<parts { queue.push(Queue.Entry(run: { share.work() }, isShare: true)) }
            share.work()
            share.wait()
        }
    }

    /// - Returns: zero, or what kept it from starting.
    private static func startThread(_ queue: Queue, _ body: @escaping (Queue) -> Void = Queue.work) -> Int32 {
        let start = Unmanaged.passRetained(ThreadStart(queue: queue, body: body))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                ComputePool.markThread()
                let start = Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
                start.body(start.queue)
                return nil
            }, start.toOpaque())
        if failure == 0 { pthread_detach(thread) } else { start.release() }
        return failure
    }
    private final class ThreadStart {
        let queue: Queue
        let body: (Queue) -> Void
        init(queue: Queue, body: @escaping (Queue) -> Void) {
            self.queue = queue
            self.body = body
        }
    }

    /// Jobs waiting for a thread.
    private final class Queue: @unchecked Sendable {  // everything below is guarded by `mutex`
        private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        struct Entry {
            let run: Job
            /// Whether it is part of a `parallelFor`, which is likely to be followed by another.
            let isShare: Bool
        }
        private var jobs: [Entry?] = []
        private var head = 0
        private var sleeping = 0
        private var isClosed = false
        /// A thread that has done its share of a kernel looks out for this long before it sleeps: kernels come one after
        /// the other, and waking a thread takes longer than most of them.
        private static let patience: Duration = .microseconds(150)
        /// After this long without a thread that comes for the next job, one is started for it.
        private static let watchNanoseconds = 100_000_000
        private static let maximumReliefs = 64
        private let watchCondition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        private var isWatching = false
        /// Jobs taken so far, by any thread and by the pool's own.
        private var (pops, ownPops) = (0, 0)
        private var reliefs = 0
        private let maximumSpinners: Int
        private let spinners = Atomic<Int>(0)
        /// How many jobs wait; changed under the lock, looked at without.
        private let waiting = Atomic<Int>(0)

        init(maximumSpinners: Int) {
            self.maximumSpinners = maximumSpinners
            pthread_mutex_init(mutex, nil)
            pthread_cond_init(condition, nil)
            var attributes = pthread_condattr_t()
            pthread_condattr_init(&attributes)
            pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
            pthread_cond_init(watchCondition, &attributes)
            pthread_condattr_destroy(&attributes)
        }
        deinit {
            pthread_cond_destroy(watchCondition)
            watchCondition.deallocate()
            pthread_cond_destroy(condition)
            pthread_mutex_destroy(mutex)
            condition.deallocate()
            mutex.deallocate()
        }
        func push(_ job: Entry) {
            pthread_mutex_lock(mutex)
            jobs.append(job)
            // A thread that looks out for work takes it without being woken.
            let count = waiting.wrappingAdd(1, ordering: .releasing).newValue
            let wake = sleeping > 0 && count > spinners.load(ordering: .relaxed)
            watchIfNobodyIsFree()
            pthread_mutex_unlock(mutex)
            if wake { pthread_cond_signal(condition) }
        }
        /// Holds the invariant that jobs which wait while no thread sleeps are watched. A thread that was woken counts as
        /// sleeping until it runs, so this is asked when a job is taken as well as when one comes.
        private func watchIfNobodyIsFree() {
            // At most once in the time that it watches for.
            guard sleeping == 0, !isWatching, head < jobs.count else { return }
            isWatching = true
            pthread_cond_signal(watchCondition)
        }
        var waitingCount: Int { waiting.load(ordering: .relaxed) }

        /// What one of the pool's threads does all its life.
        static func work(_ queue: Queue) {
            var looksOut = false
            while let job = queue.pop(looksOut: looksOut) {
                job.run()
                looksOut = job.isShare
            }
        }
        /// What a thread does that was started because no other came: it ends when there is nothing to do, or one of the
        /// pool's own has come back.
        private static func relieve(_ queue: Queue) {
            let before = queue.ownPopCount
            while let job = queue.popForRelief(unlessOwnPopsExceed: before) { job.run() }
        }
        /// Sees to it that jobs do not wait for ever: what the pool's last thread does.
        static func watch(_ queue: Queue) {
            pthread_mutex_lock(queue.mutex)
            defer { pthread_mutex_unlock(queue.mutex) }
            while !queue.isClosed {
                guard queue.isWatching else {
                    pthread_cond_wait(queue.watchCondition, queue.mutex)
                    continue
                }
                let seen = queue.pops
                queue.waitForWatch()
                guard queue.head < queue.jobs.count else {
                    queue.isWatching = false
                    continue
                }
                guard queue.pops == seen, queue.reliefs < maximumReliefs, !queue.isClosed else { continue }
                queue.reliefs += 1
                pthread_mutex_unlock(queue.mutex)
                let failure = ComputePool.startThread(queue, relieve)
                pthread_mutex_lock(queue.mutex)
                if failure != 0 { queue.reliefs -= 1 }
            }
        }
        private func waitForWatch() {
            var end = timespec()
            clock_gettime(CLOCK_MONOTONIC, &end)
            end.tv_nsec += Queue.watchNanoseconds
            if end.tv_nsec >= 1_000_000_000 {
                end.tv_nsec -= 1_000_000_000
                end.tv_sec += 1
            }
            while !isClosed, pthread_cond_timedwait(watchCondition, mutex, &end) == 0 {}
        }
        private var ownPopCount: Int {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            return ownPops
        }
        private func popForRelief(unlessOwnPopsExceed before: Int) -> Entry? {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            guard head < jobs.count, ownPops == before else {
                reliefs -= 1
                return nil
            }
            return takeFirst()
        }

        func pop(looksOut: Bool) -> Entry? {
            if looksOut { lookOut() }
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            while head == jobs.count {
                if isClosed { return nil }
                sleeping += 1
                pthread_cond_wait(condition, mutex)
                sleeping -= 1
            }
            ownPops &+= 1
            return takeFirst()
        }
        /// Called with the lock held, when there is one.
        private func takeFirst() -> Entry? {
            pops &+= 1
            waiting.wrappingSubtract(1, ordering: .relaxed)
            let job = jobs[head]
            jobs[head] = nil
            head += 1
            if head == jobs.count {
                jobs.removeAll(keepingCapacity: true)
                head = 0
            } else if head > 1024, head * 2 > jobs.count {
                jobs.removeFirst(head)
                head = 0
            }
            watchIfNobodyIsFree()
            return job
        }
        /// Returns when there is work, or when it has taken too long.
        private func lookOut() {
            guard waiting.load(ordering: .acquiring) == 0 else { return }
            guard spinners.wrappingAdd(1, ordering: .relaxed).newValue <= maximumSpinners else {
                spinners.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                return
            }
            let end = ContinuousClock.now + Queue.patience
            var looks = 0
            while waiting.load(ordering: .acquiring) == 0 {
                looks &+= 1
                if looks & 63 == 0, ContinuousClock.now >= end { break }
            }
            spinners.wrappingSubtract(1, ordering: .sequentiallyConsistent)
        }
        func close() {
            pthread_mutex_lock(mutex)
            isClosed = true
            pthread_mutex_unlock(mutex)
            pthread_cond_broadcast(condition)
            pthread_cond_signal(watchCondition)
        }
    }

    /// One `parallelFor`: parts are taken by whoever comes; a helper that comes too late finds none left.
    private final class Share: @unchecked Sendable {  // `body` is only called while `parallelFor` waits
        private let count: Int
        private let parts: Int
        private var body: ((Range<Int>) -> Void)?
        private let active = Atomic<Int>(0)
        private let next = Atomic<Int>(0)
        private let done = Atomic<Int>(0)

        init(count: Int, parts: Int, body: @escaping (Range<Int>) -> Void) {
            self.count = count
            self.parts = parts
            self.body = body
        }
        func work() {
            active.wrappingAdd(1, ordering: .acquiring)
            takeParts()
            active.wrappingSubtract(1, ordering: .releasing)
        }
        @inline(never) private func takeParts() {
            while true {
                let part = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard part < parts, let body else { return }
                body(count * part / parts..<count * (part + 1) / parts)
                done.wrappingAdd(1, ordering: .releasing)
            }
        }
        func wait() {
            var spins = 0
            while done.load(ordering: .acquiring) < parts || active.load(ordering: .acquiring) > 0 {
                spins += 1
                if spins > 4000 { sched_yield() }
            }
            body = nil
        }
    }
}

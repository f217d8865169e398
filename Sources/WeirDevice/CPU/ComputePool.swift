import Glibc
import Synchronization
public import WeirTensor

/// The threads that run kernels, one for each core. They are not those of Swift's cooperative pool, which stays free for
/// messages. Jobs start in the order in which they were submitted.
///
/// A job that does not end (such as an endless loop) keeps its thread. When jobs wait and no thread has taken one for a
/// while, another thread is started for them. It ends when no job waits or a thread of the pool takes jobs again.
public final class ComputePool: Sendable {
    /// Work for one thread.
    public typealias Job = @Sendable () -> Void

    /// The pool of this process. It is made at first use: together with a server's devices, before a client can connect and use
    /// up the threads of the system. The process ends with an error message when it cannot have a single thread.
    public static let shared: ComputePool = {
        do throws(Status) {
            return try ComputePool(threadCount: Processor.coreCount)
        } catch {
            fatalError(error.message)
        }
    }()

    /// The number of threads. It is less than requested when the system had no more.
    public let threadCount: Int
    private let queue: Queue

    /// Starts the threads.
    /// - Parameter startsAdditionalThreads: whether another thread is started when jobs wait for long. Without it, a pool of one thread runs
    ///   its jobs strictly in sequence.
    /// - Throws: `resourceExhausted` when the system has no thread left.
    public init(threadCount: Int, startsAdditionalThreads: Bool = true) throws(Status) {
        queue = Queue(maximumSpinners: max(1, threadCount) - 1)
        var (started, failure) = (0, Int32(0))
        while started < max(1, threadCount), failure == 0 {
            failure = ComputePool.startThread(queue)
            if failure == 0 { started += 1 }
        }
        self.threadCount = started
        // The pool also works without this thread, but jobs may then wait as long as others run.
        if started > 0, startsAdditionalThreads { _ = ComputePool.startThread(queue, Queue.watch) }
        guard started == 0 else { return }
        throw .resourceExhausted(
            "Cannot start a thread for kernels: \(String(cString: strerror(failure))); is the limit on processes (ulimit -u) too low?")
    }
    deinit { queue.close() }

    /// The thread-local value that marks the threads of pools.
    private static let mark: pthread_key_t = {
        var key = pthread_key_t()
        precondition(pthread_key_create(&key, nil) == 0, "no room left for a thread's own values")
        return key
    }()
    /// Whether the calling thread belongs to a pool, and so may run kernels of any duration. Costs nanoseconds.
    package static var isOnPoolThread: Bool { pthread_getspecific(mark) != nil }
    /// Marks the calling thread as one of a pool.
    static func markThread() { pthread_setspecific(mark, UnsafeMutableRawPointer(bitPattern: 1)) }

    /// Enqueues a job and returns immediately.
    public func submit(_ job: @escaping Job) { queue.push(Queue.Entry(run: job, isParallelForPart: false)) }

    /// The number of jobs that wait for a thread.
    package var waitingJobCount: Int { queue.waitingCount }

    /// Whether 1024 or more jobs wait. Callers then run work on their own thread instead of submitting it.
    package var isSaturated: Bool { queue.waitingCount >= 1024 }

    /// Runs `body` on a thread of the pool and returns its result. Swift tasks use it, because the threads of the cooperative
    /// pool must not do long work.
    /// - Throws: what `body` throws.
    package func result<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            submit { continuation.resume(with: Result(catching: body)) }
        }
    }

    /// Runs `body` over ranges that together cover `0..<count`, on several threads when there is enough work. Returns when all
    /// ranges are done. The calling thread works too, so it may be a thread of the pool.
    ///
    /// - Parameters:
    ///   - grain: the least number of elements for which a thread is used. Less than two grains run on the calling thread.
    ///   - body: called with disjoint ranges, from several threads at once.
    public func parallelFor(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
        let parts = min(threadCount, count / max(grain, 1))
        guard parts > 1 else {
            if count > 0 { body(0..<count) }
            return
        }
        withoutActuallyEscaping(body) { escaping in
            let share = ParallelForState(count: count, parts: parts, body: escaping)
            for _ in 1..<parts { queue.push(Queue.Entry(run: { share.work() }, isParallelForPart: true)) }
            share.work()
            share.wait()
        }
    }

    /// - Returns: zero, or the error number of the system.
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

    /// The queue of jobs that wait for a thread.
    private final class Queue: @unchecked Sendable {  // `mutex` guards all variables below
        private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        struct Entry {
            let run: Job
            /// Whether the job is part of a `parallelFor`. Another `parallelFor` is likely to follow.
            let isParallelForPart: Bool
        }
        private var jobs: [Entry?] = []
        private var head = 0
        private var sleeping = 0
        private var isClosed = false
        /// How long a thread spins for more work after its part of a `parallelFor`, before it sleeps. Kernels follow each other
        /// closely, and waking a thread takes longer than most of them.
        private static let spinDuration: Duration = .microseconds(150)
        /// When no thread takes a job for this long while jobs wait, an additional thread is started.
        private static let watchNanoseconds = 100_000_000
        /// The most additional threads that run at once.
        private static let maximumAdditionalThreads = 64
        private let watchCondition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        private var isWatching = false
        /// The number of jobs taken so far: by all threads, and by the threads of the pool only.
        private var (pops, ownPops) = (0, 0)
        private var additionalThreads = 0
        private let maximumSpinners: Int
        private let spinners = Atomic<Int>(0)
        /// The number of jobs that wait. It is written under the lock and read without it.
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
            // A spinning thread takes the job without being woken.
            let count = waiting.wrappingAdd(1, ordering: .releasing).newValue
            let wake = sleeping > 0 && count > spinners.load(ordering: .relaxed)
            watchIfNoThreadIsIdle()
            pthread_mutex_unlock(mutex)
            if wake { pthread_cond_signal(condition) }
        }
        /// Maintains the invariant that the queue is watched whenever jobs wait and no thread sleeps. A woken thread counts as
        /// sleeping until it runs, so this is called when a job is taken as well as when one is added.
        private func watchIfNoThreadIsIdle() {
            // Sets the flag at most once in each interval of the watch.
            guard sleeping == 0, !isWatching, head < jobs.count else { return }
            isWatching = true
            pthread_cond_signal(watchCondition)
        }
        var waitingCount: Int { waiting.load(ordering: .relaxed) }

        /// The body of a thread of the pool.
        static func work(_ queue: Queue) {
            var spinsFirst = false
            while let job = queue.pop(spinsFirst: spinsFirst) {
                job.run()
                spinsFirst = job.isParallelForPart
            }
        }
        /// The body of an additional thread. It ends when no job waits or a thread of the pool has taken a job.
        private static func runAdditionalThread(_ queue: Queue) {
            let before = queue.ownPopCount
            while let job = queue.popForAdditionalThread(unlessOwnPopsExceed: before) { job.run() }
        }
        /// The body of the pool's last thread. It starts additional threads, so that jobs do not wait for ever.
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
                guard queue.pops == seen, queue.additionalThreads < maximumAdditionalThreads, !queue.isClosed else { continue }
                queue.additionalThreads += 1
                pthread_mutex_unlock(queue.mutex)
                let failure = ComputePool.startThread(queue, runAdditionalThread)
                pthread_mutex_lock(queue.mutex)
                if failure != 0 { queue.additionalThreads -= 1 }
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
        private func popForAdditionalThread(unlessOwnPopsExceed before: Int) -> Entry? {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            guard head < jobs.count, ownPops == before else {
                additionalThreads -= 1
                return nil
            }
            return takeFirst()
        }

        func pop(spinsFirst: Bool) -> Entry? {
            if spinsFirst { spinForWork() }
            var isParked = false
            // After the mutex is unlocked, because `unpark` may wait.
            defer { if isParked { BlockCache.unpark() } }
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            while head == jobs.count {
                if isClosed { return nil }
                if !isParked { BlockCache.park() }
                isParked = true
                sleeping += 1
                pthread_cond_wait(condition, mutex)
                sleeping -= 1
            }
            ownPops &+= 1
            return takeFirst()
        }
        /// Takes the first job. Call it with the lock held and the queue not empty.
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
            watchIfNoThreadIsIdle()
            return job
        }
        /// Spins until there is work or `spinDuration` has passed.
        private func spinForWork() {
            guard waiting.load(ordering: .acquiring) == 0 else { return }
            guard spinners.wrappingAdd(1, ordering: .relaxed).newValue <= maximumSpinners else {
                spinners.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                return
            }
            let end = ContinuousClock.now + Queue.spinDuration
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

    /// One call of `parallelFor`. Each thread takes the next part until none is left; a thread that comes late finds none.
    private final class ParallelForState: @unchecked Sendable {  // `body` is called only while `parallelFor` waits
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
                body(bound(part)..<bound(part + 1))
                done.wrappingAdd(1, ordering: .releasing)
            }
        }
        /// `count * part / parts`. The product may exceed an `Int`, because a caller may pass any count.
        private func bound(_ part: Int) -> Int { parts.dividingFullWidth(count.multipliedFullWidth(by: part)).quotient }
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

import Glibc
import Synchronization
package import WeirTensor

/// A stream of a card: kernels and copies that it does in order.
package final class CUDAStream: DeviceStream {
    let card: CUDACard
    private let stream: Handle
    private let events: CUDAEventPool
    private let watcher: CUDAEventWatcher

    private struct Handle: @unchecked Sendable { let pointer: CUDADriver.Handle? }  // streams may be used by any thread

    /// - Throws: what the driver says when it has no stream left; `resourceExhausted` when the system has no thread left.
    package init(_ card: CUDACard) throws(Status) {
        self.card = card
        card.makeCurrent()
        var handle: CUDADriver.Handle?
        // 1: does not wait for the stream that other code of the process uses.
        try card.check(card.driver.createStream(&handle, 1), "cuStreamCreate")
        stream = Handle(pointer: handle)
        events = CUDAEventPool(card)
        watcher = CUDAEventWatcher()
        try watcher.start()
    }
    deinit {
        watcher.end()
        card.makeCurrent()
        _ = card.driver.destroyStream(stream.pointer)
    }
    /// The driver's stream.
    package var handle: CUDADriver.Handle? { stream.pointer }

    /// An event after all work enqueued so far. When the card has failed it is reached at once.
    package func record() -> any DeviceEvent {
        card.makeCurrent()
        let handle = events.take()
        let isRecorded = handle != nil && card.driver.recordEvent(handle, stream.pointer) == 0
        return CUDAEvent(handle, isRecorded: isRecorded, events, watcher)
    }

    package func wait(for event: any DeviceEvent) {
        guard let event = event as? CUDAEvent else {
            // Another type of device: the work that is enqueued next must not start before, so this thread waits.
            let gate = Gate()
            event.whenReached { gate.open() }
            return gate.wait()
        }
        guard event.isRecorded else { return }
        card.makeCurrent()
        _ = card.driver.waitForEvent(stream.pointer, event.handle, 0)
    }

    /// Waits until all work is done.
    /// - Throws: the error of the work.
    package func synchronize() throws(Status) {
        card.makeCurrent()
        try card.check(card.driver.synchronizeStream(stream.pointer), "cuStreamSynchronize")
    }
}

/// A point in a stream's work.
final class CUDAEvent: DeviceEvent, @unchecked Sendable {  // the driver's events may be used by any thread
    let handle: CUDADriver.Handle?
    let isRecorded: Bool
    private let pool: CUDAEventPool
    private let watcher: CUDAEventWatcher

    init(_ handle: CUDADriver.Handle?, isRecorded: Bool, _ pool: CUDAEventPool, _ watcher: CUDAEventWatcher) {
        (self.handle, self.isRecorded, self.pool, self.watcher) = (handle, isRecorded, pool, watcher)
    }
    deinit { pool.give(handle) }

    /// An error of the card counts as reached: the code that waits finds it in `CUDACard.hasFailed`.
    var isReached: Bool {
        guard isRecorded else { return true }
        pool.card.makeCurrent()
        let result = pool.card.driver.queryEvent(handle)
        guard result != CUDAError.notReady.rawValue else { return false }
        pool.card.note(result, "cuEventQuery")
        return true
    }
    /// Calls `body` after those that wait for earlier events of the stream.
    func whenReached(_ body: @escaping @Sendable () -> Void) {
        if isReached, watcher.isIdle { body() } else { watcher.watch(self, body) }
    }
    /// Blocks the thread until the event is reached.
    func wait() {
        // A short time is spent asking, because a thread that sleeps takes tens of microseconds to wake.
        for _ in 0..<200 where isReached { return }
        pool.card.note(pool.card.driver.synchronizeEvent(handle), "cuEventSynchronize")
    }
}

/// Events that are used again, because making one takes the driver microseconds.
final class CUDAEventPool: Sendable {
    let card: CUDACard
    private let free = Mutex(Handles())
    private struct Handles: @unchecked Sendable { var pointers: [CUDADriver.Handle] = [] }

    init(_ card: CUDACard) { self.card = card }
    deinit {
        card.makeCurrent()
        for handle in free.withLock({ $0 }).pointers { _ = card.driver.destroyEvent(handle) }
    }
    /// An event; nil when the driver has none left, or the card has failed.
    func take() -> CUDADriver.Handle? {
        let kept = free.withLock { Handles(pointers: $0.pointers.popLast().map { [$0] } ?? []) }.pointers.first
        if let kept { return kept }
        var handle: CUDADriver.Handle?
        // 1: a thread that waits sleeps; 2: without times, which makes it cheaper.
        card.note(card.driver.createEvent(&handle, 1 | 2), "cuEventCreate")
        return handle
    }
    func give(_ handle: CUDADriver.Handle?) {
        guard let handle else { return }
        let given = Handles(pointers: [handle])
        free.withLock { $0.pointers += given.pointers }
    }
}

/// A thread that waits for the events of a stream, which are reached in order, and calls what waits for them.
final class CUDAEventWatcher: Sendable {
    /// Whether nothing waits, and what waited has been called.
    var isIdle: Bool { state.withLock { $0.waiting.isEmpty && $0.isIdle } }

    private struct State {
        var waiting: [(event: CUDAEvent, body: @Sendable () -> Void)] = []
        var isIdle = false
        var isOver = false
    }
    private let state = Mutex(State())
    private let gate = Gate()

    func start() throws(Status) {
        try SystemThread.run { [self] in
            while let next = next() {
                for (event, body) in next {
                    event.wait()
                    body()
                }
            }
        }
    }
    func watch(_ event: CUDAEvent, _ body: @escaping @Sendable () -> Void) { change { $0.waiting.append((event, body)) } }
    func end() { change { $0.isOver = true } }

    private func change(_ body: (inout State) -> Void) {
        let wakes = state.withLock { state in
            body(&state)
            defer { state.isIdle = false }
            return state.isIdle
        }
        if wakes { gate.open() }
    }
    /// What waits; nil when the stream has ended and nothing waits any more.
    private func next() -> [(event: CUDAEvent, body: @Sendable () -> Void)]? {
        while true {
            let (waiting, isOver) = state.withLock { state -> ([(event: CUDAEvent, body: @Sendable () -> Void)], Bool) in
                defer { state.waiting = [] }
                state.isIdle = state.waiting.isEmpty && !state.isOver
                return (state.waiting, state.isOver)
            }
            if !waiting.isEmpty { return waiting }
            if isOver { return nil }
            gate.wait()
        }
    }
}

import Glibc
import Synchronization
import WeirTensor

/// A stream of a simulated device: a thread that does the enqueued work in order.
final class SimulatedStream: DeviceStream {
    private let queue: WorkQueue

    /// - Parameter delays: how long the stream is idle before each piece of work; nil means no delays.
    /// - Throws: `resourceExhausted` when the system has no thread left.
    init(delays: SimulatedDelays? = nil) throws(Status) {
        queue = WorkQueue()
        try queue.start(delays)
    }
    deinit { queue.end() }

    /// Enqueues work and returns immediately.
    func enqueue(_ work: @escaping @Sendable () -> Void) { queue.add(work) }

    func record() -> any DeviceEvent {
        let event = SimulatedEvent()
        queue.add { event.reach() }
        return event
    }
    func wait(for event: any DeviceEvent) {
        guard !event.isReached else { return }
        // This blocks the stream's own thread, so all later work of the stream waits too.
        queue.add {
            let gate = Gate()
            event.whenReached { gate.open() }
            gate.wait()
        }
    }
}

/// Random idle times of a simulated stream before each piece of work. They reveal code that does not wait for an event where
/// it must. The same seed gives the same times.
package struct SimulatedDelays: Sendable {
    /// The state of the random number generator.
    package var seed: UInt64
    /// The upper bound of a delay, in microseconds.
    package var longest: UInt32
    /// Makes delays of up to `longest` microseconds.
    package init(seed: UInt64, longest: UInt32 = 500) {
        self.seed = seed
        self.longest = longest
    }

    /// The next delay, in microseconds. Half of them are 0, so that the order of work on several streams varies.
    mutating func next() -> UInt32 {
        seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let drawn = UInt32(truncatingIfNeeded: seed >> 33)
        return drawn & 1 == 0 || longest == 0 ? 0 : (drawn >> 1) % longest
    }
    /// Delays with the same bound and another seed, for stream `number`.
    package func stream(_ number: UInt64) -> SimulatedDelays { SimulatedDelays(seed: seed &+ number &* 0x9e37_79b9_7f4a_7c15, longest: longest) }
}

/// An event of one stream. It is reached once.
private final class SimulatedEvent: DeviceEvent {
    private enum State {
        case pending([@Sendable () -> Void])
        case reached
    }
    private let state = Mutex(State.pending([]))

    var isReached: Bool { state.withLock { if case .reached = $0 { true } else { false } } }
    func whenReached(_ body: @escaping @Sendable () -> Void) {
        let isReached = state.withLock { state -> Bool in
            guard case .pending(let bodies) = state else { return true }
            state = .pending(bodies + [body])
            return false
        }
        if isReached { body() }
    }
    func reach() {
        let bodies = state.withLock { state -> [@Sendable () -> Void] in
            defer { state = .reached }
            if case .pending(let bodies) = state { return bodies }
            return []
        }
        for body in bodies { body() }
    }
}

/// The queue of a stream's thread.
private final class WorkQueue: Sendable {
    private struct State {
        var work: [@Sendable () -> Void] = []
        var isOver = false
        var isWaiting = false
    }
    private let state = Mutex(State())
    private let gate = Gate()

    func start(_ delays: SimulatedDelays?) throws(Status) {
        try SystemThread.run { [self] in
            var delays = delays
            while let work = next() {
                for piece in work {
                    if let delay = delays?.next(), delay > 0 { usleep(delay) }
                    piece()
                }
            }
        }
    }

    func add(_ work: @escaping @Sendable () -> Void) {
        let wakes = state.withLock { state in
            state.work.append(work)
            defer { state.isWaiting = false }
            return state.isWaiting
        }
        if wakes { gate.open() }
    }
    /// Ends the thread when all enqueued work is done.
    func end() {
        let wakes = state.withLock { state in
            state.isOver = true
            defer { state.isWaiting = false }
            return state.isWaiting
        }
        if wakes { gate.open() }
    }
    /// Waits for work and takes all of it; nil when the queue has ended and is empty.
    private func next() -> [@Sendable () -> Void]? {
        while true {
            let (work, isOver) = state.withLock { state -> ([@Sendable () -> Void], Bool) in
                defer { state.work = [] }
                state.isWaiting = state.work.isEmpty && !state.isOver
                return (state.work, state.isOver)
            }
            if !work.isEmpty { return work }
            if isOver { return nil }
            gate.wait()
        }
    }
}

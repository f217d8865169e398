import Synchronization
package import WeirTensor

/// Measures when the stream of kernels did a piece of work, for traces. The card's clock is read by events with times; one of them is
/// compared with the host's clock now and then.
package final class CUDATimer: Sendable {
    private let stream: CUDAStream
    private let base = Mutex<Base?>(nil)
    /// How long a comparison of the clocks is used, in nanoseconds. Times from it are floats of milliseconds.
    private static let validity = 2_000_000_000

    /// An event with a time.
    package final class Mark: @unchecked Sendable {  // the driver's events may be used by any thread
        fileprivate let handle: CUDADriver.Handle?
        private let card: CUDACard
        fileprivate init(_ card: CUDACard, on stream: CUDADriver.Handle?) {
            self.card = card
            card.makeCurrent()
            var handle: CUDADriver.Handle?
            card.note(card.driver.createEvent(&handle, 0), "cuEventCreate")
            card.note(card.driver.recordEvent(handle, stream), "cuEventRecord")
            self.handle = handle
        }
        deinit {
            card.makeCurrent()
            _ = card.driver.destroyEvent(handle)
        }
        /// Milliseconds since another mark; nil when one of them is not reached, or the card has failed.
        fileprivate func time(since other: Mark) -> Double? {
            card.makeCurrent()
            var milliseconds: Float = 0
            return card.driver.elapsedTime(&milliseconds, other.handle, handle) == 0 ? Double(milliseconds) : nil
        }
    }
    private struct Base {
        let mark: Mark
        let time: Int
    }

    init(_ stream: CUDAStream) { self.stream = stream }

    /// Marks the end of the work that was enqueued so far.
    /// - Parameter now: reads the host's clock, in nanoseconds.
    package func mark(_ now: () -> Int) -> Mark {
        let time = now()
        base.withLock { base in
            if let base, time - base.time < CUDATimer.validity { return }
            let mark = Mark(stream.card, on: stream.handle)
            // The host's time of the mark is known only once it is reached.
            guard (try? stream.synchronize()) != nil else { return }
            base = Base(mark: mark, time: now())
        }
        return Mark(stream.card, on: stream.handle)
    }

    /// Calls `body` with the host's times of two marks, in nanoseconds, when the second is reached.
    package func times(from start: Mark, to end: Mark, _ body: @escaping @Sendable (Int, Int) -> Void) {
        guard let base = base.withLock({ $0 }) else { return }
        stream.record().whenReached {
            guard let first = start.time(since: base.mark), let last = end.time(since: base.mark) else { return }
            body(base.time + Int(first * 1e6), base.time + Int(last * 1e6))
        }
    }
}

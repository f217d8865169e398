import Synchronization
import WeirDevice
import WeirTensor

/// Makes batches ahead of the one who takes them, on threads of its own.
///
/// Each thread makes whole batches, the next that no other makes; so batches can be done in any order, and are given in theirs. A
/// thread ends when enough are made, and another begins when one is taken: nothing waits, and nothing is left when the iterator is
/// gone.
final class BatchPrefetcher: Sendable {
    private typealias Batch = Result<[String: Tensor], Status>

    private struct State {
        /// The number of the next batch that no thread makes yet.
        var nextToMake: Int
        /// Batches from this number on wait until others were taken.
        var limit: Int
        var made: [Int: Batch] = [:]
        var waiting: [Int: CheckedContinuation<Batch, Never>] = [:]
        /// Batches that nobody wants any more.
        var abandoned: Set<Int> = []
        var threadCount = 0
        var isClosed = false

        /// The next batch to make, of which the caller is in charge now.
        mutating func claim(before end: Int?) -> Int? {
            guard !isClosed, nextToMake < limit, end.map({ nextToMake < $0 }) ?? true else { return nil }
            defer { nextToMake += 1 }
            return nextToMake
        }
    }

    private let maker: BatchMaker
    private let prefetching: Dataset.Prefetching
    private let end: Int?
    private let state: Mutex<State>

    init(_ maker: BatchMaker, _ prefetching: Dataset.Prefetching, from first: Int, end: Int?) {
        self.maker = maker
        self.prefetching = prefetching
        self.end = end
        state = Mutex(State(nextToMake: first, limit: first))
    }

    /// Takes a batch, and lets as many more be made as are to be read ahead.
    func take(_ number: Int) async throws(Status) -> [String: Tensor] {
        let batch = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Batch, Never>) in
                let batch = state.withLock { state -> Batch? in
                    state.limit = max(state.limit, number + 1 + prefetching.depth)
                    if state.isClosed { return .failure(.cancelled("The batches were closed")) }
                    if let made = state.made.removeValue(forKey: number) { return made }
                    if state.abandoned.contains(number) { return .failure(BatchPrefetcher.cancelled) }
                    state.waiting[number] = continuation
                    return nil
                }
                startThreads()
                if let batch { continuation.resume(returning: batch) }
            }
        } onCancel: {
            let waiting = state.withLock { state in
                state.abandoned.insert(number)
                return state.waiting.removeValue(forKey: number)
            }
            waiting?.resume(returning: .failure(BatchPrefetcher.cancelled))
        }
        return try batch.get()
    }

    private static let cancelled = Status.cancelled("Reading a batch was cancelled")

    /// Ends the threads after the batches that they are making. Those who wait fail.
    func close() {
        let waiting = state.withLock { state in
            state.isClosed = true
            state.made = [:]
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume(returning: .failure(.cancelled("The batches were closed"))) }
    }

    private func startThreads() {
        while true {
            let claimed = state.withLock { state -> Int? in
                guard state.threadCount < prefetching.threads, let number = state.claim(before: end) else { return nil }
                state.threadCount += 1
                return number
            }
            guard let first = claimed else { return }
            do throws(Status) {
                try SystemThread.run { [self] in work(from: first) }
            } catch {
                // Without a thread the batch cannot be made; the others try again.
                state.withLock { $0.threadCount -= 1 }
                finish(first, .failure(error))
                return
            }
        }
    }

    private func work(from first: Int) {
        var number = first
        while true {
            finish(number, Result { () throws(Status) in try maker.batch(number) })
            let claimed = state.withLock { state -> Int? in
                if let next = state.claim(before: end) { return next }
                state.threadCount -= 1
                return nil
            }
            guard let next = claimed else { return }
            number = next
        }
    }

    private func finish(_ number: Int, _ batch: Batch) {
        let waiting = state.withLock { state -> CheckedContinuation<Batch, Never>? in
            if let waiting = state.waiting.removeValue(forKey: number) { return waiting }
            if !state.isClosed, state.abandoned.remove(number) == nil { state.made[number] = batch }
            return nil
        }
        waiting?.resume(returning: batch)
    }
}

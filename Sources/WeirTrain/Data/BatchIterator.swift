import Synchronization
public import WeirTensor

/// Takes one batch after another from a dataset. It may be shared: each batch is taken once.
///
/// Threads that read ahead end when the iterator is released or closed.
public final class BatchIterator: AsyncIteratorProtocol, Sendable {
    /// Tensors by column name.
    public typealias Element = [String: Tensor]
    /// The error of a file, or of what made the rows.
    public typealias Failure = Status

    private let maker: BatchMaker
    private let prefetcher: BatchPrefetcher?
    private let nextNumber: Mutex<Int>
    private let end: Int?

    init(_ batches: BatchedDataset, from first: Int) {
        let (maker, end) = (BatchMaker(batches), batches.batchCount)
        self.maker = maker
        self.end = end
        nextNumber = Mutex(first)
        // Reading a file, or what a user's function does, must not keep one of Swift's own threads.
        let prefetching = batches.dataset.prefetching ?? (batches.dataset.isInMemory ? nil : Dataset.Prefetching(depth: 2, threads: 1))
        prefetcher = prefetching.map { BatchPrefetcher(maker, $0, from: first, end: end) }
    }

    deinit { prefetcher?.close() }

    /// The place of the next batch. A training that goes on from it takes what this iterator would have taken.
    public var position: DatasetPosition { DatasetPosition(batch: nextNumber.withLock { $0 }) }

    /// Takes the next batch; nil at the end.
    /// - Throws: the error of a file, or of what made the rows: then the batch is lost, and the next call takes the one after it;
    ///   `cancelled` when the task is cancelled or the iterator was closed.
    public func next() async throws(Status) -> [String: Tensor]? {
        let number = nextNumber.withLock { next -> Int? in
            if let end, next >= end { return nil }
            defer { next += 1 }
            return next
        }
        guard let number else { return nil }
        guard let prefetcher else { return try maker.batch(number) }
        return try await prefetcher.take(number)
    }

    /// Takes the next batch; nil at the end.
    public func next(isolation actor: isolated (any Actor)?) async throws(Status) -> [String: Tensor]? { try await next() }

    /// Ends the threads that read ahead. A call that waits for a batch fails.
    public func close() { prefetcher?.close() }
}

/// Makes batches by their numbers.
final class BatchMaker: Sendable {
    private let batches: BatchedDataset
    /// The order of the last epochs; threads may be in two at once.
    private let orders = Mutex<[(epoch: Int, numbers: [Int])]>([])

    init(_ batches: BatchedDataset) { self.batches = batches }

    /// Makes a batch, which must be one of the sequence. It may block.
    func batch(_ number: Int) throws(Status) -> [String: Tensor] {
        let (epoch, place) = number.quotientAndRemainder(dividingBy: max(1, batches.batchesPerEpoch))
        let dataset = batches.dataset
        let start = place * batches.batchSize
        let range = start..<start + min(batches.batchSize, dataset.rowCount - start)
        guard let order = dataset.order else { return try dataset.source.rows(Array(range)) }
        let numbers = orders.withLock { orders -> [Int] in
            if let known = orders.first(where: { $0.epoch == epoch }) { return known.numbers }
            let made = order.numbers(dataset.rowCount, epoch: epoch)
            orders = orders.suffix(1) + [(epoch, made)]
            return made
        }
        return try dataset.source.rows(Array(numbers[range]))
    }
}

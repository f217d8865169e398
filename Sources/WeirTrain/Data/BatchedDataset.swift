public import WeirTensor

extension Dataset {
    /// The dataset with its rows in a random order, another in each epoch.
    /// - Parameters:
    ///   - seed: decides the orders. The same seed gives the same ones on every machine.
    ///   - window: for rows that are read from files. Windows of so many rows are shuffled, and the rows in each, so that a batch has rows
    ///     that are near each other in the files; nil shuffles all rows, and is best for training.
    public func shuffle(seed: UInt64, window: Int? = nil) -> Dataset {
        var copy = self
        copy.order = RowOrder(seed: seed, window: window.map { max(1, $0) })
        return copy
    }

    /// The dataset with so many batches read ahead by threads of their own. Without it, rows in memory are not read ahead, and others are
    /// by two batches and one thread. The order is the same in any case.
    /// - Parameters:
    ///   - depth: the batches to read ahead, at least 1.
    ///   - threads: the threads that read, at least 1; each makes a batch of its own.
    public func prefetch(_ depth: Int, threads: Int = 1) -> Dataset {
        var copy = self
        copy.prefetching = Prefetching(depth: min(max(1, depth), 1 << 16), threads: min(max(1, threads), 1024))
        return copy
    }

    /// Batches of the rows.
    /// - Parameter dropRemainder: leaves out the rows at the end of an epoch that do not fill a batch; otherwise the last batch is smaller.
    /// - Throws: `invalidArgument` when `size` is less than 1.
    public func batch(_ size: Int, dropRemainder: Bool = false) throws(Status) -> BatchedDataset {
        guard size >= 1 else { throw .invalidArgument("batch: expected at least 1 row, found \(size)") }
        return BatchedDataset(dataset: self, batchSize: size, dropsRemainder: dropRemainder)
    }
}

/// Batches of a dataset's rows, once or for several epochs: an asynchronous sequence of tensors by column name.
public struct BatchedDataset: Sendable, AsyncSequence {
    /// Tensors by column name, with the rows of the batch as first dimension.
    public typealias Element = [String: Tensor]
    /// The error of a file, or of what made the rows.
    public typealias Failure = Status
    /// What takes one batch after another.
    public typealias AsyncIterator = BatchIterator

    /// The rows.
    public private(set) var dataset: Dataset
    /// The number of rows of a batch, but for the last of an epoch.
    public let batchSize: Int
    /// Whether rows that do not fill a batch are left out.
    public let dropsRemainder: Bool
    /// The number of epochs; nil has no end.
    public private(set) var epochCount: Int? = 1

    init(dataset: Dataset, batchSize: Int, dropsRemainder: Bool) {
        self.dataset = dataset
        self.batchSize = batchSize
        self.dropsRemainder = dropsRemainder
    }

    /// The number of batches of an epoch.
    public var batchesPerEpoch: Int {
        let (full, rest) = dataset.rowCount.quotientAndRemainder(dividingBy: batchSize)
        return full + (rest > 0 && !dropsRemainder ? 1 : 0)
    }

    /// The number of batches of all epochs; nil has no end.
    public var batchCount: Int? {
        guard batchesPerEpoch > 0 else { return 0 }
        guard let epochCount else { return nil }
        let (count, overflow) = batchesPerEpoch.multipliedReportingOverflow(by: epochCount)
        return overflow ? nil : count
    }

    /// The same batches for so many epochs, each in an order of its own if the rows are shuffled.
    /// - Parameter count: the number of epochs, at least 0; nil has no end.
    public func repeated(_ count: Int? = nil) -> BatchedDataset {
        var copy = self
        copy.epochCount = count.map { Swift.max(0, $0) }
        return copy
    }

    /// The same batches, so many of them read ahead. See `Dataset.prefetch`.
    public func prefetch(_ depth: Int, threads: Int = 1) -> BatchedDataset {
        var copy = self
        copy.dataset = dataset.prefetch(depth, threads: threads)
        return copy
    }

    /// Takes the batches from the first on.
    public func makeAsyncIterator() -> BatchIterator { BatchIterator(self, from: 0) }

    /// Takes the batches from a position on. It costs nothing to begin in the middle.
    /// - Throws: `invalidArgument` when the position is not of a sequence of batches.
    public func makeAsyncIterator(from position: DatasetPosition) throws(Status) -> BatchIterator {
        guard (0...1 << 60).contains(position.batch) else {
            throw .invalidArgument("A position must be the number of a batch from 0 on, found \(position.batch)")
        }
        return BatchIterator(self, from: position.batch)
    }
}

/// A place in a sequence of batches: the number of those that were taken. With the same dataset, seed and batch size it names the very
/// next row, whichever threads read. A training's position is the number of its updates, which its checkpoints have.
public struct DatasetPosition: Hashable, Sendable, Codable {
    /// The number of the next batch, counted from 0 through all epochs.
    public var batch: Int

    /// The position before a batch.
    public init(batch: Int = 0) { self.batch = batch }
}

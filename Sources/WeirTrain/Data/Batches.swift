/// Batches of a table's rows. The rows are shuffled again for each epoch.
///
/// The rows of a batch follow from the seed and the batch's number alone, so that a training that goes on from a checkpoint takes the
/// batches that it would have taken.
struct Batches {
    private let table: Table
    private let batchSize: Int
    private let seed: UInt64
    private let batchesPerEpoch: Int
    /// The number of the next batch, from 0.
    private var number: Int
    private var epoch = -1
    private var order: [Int] = []

    /// - Parameter number: the number of the first batch, at least 0.
    init(_ table: Table, batchSize: Int, seed: UInt64, from number: Int = 0) {
        self.table = table
        self.batchSize = min(batchSize, table.rowCount)
        self.seed = seed
        self.number = number
        batchesPerEpoch = max(1, table.rowCount / max(1, self.batchSize))
    }

    /// Returns the next batch. Rows that do not fill a batch at the end of an epoch are not used in that epoch.
    mutating func next() -> Table {
        let (epoch, place) = number.quotientAndRemainder(dividingBy: batchesPerEpoch)
        if epoch != self.epoch {
            // The factor is not the generator's increment: the numbers of two epochs have nothing in common.
            var generator = SplitMix(seed: seed &+ UInt64(epoch) &* 0xd134_2543_de82_ef95)
            order = (0..<table.rowCount).shuffled(using: &generator)
            self.epoch = epoch
        }
        number += 1
        return table.rows(order[place * batchSize..<(place + 1) * batchSize])
    }
}

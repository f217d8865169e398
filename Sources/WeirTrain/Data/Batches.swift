/// Batches of a table's rows. The rows are shuffled again for each epoch.
struct Batches {
    private let table: Table
    private let batchSize: Int
    private var generator: SplitMix
    private var order: [Int] = []
    private var position = 0

    init(_ table: Table, batchSize: Int, seed: UInt64) {
        self.table = table
        self.batchSize = min(batchSize, table.rowCount)
        generator = SplitMix(seed: seed)
    }

    /// Returns the next batch. Rows that do not fill a batch at the end of an epoch are not used in that epoch.
    mutating func next() -> Table {
        if position + batchSize > order.count {
            order = (0..<table.rowCount).shuffled(using: &generator)
            position = 0
        }
        let rows = table.rows(order[position..<position + batchSize])
        position += batchSize
        return rows
    }
}

/// The order in which an epoch takes rows: one permutation for each epoch, from a seed.
struct RowOrder: Hashable, Sendable {
    var seed: UInt64
    /// Rows that are near each other stay near: windows of so many rows are shuffled, and rows in each window. Nil shuffles all.
    var window: Int?

    /// The numbers of all rows, in the order of an epoch.
    func numbers(_ rowCount: Int, epoch: Int) -> [Int] {
        // The factor is not the generator's increment: the numbers of two epochs have nothing in common.
        var generator = SplitMix(seed: seed &+ UInt64(truncatingIfNeeded: epoch) &* 0xd134_2543_de82_ef95)
        guard let window, window < rowCount else { return (0..<rowCount).shuffled(using: &generator) }
        var numbers: [Int] = []
        numbers.reserveCapacity(rowCount)
        for start in stride(from: 0, to: rowCount, by: max(1, window)).shuffled(using: &generator) {
            numbers += (start..<min(rowCount, start + max(1, window))).shuffled(using: &generator)
        }
        return numbers
    }
}

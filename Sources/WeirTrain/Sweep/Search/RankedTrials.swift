/// Trials of one rung, best first: by ascending loss, then by number.
struct RankedTrials: Sendable {
    struct Entry: Sendable {
        let trial: Int
        /// Infinite when the trial failed: then it is worse than all others.
        let loss: Double
        var isPromoted = false
    }
    private(set) var entries: [Entry] = []

    /// Adds a trial. O(n) to move those that are worse.
    mutating func add(_ trial: Int, loss: Double?) {
        let entry = Entry(trial: trial, loss: loss ?? .infinity)
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            let other = entries[middle]
            if (other.loss, other.trial) < (entry.loss, entry.trial) { low = middle + 1 } else { high = middle }
        }
        entries.insert(entry, at: low)
    }

    /// The best trials, at most `count`, without those that failed.
    func best(_ count: Int) -> ArraySlice<Entry> { entries.prefix(count).prefix { $0.loss < .infinity } }

    mutating func promote(_ trial: Int) {
        guard let index = entries.firstIndex(where: { $0.trial == trial }) else { return }
        entries[index].isPromoted = true
    }
}

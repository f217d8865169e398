/// Which of the checkpoints that a saver wrote are kept: the newest and, of the others, one of each so many hours.
struct CheckpointRetention: Sendable {
    /// A checkpoint that is not removed yet: its path, and when it was written in seconds since 1970.
    struct Entry: Hashable, Sendable {
        var path: String
        var time: Double
    }

    /// At least 1; nil keeps all.
    let maxToKeep: Int?
    /// The seconds from one checkpoint that is kept for good to the next; nil keeps none for good.
    let preservedInterval: Double?
    /// The checkpoints that may be removed later, oldest first.
    private(set) var entries: [Entry] = []
    /// When a checkpoint was written that is kept for good, or else the first one of all; nil before the first.
    private(set) var lastPreserved: Double?

    init(maxToKeep: Int?, preservedInterval: Double? = nil) {
        self.maxToKeep = maxToKeep
        self.preservedInterval = preservedInterval
    }

    /// Adds a checkpoint, the latest.
    /// - Returns: those that are to be removed.
    mutating func add(_ path: String, at time: Double) -> [Entry] {
        entries.removeAll { $0.path == path }
        entries.append(Entry(path: path, time: time))
        if lastPreserved == nil { lastPreserved = time }
        guard let maxToKeep else { return [] }
        var removed: [Entry] = []
        // The graph of a saver with a limit below 1 has an error, but another session may have nodes of the same names.
        while entries.count > max(1, maxToKeep) {
            let oldest = entries.removeFirst()
            if let preservedInterval, let last = lastPreserved, oldest.time - last >= preservedInterval {
                lastPreserved = oldest.time
            } else {
                removed.append(oldest)
            }
        }
        return removed
    }

    /// Takes over the checkpoints of an earlier saver, oldest first. None is removed before the next is added.
    mutating func recover(_ earlier: [Entry], lastPreserved: Double?) {
        let paths = Set(earlier.map(\.path))
        entries = earlier + entries.filter { !paths.contains($0.path) }
        self.lastPreserved = lastPreserved ?? earlier.first?.time ?? self.lastPreserved
    }
}

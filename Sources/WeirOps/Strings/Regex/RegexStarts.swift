/// A set of positions in a text, one bit for each.
struct PositionSet {
    private var words: [UInt64] = []

    /// Removes all positions and makes room for those below `count`.
    mutating func clear(_ count: Int) {
        words.removeAll(keepingCapacity: true)
        words.append(contentsOf: repeatElement(0, count: count / 64 + 1))
    }

    mutating func insert(_ position: Int) { words[position >> 6] |= 1 << UInt64(position & 63) }

    /// Returns the first position that is not before `start`.
    func first(from start: Int) -> Int? {
        var index = start >> 6
        guard index < words.count else { return nil }
        var word = words[index] & ~0 << UInt64(start & 63)
        while word == 0 {
            index += 1
            guard index < words.count else { return nil }
            word = words[index]
        }
        return index << 6 + word.trailingZeroBitCount
    }
}

/// The distinct sets of a pattern, with tables for ASCII characters.
struct RegexSets: Sendable {
    private let sets: [ScalarSet]
    /// Two words for each set, with one bit for each ASCII character.
    private let bits: [UInt64]
    /// The equivalence class of each ASCII character. Characters of one class are in the same sets and are equal for
    /// assertions.
    let classes: [UInt8]
    let classCount: Int

    init(_ sets: [ScalarSet]) {
        self.sets = sets
        var division = Division.ofNeighbours
        var bits: [UInt64] = []
        bits.reserveCapacity(2 * sets.count)
        for set in sets {
            let (low, high) = set.ascii
            bits.append(low)
            bits.append(high)
            division.divide(by: low, high)
        }
        self.bits = bits
        classes = division.classes
        classCount = division.count
    }

    /// A partition of ASCII into classes.
    private struct Division {
        var classes = [UInt8](repeating: 0, count: 128)
        var count = 1
        private var numbers = [Int](repeating: -1, count: 256)

        /// The partition that assertions need.
        static let ofNeighbours: Division = {
            var division = Division()
            let (word, newline) = (ScalarSet.word.ascii, ScalarSet(10).ascii)
            division.divide(by: word.low, word.high)
            division.divide(by: newline.low, newline.high)
            return division
        }()

        /// Splits each class into the characters that are in a set and those that are not.
        mutating func divide(by low: UInt64, _ high: UInt64) {
            if count == 128 { return }
            for part in 0..<2 * count { numbers[part] = -1 }
            count = 0
            for scalar in 0..<128 {
                let part = 2 * Int(classes[scalar]) + Int((scalar < 64 ? low : high) >> UInt64(scalar & 63) & 1)
                if numbers[part] < 0 {
                    numbers[part] = count
                    count += 1
                }
                classes[scalar] = UInt8(numbers[part])
            }
        }
    }

    @inline(__always)
    func contains(_ set: Int, _ scalar: UInt32) -> Bool {
        if scalar < 128 { return bits[2 * set + Int(scalar >> 6)] >> UInt64(scalar & 63) & 1 == 1 }
        return sets[set].contains(scalar)
    }
}

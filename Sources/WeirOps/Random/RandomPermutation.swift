import WeirKernels

/// Random permutations from Philox.
enum RandomPermutation {
    /// Returns a random permutation of `0..<count`: element `i` is the row that moves to position `i`.
    ///
    /// Takes exactly `count - 1` words. Each position in turn swaps with a position at or after it, which is chosen by remainder.
    static func permutation(of count: Int, from generator: Philox) -> [Int] {
        var order = Array(0..<count)
        var words = PhiloxWords(generator)
        for index in 0..<max(count - 1, 0) {
            let left = UInt32(truncatingIfNeeded: count - index)
            let word = words.next()
            // Zero stands for 2^32 positions. A word can name each of them.
            order.swapAt(index, index + Int(left == 0 ? word : word % left))
        }
        return order
    }
}

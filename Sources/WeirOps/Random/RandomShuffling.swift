import WeirKernels

/// Orders drawn with Philox.
enum RandomShuffling {
    /// A random order of `0..<count`: element `i` of the result tells which row comes to place `i`.
    ///
    /// Takes exactly `count - 1` words. Each place in turn swaps with one at or after it, chosen by remainder.
    static func permutation(of count: Int, from generator: Philox) -> [Int] {
        var order = Array(0..<count)
        var words = PhiloxWords(generator)
        for index in 0..<max(count - 1, 0) {
            let left = UInt32(truncatingIfNeeded: count - index)
            let word = words.next()
            // Zero stands for 2^32 places, of which a word can name each.
            order.swapAt(index, index + Int(left == 0 ? word : word % left))
        }
        return order
    }
}

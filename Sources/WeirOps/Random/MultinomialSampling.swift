#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif
import WeirKernels

/// Drawing classes from unnormalised log-probabilities.
enum MultinomialSampling {
    /// The samples of 128 bits a stateful op reserves for one execution: twice 256 for each sample drawn, the number
    /// of samples of a row rounded up to a multiple of four.
    static func reservation(rows: Int, samples: Int) -> UInt64 {
        UInt64(rows) &* UInt64((samples + 3) / 4 * 4) &* 2 &* 256
    }

    /// Draws `samples` classes for each row of `logits`, a matrix with `classes` columns laid out by rows, and gives
    /// them to `store` in the order of the output.
    ///
    /// Classes whose logit is not finite are never drawn; when no logit of a row is finite, the answer is `classes`.
    /// The rows draw from one sequence, one after the other: what TensorFlow does on one thread, and with any number of
    /// threads as long as the work is too little to divide. (When it does divide, its numbers depend on how many
    /// threads it has; these do not.)
    static func draw(
        logits: UnsafeBufferPointer<Double>, classes: Int, samples: Int, from generator: Philox,
        store: (_ class: Int) -> Void
    ) {
        guard classes > 0 else { return }
        var words = PhiloxWords(generator)
        var cumulative = [Double](repeating: 0, count: classes)
        for row in 0..<logits.count / classes {
            let logits = UnsafeBufferPointer(rebasing: logits[row * classes..<(row + 1) * classes])
            // Relative to the largest, so that the exponential does not overflow.
            let largest = logits.reduce(-Double.greatestFiniteMagnitude) { $1.isFinite ? max($0, $1) : $0 }
            var total = 0.0
            for (index, logit) in logits.enumerated() {
                if logit.isFinite { total += exp(logit - largest) }
                cumulative[index] = total
            }
            for _ in 0..<samples {
                store(firstIndex(above: words.nextDouble() * total, in: cumulative))
            }
        }
    }

    /// The first index whose value exceeds `bound`, in a sequence that never falls; its count when there is none.
    private static func firstIndex(above bound: Double, in values: [Double]) -> Int {
        var low = 0
        var high = values.count
        while low < high {
            let middle = (low + high) / 2
            if values[middle] > bound {
                high = middle
            } else {
                low = middle + 1
            }
        }
        return low
    }
}

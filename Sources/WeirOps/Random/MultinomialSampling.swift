import Glibc
import WeirKernels

/// Functions that draw classes from unnormalized log-probabilities.
enum MultinomialSampling {
    /// Returns the number of samples of 128 bits that a stateful op reserves for one execution: twice 256 for each draw, with the
    /// draws of a row rounded up to a multiple of four.
    static func reservation(rows: Int, samples: Int) -> UInt64 {
        UInt64(rows) &* UInt64((samples + 3) / 4 * 4) &* 2 &* 256
    }

    /// Draws `samples` classes for each row of `logits`, a row-major matrix with `classes` columns. Passes them to `store` in the
    /// order of the output.
    ///
    /// A class whose logit is not finite is never drawn. If no logit of a row is finite, the result is `classes`.
    ///
    /// The rows draw from one sequence, one after the other. TensorFlow does the same on one thread, and on several threads if
    /// the work is too small to divide. If it divides the work, its numbers depend on the number of threads; these do not.
    static func draw(
        logits: UnsafeBufferPointer<Double>, classes: Int, samples: Int, from generator: Philox,
        store: (_ class: Int) -> Void
    ) {
        guard classes > 0 else { return }
        var words = PhiloxWords(generator)
        var cumulative = [Double](repeating: 0, count: classes)
        for row in 0..<logits.count / classes {
            let logits = UnsafeBufferPointer(rebasing: logits[row * classes..<(row + 1) * classes])
            // The largest logit is subtracted, so that the exponential does not overflow.
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

    /// Returns the first index whose value is larger than `bound`, in a sequence that never decreases. Returns the count if there
    /// is none.
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

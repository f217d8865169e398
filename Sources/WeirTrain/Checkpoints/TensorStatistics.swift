public import WeirTensor

/// What the numbers in a tensor are like.
public struct TensorStatistics: Hashable, Sendable, CustomStringConvertible {
    /// The least finite number; NaN without one.
    public let least: Double
    /// The greatest finite number; NaN without one.
    public let greatest: Double
    /// The mean of the finite numbers; NaN without one.
    public let mean: Double
    /// The population standard deviation of the finite numbers; NaN without one.
    public let deviation: Double
    /// How many elements are zero.
    public let zeroCount: Int
    /// How many elements are NaN or infinite.
    public let nonFiniteCount: Int

    /// Computes them.
    /// - Returns: nil if the elements are not real numbers.
    public init?(_ tensor: Tensor) {
        guard let numbers = tensor.realNumbers else { return nil }
        let finite = numbers.filter(\.isFinite)
        nonFiniteCount = numbers.count - finite.count
        zeroCount = numbers.count { $0 == 0 }
        least = finite.min() ?? .nan
        greatest = finite.max() ?? .nan
        let count = Double(finite.count)
        let mean = finite.isEmpty ? .nan : finite.reduce(0) { $0 + $1 / count }
        self.mean = mean
        deviation = finite.isEmpty ? .nan : finite.reduce(0) { $0 + ($1 - mean) * ($1 - mean) / count }.squareRoot()
    }

    /// All in one line.
    public var description: String {
        "least \(least), greatest \(greatest), mean \(mean), deviation \(deviation), zeros \(zeroCount), not finite \(nonFiniteCount)"
    }
}

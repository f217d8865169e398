import Glibc
import WeirTensor

/// A range of numbers that a hyper-parameter may have.
public struct ParameterRange: Hashable, Sendable {
    /// How values are spread over the range.
    public enum Scale: String, Sendable, CaseIterable {
        /// Equal differences are equally likely.
        case linear
        /// Equal ratios are equally likely, as suits learning rates.
        case log
    }

    /// The least value.
    public var minimum: Double
    /// The greatest value.
    public var maximum: Double
    /// How values are spread.
    public var scale: Scale
    /// Whether values are integers.
    public var isInteger: Bool
    /// The number of values, from the least to the greatest at equal distances on the scale; nil for all values of the range.
    public var count: Int?

    /// Makes a range. `SweepSpecification` checks it.
    public init(_ minimum: Double, _ maximum: Double, scale: Scale = .linear, isInteger: Bool = false, count: Int? = nil) {
        self.minimum = minimum
        self.maximum = maximum
        self.scale = scale
        self.isInteger = isInteger
        self.count = count
    }

    /// The greatest integer of ranges: a `Double` holds all integers up to it.
    static let maximumInteger = 9_007_199_254_740_992.0

    /// Checks the range.
    /// - Parameter path: names the range in errors, such as `parameters.batch`.
    func check(_ path: String) throws(Status) {
        guard minimum.isFinite, maximum.isFinite else { throw .invalidArgument("\(path): expected finite numbers, found \(minimum) and \(maximum)") }
        guard minimum <= maximum else { throw .invalidArgument("\(path): expected min of at most max, found min \(minimum) and max \(maximum)") }
        if scale == .log, minimum <= 0 { throw .invalidArgument("\(path).min: expected a number above 0 on the scale log, found \(minimum)") }
        if isInteger {
            for (key, value) in [("min", minimum), ("max", maximum)] where value != value.rounded() || abs(value) > ParameterRange.maximumInteger {
                throw .invalidArgument("\(path).\(key): expected an integer, found \(value)")
            }
        }
        if let count, !(2...SweepSpecification.maximumTrialCount).contains(count) {
            throw .invalidArgument("\(path).count: expected an integer between 2 and \(SweepSpecification.maximumTrialCount), found \(count)")
        }
    }

    /// The values of an axis of a grid, ascending; nil when the range has no count and is not one of integers on a linear scale, or
    /// has more values than a grid may.
    var points: [ParameterValue]? {
        if let count {
            let values = (0..<count).map { index in value(at: Double(index) / Double(count - 1)) }
            // Integers that are close become equal.
            return values.enumerated().filter { $0.offset == 0 || $0.element != values[$0.offset - 1] }.map(\.element)
        }
        guard isInteger, scale == .linear, maximum - minimum < Double(SweepSpecification.maximumTrialCount) else { return nil }
        return (Int(minimum)...Int(maximum)).map { .integer($0) }
    }

    /// The least and the greatest value.
    var ends: [ParameterValue] { minimum == maximum ? [number(minimum)] : [number(minimum), number(maximum)] }

    /// The value at a fraction of the range, on the scale.
    private func value(at fraction: Double) -> ParameterValue {
        let exact =
            switch scale {
            case .linear: minimum * (1 - fraction) + maximum * fraction
            case .log: exp(Glibc.log(minimum) * (1 - fraction) + Glibc.log(maximum) * fraction)
            }
        // The ends are exact; between them 0.001 is better than 0.0010000000000000002.
        return number(fraction == 0 ? minimum : fraction == 1 ? maximum : exact.rounded(digits: 12))
    }

    /// A random value.
    func sample(_ generator: inout SplitMix) -> ParameterValue {
        let fraction = generator.nextFraction()
        // An integer stands for the numbers that round to it, so that the first and the last are as likely as the others.
        let (low, high) = isInteger ? (minimum - 0.5, maximum + 0.5) : (minimum, maximum)
        switch scale {
        case .linear: return number(low * (1 - fraction) + high * fraction)
        case .log: return number(exp(Glibc.log(low) * (1 - fraction) + Glibc.log(high) * fraction))
        }
    }

    private func number(_ value: Double) -> ParameterValue {
        let inside = min(max(isInteger ? value.rounded() : value, minimum), maximum)
        return isInteger ? .integer(Int(inside)) : .number(inside)
    }
}

extension SplitMix {
    /// A random number of at least 0 and below 1.
    mutating func nextFraction() -> Double { Double(next() >> 11) * 0x1p-53 }
}

extension Double {
    /// The nearest number with so many significant digits.
    func rounded(digits: Int) -> Double {
        guard self != 0, isFinite else { return self }
        let scale = Glibc.pow(10, Double(digits) - Glibc.ceil(Glibc.log10(abs(self))))
        let short = (self * scale).rounded() / scale
        // The scale of a very small or very large number is not finite, or zero.
        return short.isFinite ? short : self
    }
}

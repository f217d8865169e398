/// The distribution of values: TensorFlow's `HistogramProto`.
package struct Histogram: Hashable, Sendable {
    package var minimum: Double
    package var maximum: Double
    package var count: Double
    package var sum: Double
    package var sumOfSquares: Double
    /// The upper limit of each bucket (exclusive), ascending.
    package var limits: [Double]
    /// The number of values in each bucket.
    package var buckets: [Double]

    package init(
        minimum: Double = 0, maximum: Double = 0, count: Double = 0, sum: Double = 0, sumOfSquares: Double = 0,
        limits: [Double] = [], buckets: [Double] = []
    ) {
        self.minimum = minimum
        self.maximum = maximum
        self.count = count
        self.sum = sum
        self.sumOfSquares = sumOfSquares
        self.limits = limits
        self.buckets = buckets
    }

    /// Makes the histogram of finite values, with TensorFlow's default buckets: each limit is 1.1 times the one before.
    package init(of values: some Sequence<Double>) {
        let limits = Histogram.defaultLimits
        // These are TensorFlow's initial values, which an empty histogram keeps.
        self.init(minimum: .greatestFiniteMagnitude, maximum: -.greatestFiniteMagnitude)
        var counts = [Double](repeating: 0, count: limits.count)
        for value in values {
            counts[Histogram.bucket(of: value, limits)] += 1
            minimum = min(minimum, value)
            maximum = max(maximum, value)
            count += 1
            sum += value
            sumOfSquares += value * value
        }
        // Adjacent empty buckets are merged.
        for (limit, count) in zip(limits, counts) {
            if count == 0, buckets.last == 0 {
                self.limits[self.limits.count - 1] = limit
            } else {
                self.limits.append(limit)
                buckets.append(count)
            }
        }
    }

    /// The index of the first bucket whose limit is greater than `value`; the last index when there is none.
    private static func bucket(of value: Double, _ limits: [Double]) -> Int {
        var low = 0
        var high = limits.count - 1
        while low < high {
            let middle = (low + high) / 2
            if limits[middle] > value { high = middle } else { low = middle + 1 }
        }
        return low
    }

    private static let defaultLimits: [Double] = {
        var limits: [Double] = []
        var limit = 1e-12
        while limit < 1e20 {
            limits.append(limit)
            limit *= 1.1
        }
        limits.append(.greatestFiniteMagnitude)
        return limits.reversed().map { -$0 } + [0] + limits
    }()
}

import Weir

/// Measures the time since it was created or last read.
struct Stopwatch {
    private var start = ContinuousClock.now

    /// Returns the microseconds of the current lap and begins the next.
    mutating func lap() -> Double {
        let now = ContinuousClock.now
        defer { start = now }
        return (now - start) / .microseconds(1)
    }
}

extension BenchGrowth {
    /// How many runs are not measured, because a session tries both execution modes in its first ten steps.
    private static let warmUpCount = 12

    /// The duration of each run of a step, in microseconds, after a warm-up. Runs for `seconds`, but at least five times.
    func samples(_ step: () async throws -> Void) async rethrows -> [Double] {
        let clock = ContinuousClock()
        let warm = clock.now + .seconds(seconds)
        for _ in 0..<BenchGrowth.warmUpCount where clock.now < warm { try await step() }
        let end = clock.now + .seconds(seconds)
        var times: [Double] = []
        var watch = Stopwatch()
        while clock.now < end || times.count < 5 {
            try await step()
            times.append(watch.lap())
        }
        return times
    }

    /// Prints a measurement as a JSON object on one line. Numbers have one digit after the decimal point.
    func report(_ fields: KeyValuePairs<String, any CustomStringConvertible>) {
        let texts = ([("what", what.rawValue)] + fields.map { ($0.key, $0.value) }).map { key, value in
            let text =
                switch value {
                case let text as String: quoted(text)
                case let number as Double: fixed(number, 1)
                default: value.description
                }
            return "\(quoted(key)):\(text)"
        }
        Terminal.line("{\(texts.joined(separator: ","))}")
    }
}

extension [Double] {
    /// The value at this share of the sorted values, such as 0.5 for the median; NaN for no values.
    func quantile(_ share: Double) -> Double {
        guard !isEmpty else { return .nan }
        return sorted()[Swift.min(count - 1, Int(Double(count) * share))]
    }
    var median: Double { quantile(0.5) }
}

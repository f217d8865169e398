import Weir

/// Tells the time since it was made or last read.
struct Stopwatch {
    private var start = ContinuousClock.now

    /// Microseconds; the next lap begins.
    mutating func lap() -> Double {
        let now = ContinuousClock.now
        defer { start = now }
        return (now - start) / .microseconds(1)
    }
}

extension BenchGrowth {
    /// Runs of a session that are not measured: a session tries its ways of running a graph in the first ten.
    private static let warmUpCount = 12

    /// The microseconds that each run of a step took: as many as fit in the time, five at least, warmed up before.
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

    /// Prints a measurement as a JSON object on a line of its own; times with one digit after the point.
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
    /// The value that the given share of all are not above; NaN when there are none.
    func quantile(_ share: Double) -> Double {
        guard !isEmpty else { return .nan }
        return sorted()[Swift.min(count - 1, Int(Double(count) * share))]
    }
    var median: Double { quantile(0.5) }
}

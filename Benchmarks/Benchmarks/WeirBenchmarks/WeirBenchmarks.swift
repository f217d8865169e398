import Benchmark
import BenchmarkCases

// Times; what is counted and committed is in `../../thresholds.json`.
let benchmarks: @Sendable () -> Void = {
    for item in Case.all {
        // A case of few instructions runs often between two looks at the clock.
        let scale: BenchmarkScalingFactor = item.iterations >= 500 ? .kilo : .one
        let preparation = Preparation(item)
        Benchmark(
            item.name,
            configuration: .init(
                metrics: [.wallClock, .cpuTotal, .throughput, .peakMemoryResident], warmupIterations: item.warmUp,
                scalingFactor: scale),
            closure: { (benchmark: Benchmark) throws -> Void in
                let body = try preparation.body()
                benchmark.startMeasurement()
                for _ in benchmark.scaledIterations { try body() }
                benchmark.stopMeasurement()
            })
    }
}

/// A case made ready when it first runs: most runs are of a few cases.
final class Preparation {
    private let item: Case
    private var prepared: (() throws -> Void)?

    init(_ item: Case) { self.item = item }

    func body() throws -> () throws -> Void {
        if let prepared { return prepared }
        let made = try item.prepare()
        prepared = made
        return made
    }
}

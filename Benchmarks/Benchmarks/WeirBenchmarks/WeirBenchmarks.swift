import Benchmark
import BenchmarkCases

// These benchmarks measure time. The instruction and allocation counts that are committed are in `../../thresholds.json`.
let benchmarks: @Sendable () -> Void = {
    for item in BenchmarkCase.all {
        // A short case runs 1000 times between two readings of the clock.
        let scale: BenchmarkScalingFactor = item.iterations >= 500 ? .kilo : .one
        let preparation = LazyCase(item)
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

/// Prepares a case at its first run, because most runs use only a few cases.
final class LazyCase {
    private let item: BenchmarkCase
    private var prepared: (() throws -> Void)?

    init(_ item: BenchmarkCase) { self.item = item }

    func body() throws -> () throws -> Void {
        if let prepared { return prepared }
        let made = try item.prepare()
        prepared = made
        return made
    }
}

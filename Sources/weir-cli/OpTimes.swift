import Synchronization
import Weir

/// Sums the calls and the time of each op.
final class OpTimes: StepTrace {
    private let totals = Mutex<[String: (calls: Int, nanoseconds: Int)]>([:])

    func record(node: String, op: String, device: String, start: Int, end: Int, outputs: [EdgeValue]) {
        totals.withLock { totals in
            totals[op, default: (0, 0)].calls += 1
            totals[op, default: (0, 0)].nanoseconds += end - start
        }
    }
    func rows(steps: Int) -> [[String]] {
        totals.withLock { $0 }.sorted { $0.value.nanoseconds > $1.value.nanoseconds }.map { op, total in
            [op, "\(total.calls / steps)", "\(Double(total.nanoseconds / steps / 100) / 10)"]
        }
    }
}

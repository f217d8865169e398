/// Durations and sizes as people read them.
enum DurationText {
    /// A duration in the unit that fits: `12.3 µs`, `4.5 ms` or `1.2 s`.
    static func text(nanoseconds: Int) -> String {
        let magnitude = nanoseconds.magnitude
        func tenths(_ unit: UInt) -> String { "\(nanoseconds < 0 ? "-" : "")\(magnitude / unit).\(magnitude % unit / (unit / 10))" }
        return switch magnitude {
        case ..<1_000_000: "\(tenths(1000)) µs"
        case ..<1_000_000_000: "\(tenths(1_000_000)) ms"
        default: "\(tenths(1_000_000_000)) s"
        }
    }

    /// A size in the decimal unit that fits: `512 B`, `1.5 MB`.
    static func text(byteCount: Int) -> String {
        guard byteCount >= 1000 else { return "\(byteCount) B" }
        var (value, unit) = (Double(byteCount) / 1000, 0)
        let units = ["kB", "MB", "GB", "TB", "PB", "EB"]
        while value >= 999.95, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
        return "\((value * 10).rounded() / 10) \(units[unit])"
    }

    /// A share as a whole percentage: `37 %`.
    static func percent(_ share: Double) -> String { share.isFinite ? "\(Int((min(max(share, 0), 1) * 100).rounded())) %" : "–" }
}

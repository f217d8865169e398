import Glibc

/// Maps values to positions on an axis, and chooses round numbers for its ticks.
struct AxisScale {
    /// How values are spread over the axis.
    enum Kind: Sendable { case linear, logarithmic }

    let kind: Kind
    /// The values at the ends of the axis: the least and the greatest, extended to ticks.
    let range: ClosedRange<Double>
    /// The values with a mark and a label.
    let ticks: [Double]

    /// An axis for these values. Values that are not finite, and on a logarithmic axis those that are not positive, do not
    /// count. Without values the axis is 0…1, or 1…10 if it is logarithmic.
    /// - Parameters:
    ///   - tickCount: about how many ticks it gets.
    ///   - includesZero: whether a linear axis begins or ends at 0 when all values are on one side of it.
    ///   - extends: whether the ends of the axis are ticks; otherwise they are the least and the greatest value.
    init(_ values: some Sequence<Double>, kind: Kind = .linear, tickCount: Int = 5, includesZero: Bool = false, extends: Bool = true) {
        self.kind = kind
        let usable = values.filter { AxisScale.isUsable($0, kind) }
        let low = usable.min() ?? (kind == .linear ? 0 : 1), high = usable.max() ?? (kind == .linear ? 1 : 10)
        switch kind {
        case .linear: (range, ticks) = AxisScale.linear(includesZero ? min(low, 0) : low, includesZero ? max(high, 0) : high, tickCount, extends)
        case .logarithmic: (range, ticks) = AxisScale.logarithmic(low, high, tickCount, extends)
        }
    }

    /// Whether the axis can show the value.
    func contains(_ value: Double) -> Bool { AxisScale.isUsable(value, kind) && range.contains(value) }

    /// Where a value is: 0 at the start of the axis, 1 at its end. Values beyond an end are at that end.
    func position(_ value: Double) -> Double {
        guard !value.isNaN else { return 0 }
        let clamped = min(max(value, range.lowerBound), range.upperBound)
        let (low, high) = (AxisScale.spread(range.lowerBound, kind), AxisScale.spread(range.upperBound, kind))
        // Halves do not overflow where the difference of the largest numbers would.
        let length = high / 2 - low / 2
        return length > 0 ? min(max((AxisScale.spread(clamped, kind) / 2 - low / 2) / length, 0), 1) : 0.5
    }

    private static func isUsable(_ value: Double, _ kind: Kind) -> Bool {
        // The limits leave room for the ends of the axis.
        value.isFinite && value.magnitude < 1e300 && (kind == .linear || value > 1e-300)
    }
    private static func spread(_ value: Double, _ kind: Kind) -> Double { kind == .linear ? value : log10(value) }

    private static func linear(_ low: Double, _ high: Double, _ count: Int, _ extends: Bool) -> (ClosedRange<Double>, [Double]) {
        var (low, high) = (low, high)
        // One value has room on both sides, and so have values that differ by less than their digits tell.
        let least = max(low.magnitude, high.magnitude) * 1e-9
        if high - low <= least {
            let room = low == 0 && high == 0 ? 1 : max(low.magnitude, high.magnitude) * 0.1
            (low, high) = (low - room, high + room)
        }
        let rough = (high - low) / Double(max(count, 1))
        let power = pow(10, floor(log10(rough)))
        // A step below the smallest normal numbers cannot be divided.
        guard power > 1e-300 else { return (low...high, [low, high]) }
        let step = power * ([1, 2, 2.5, 5].first { $0 * power >= rough * 0.999 } ?? 10)
        let first = extends ? floor(low / step + 1e-6) : ceil(low / step - 1e-6)
        let last = extends ? ceil(high / step - 1e-6) : floor(high / step + 1e-6)
        guard last >= first, last - first <= 1000 else { return (low...high, [low, high]) }
        let ticks = (0...Int(last - first)).map { (first + Double($0)) * step }
        return (extends ? min(first * step, low)...max(last * step, high) : low...high, ticks)
    }

    private static func logarithmic(_ low: Double, _ high: Double, _ count: Int, _ extends: Bool) -> (ClosedRange<Double>, [Double]) {
        var (low, high) = (low, high)
        if low == high { (low, high) = (low / 2, high * 2) }
        let (first, last) = (Int(floor(log10(low) + 1e-9)), Int(ceil(log10(high) - 1e-9)))
        // Powers of ten; within two decades also twice and five times each.
        let stride = max((last - first + count - 1) / max(count, 1), 1)
        let factors: [Double] = last - first <= 2 ? [1, 2, 5] : [1]
        let marks = Swift.stride(from: first, through: last, by: stride).flatMap { exponent in factors.map { $0 * pow(10, Double(exponent)) } }
        if extends {
            let start = marks.last { $0 <= low * (1 + 1e-9) } ?? low
            let end = marks.first { $0 >= high * (1 - 1e-9) } ?? high
            (low, high) = (min(start, low), max(end, high))
        }
        let inside = marks.filter { $0 >= low * (1 - 1e-9) && $0 <= high * (1 + 1e-9) }
        return (low...high, inside.isEmpty ? [low, high] : inside)
    }

    /// A value with the digits that tell it from the next tick: `0.25`, `1500`, `2e-05`.
    func label(_ value: Double) -> String {
        let gap = kind == .linear && ticks.count > 1 ? (ticks[1] - ticks[0]).magnitude : value.magnitude
        return AxisScale.text(value, step: gap)
    }

    /// A number with as many digits as a step of this size needs.
    static func text(_ value: Double, step: Double) -> String {
        guard value.isFinite else { return "\(value)" }
        let size = max(value.magnitude, step.magnitude)
        guard size > 0 else { return "0" }
        if size >= 1e6 || size < 1e-3 { return scientific(value, step: step) }
        // As many decimals as the step's leading digits have: 0.25 needs two.
        let decimals = min(max(Int(-floor(log10(max(step.magnitude, 1e-9)) + 1e-9)), 0) + 1, 9)
        return trimmed(value, decimals: decimals)
    }

    private static func scientific(_ value: Double, step: Double) -> String {
        guard value != 0 else { return "0" }
        let exponent = Int(floor(log10(value.magnitude) + 1e-12))
        let precision = step > 0 ? min(max(exponent - Int(floor(log10(step) + 1e-9)), 0) + 1, 6) : 2
        return "\(trimmed(value / pow(10, Double(exponent)), decimals: precision))e\(exponent)"
    }

    /// A number below 10⁹ with at most so many decimals, without zeros at the end.
    static func trimmed(_ value: Double, decimals: Int) -> String {
        guard value.magnitude < 1e9 else { return "\(value)" }
        let scale = pow(10, Double(min(max(decimals, 0), 9)))
        let scaled = UInt64((value.magnitude * scale).rounded())
        let (whole, rest) = scaled.quotientAndRemainder(dividingBy: UInt64(scale))
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard rest > 0 else { return "\(sign)\(whole)" }
        var digits = "\(rest)"
        digits = String(repeating: "0", count: max(decimals - digits.count, 0)) + digits
        while digits.last == "0" { digits.removeLast() }
        return "\(sign)\(whole).\(digits)"
    }
}

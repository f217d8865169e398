import ArgumentParser

/// Checks that the value of an option is in its range.
/// - Throws: `ValidationError` with the range and the value. ArgumentParser prints it and exits with code 64.
func require<Number: Comparable>(_ option: String, _ value: Number?, in range: ClosedRange<Number>) throws {
    // NaN is in no range.
    guard let value, !range.contains(value) else { return }
    throw ValidationError("\(option) must be between \(range.lowerBound) and \(range.upperBound), found \(value)")
}

/// Checks that the value of an option is above 0.
/// - Throws: `ValidationError`, also for NaN.
func requirePositive(_ option: String, _ value: Double?, atMost limit: Double) throws {
    guard let value, !(value > 0 && value <= limit) else { return }
    throw ValidationError("\(option) must be above 0 and at most \(limit), found \(value)")
}

/// The ranges of options that several commands share.
enum OptionRange {
    static let port = 0...65535
    static let task = 0...Int(Int32.max)
    static let cpus = 1...1024
    static let simulatedGPUs = 0...1024
    static let steps = 1...1_000_000_000
    static let seconds = 0.001...3600
    static let wait = 0.1...1_000_000
}

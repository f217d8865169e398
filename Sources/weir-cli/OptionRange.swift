import ArgumentParser

/// Sees to it that an option's number is one that the command can work with.
/// - Throws: what was expected and what was found, as ArgumentParser reports it, with exit code 64.
func require<Number: Comparable>(_ option: String, _ value: Number?, in range: ClosedRange<Number>) throws {
    // What is not a number is in no range.
    guard let value, !range.contains(value) else { return }
    throw ValidationError("\(option) must be between \(range.lowerBound) and \(range.upperBound), found \(value)")
}

/// What options of several commands may be.
enum OptionRange {
    static let port = 0...65535
    static let task = 0...Int(Int32.max)
    static let cpus = 1...1024
    static let simulatedGPUs = 0...1024
    static let steps = 1...1_000_000_000
    static let seconds = 0.001...3600
}

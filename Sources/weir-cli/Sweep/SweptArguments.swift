import ArgumentParser
import Weir

/// What the options of a trial of a sweep mean: those of `weir train`, by the same names.
struct SweptArguments: ParsableArguments {
    @OptionGroup var training: TrainingArguments
    @OptionGroup var devices: DeviceOptions
}

extension SweptArguments {
    /// The options that exist, without dashes in front: each is at the beginning of a line of the help.
    private static let known: [String] = {
        let words = helpMessage(columns: 10_000).split(separator: "\n").compactMap { $0.split(separator: " ").first }
        return words.filter { $0.hasPrefix("--") }.map { String($0.dropFirst(2)) }
    }()

    /// Parses the options of a trial as the command line's: `{"learning-rate": 0.1}` is `--learning-rate=0.1`. An underscore stands
    /// for a dash. A flag is true or false. Options of strategies that the trial's strategy does not take are left out: they are for
    /// trials with another strategy.
    /// - Throws: `invalidArgument` with the option that is wrong, and with those that exist when it does not.
    init(_ configuration: [String: ParameterValue]) throws(Status) {
        var arguments: [String] = []
        var seen: Set<String> = []
        let taken = try StrategyCatalog.taken(of: configuration, usual: StrategyOptions.usual)
        for (key, value) in taken.sorted(by: { $0.key < $1.key }) {
            let name = SweptArguments.name(key)
            try SweptArguments.check(key)
            guard seen.insert(name).inserted else { throw .invalidArgument("option '\(key)': expected it once, found it with '_' and with '-'") }
            switch value {
            case .boolean(true): arguments.append("--\(name)")
            case .boolean(false): break
            case .integer, .number, .text: arguments.append("--\(name)=\(value)")
            }
        }
        do { self = try SweptArguments.parse(arguments) } catch {
            throw .invalidArgument((error as? Status)?.message ?? SweptArguments.message(for: error))
        }
    }

    private static func name(_ key: String) -> String { String(key.map { $0 == "_" ? "-" : $0 }) }

    /// Checks that an option exists.
    static func check(_ key: String) throws(Status) {
        guard !known.contains(name(key)) else { return }
        let near = name(key).nearest(among: known)
        let hint = near.isEmpty ? "" : "; near: \(near.joined(separator: ", "))"
        throw .invalidArgument("option '\(key)' does not exist\(hint). The options are \(known.joined(separator: ", "))")
    }

    /// Checks that all options of a sweep exist, and that a strategy that it tries takes them, before anything starts.
    static func check(_ specification: SweepSpecification) throws(Status) {
        for key in specification.base.keys.sorted() + specification.parameters.map(\.name) { try check(key) }
        try StrategyCatalog.check(specification, usual: StrategyOptions.usual)
    }
}

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
    /// for a dash. A flag is true or false. `{"optimizer.beta1": 0.8}` is the parameter of the optimizer: `--optimizer=adam:beta1=0.8`.
    /// Options of strategies that the trial's strategy does not take are left out: they are for trials with another strategy.
    /// - Throws: `invalidArgument` with the option that is wrong, and with those that exist when it does not.
    init(_ configuration: [String: ParameterValue]) throws(Status) {
        var arguments: [String] = []
        var seen: Set<String> = []
        let taken = try StrategyCatalog.taken(of: configuration, usual: StrategyOptions.usual)
        for (key, value) in try SweptArguments.joined(taken).sorted(by: { $0.key < $1.key }) {
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
            throw .invalidArgument(SweptArguments.message(for: error))
        }
    }

    /// Options whose value is a name with parameters: `adam:beta1=0.8`.
    private static let parametrized = ["optimizer", "learning-rate-schedule"]

    /// The option and the parameter of a key such as `optimizer.beta1`; nil for a key without a parameter.
    private static func parameter(_ key: String) -> (option: String, parameter: String)? {
        let parts = key.split(separator: ".", maxSplits: 1).map(String.init)
        return parts.count == 2 ? (name(parts[0]), parts[1]) : nil
    }

    /// The configuration with the parameters of an option in the option's value.
    private static func joined(_ configuration: [String: ParameterValue]) throws(Status) -> [String: ParameterValue] {
        var result: [String: ParameterValue] = [:]
        var settings: [String: [String]] = [:]
        for (key, value) in configuration.sorted(by: { $0.key < $1.key }) {
            try check(key)
            if let (option, parameter) = parameter(key) { settings[option, default: []].append("\(parameter)=\(value)") } else { result[key] = value }
        }
        for (option, settings) in settings {
            let key = result.keys.sorted().first { name($0) == option } ?? option
            let text = result[key].map { "\($0)" } ?? ""
            result[key] = .text(text + (text.contains(":" as Character) ? "," : ":") + settings.joined(separator: ","))
        }
        return result
    }

    private static func name(_ key: String) -> String { String(key.map { $0 == "_" ? "-" : $0 }) }

    /// Checks that an option exists.
    static func check(_ key: String) throws(Status) {
        if let (option, _) = parameter(key) {
            guard parametrized.contains(option) else {
                throw .invalidArgument("option '\(key)': only \(parametrized.joined(separator: " and ")) have parameters, found '\(option)'")
            }
            return
        }
        guard !known.contains(name(key)) else { return }
        let near = name(key).nearest(among: known)
        let hint = near.isEmpty ? "" : "; near: \(near.joined(separator: ", "))"
        throw .invalidArgument("option '\(key)' does not exist\(hint). The options are \(known.joined(separator: ", "))")
    }

    /// Checks that all options of a sweep exist, that a strategy that it tries takes them, and that trainings can be made of their values,
    /// before anything starts.
    /// - Parameter isHere: whether trials train in this process, not on servers.
    /// - Returns: what to tell the user of trials.
    /// - Throws: `invalidArgument` with the key of what is wrong; the error of rows that cannot be read.
    static func check(_ specification: SweepSpecification, isHere: Bool) throws(Status) -> [String] {
        for key in specification.base.keys.sorted() + specification.parameters.map(\.name) { try check(key) }
        try StrategyCatalog.check(specification, usual: StrategyOptions.usual)
        var read: [[String?]: TrainingRows] = [:]
        var notices: [String] = []
        // It is not an error of the values that are checked.
        var unknownMetric: Status?
        try specification.checkValues { configuration throws(Status) in
            do {
                let arguments = try SweptArguments(configuration)
                let training = arguments.training
                // Many trials have the same rows.
                let key = training.data.source(training.model.defaults)
                let rows = try read[key] ?? training.data.rows(training.model.defaults)
                read[key] = rows
                let options = try training.options(devices: arguments.devices, isHere: isHere, rows: rows)
                do throws(Status) { try specification.checkMetric(of: options.model) } catch { unknownMetric = unknownMetric ?? error }
                // Each trial has one server, which is known only when it trains.
                let cluster = isHere ? ClusterSpec() : try ClusterSpec(["worker": [0: "127.0.0.1:1"]])
                _ = try Trainer(options, cluster: cluster).checkedPlan()
                let notice = training.optimizer.notice(of: options.batchSize, training.model.defaults)
                if let notice, !notices.contains(notice) { notices.append(notice) }
            } catch {
                throw Status(describing: error)
            }
        }
        if let unknownMetric { throw unknownMetric }
        return notices
    }
}

import WeirTensor

/// Something that a text names, with parameters: `adam`, `momentum:momentum=0.8,nesterov=true`.
struct NamedValue<Argument, Value>: Sendable {
    /// The name in texts.
    let name: String
    /// The names of the parameters.
    let parameters: [String]
    private let make: @Sendable (Argument, [NamedSetting]) throws(Status) -> Value

    /// Describes something.
    /// - Parameters:
    ///   - parameters: what a text can set.
    ///   - make: makes it with default values.
    ///   - value: makes the result from what the text has set.
    init<Root>(
        _ name: String, _ parameters: [NamedParameter<Root>], make: @escaping @Sendable (Argument) -> Root,
        value: @escaping @Sendable (Root) -> Value
    ) {
        self.name = name
        self.parameters = parameters.map(\.name)
        self.make = { (argument: Argument, settings: [NamedSetting]) throws(Status) -> Value in
            var root = make(argument)
            var seen: Set<String> = []
            for setting in settings {
                guard let parameter = parameters.first(where: { $0.name == setting.name }) else {
                    let known = parameters.isEmpty ? "it has none" : "its parameters are \(parameters.map(\.name).joined(separator: ", "))"
                    throw .invalidArgument("'\(name)' has no parameter '\(setting.name)'; \(known)")
                }
                guard seen.insert(parameter.name).inserted else { throw .invalidArgument("'\(name)': parameter '\(setting.name)' is given twice") }
                guard parameter.set(&root, setting.value) else {
                    throw .invalidArgument("'\(name)': '\(setting.name)' must be \(parameter.form), found '\(setting.value)'")
                }
            }
            return value(root)
        }
    }

    /// Makes what is described.
    /// - Throws: `invalidArgument` for a parameter that does not exist, or a value that is none.
    func callAsFunction(_ argument: Argument, _ settings: [NamedSetting]) throws(Status) -> Value { try make(argument, settings) }
}

/// A parameter and its value in a text.
struct NamedSetting {
    let name: Substring
    let value: Substring
}

/// A name and its parameters: `NAME:PARAMETER=VALUE,PARAMETER=VALUE`.
struct NamedText {
    let name: Substring
    let settings: [NamedSetting]

    /// Reads a text.
    /// - Throws: `invalidArgument` when it has another form.
    init(_ text: String) throws(Status) {
        let halves = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        name = halves.first ?? ""
        var settings: [NamedSetting] = []
        if halves.count > 1 {
            for pair in halves[1].split(separator: ",", omittingEmptySubsequences: false) {
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                    throw .invalidArgument("'\(text)' must be NAME:PARAMETER=VALUE,… such as momentum:momentum=0.8,nesterov=true; found '\(pair)'")
                }
                settings.append(NamedSetting(name: parts[0], value: parts[1]))
            }
        }
        self.settings = settings
    }

    /// Finds what the text names.
    /// - Throws: `invalidArgument` with the names that exist when there is no such thing.
    func find<Argument, Value>(_ what: String, among known: [NamedValue<Argument, Value>]) throws(Status) -> NamedValue<Argument, Value> {
        guard let found = known.first(where: { $0.name == name }) else {
            throw .invalidArgument("\(what) must be one of \(known.map(\.name).joined(separator: ", ")); found '\(name)'")
        }
        return found
    }
}

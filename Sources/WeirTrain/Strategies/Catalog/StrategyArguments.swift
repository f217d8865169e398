import WeirTensor

/// The options that were given for strategies.
package struct StrategyArguments: Sendable {
    private var values: [StrategyParameter: ParameterValue] = [:]

    /// No options.
    package init() {}

    /// The value of a parameter; nil if it is not given.
    package subscript(parameter: StrategyParameter) -> ParameterValue? {
        get { values[parameter] }
        set { values[parameter] = newValue }
    }

    /// The parameters that are given, in the order of their declarations.
    package var given: [StrategyParameter] { StrategyParameter.allCases.filter { values[$0] != nil } }

    /// These parameters alone.
    func only(_ parameters: Set<StrategyParameter>) -> StrategyArguments {
        var result = self
        result.values = values.filter { parameters.contains($0.key) }
        return result
    }

    /// An integer; nil if it is not given.
    /// - Throws: `invalidArgument` when the value is something else.
    func integer(_ parameter: StrategyParameter) throws(Status) -> Int? {
        guard let value = values[parameter] else { return nil }
        guard case .integer(let number) = value else { throw StrategyArguments.failure(parameter, value, "an integer") }
        return number
    }
    /// A text; nil if it is not given.
    /// - Throws: `invalidArgument` when the value is something else.
    func text(_ parameter: StrategyParameter) throws(Status) -> String? {
        guard let value = values[parameter] else { return nil }
        guard case .text(let text) = value else { throw StrategyArguments.failure(parameter, value, "a text") }
        return text
    }
    /// Whether a flag is set.
    /// - Throws: `invalidArgument` when the value is neither true nor false.
    func flag(_ parameter: StrategyParameter) throws(Status) -> Bool {
        guard let value = values[parameter] else { return false }
        guard case .boolean(let flag) = value else { throw StrategyArguments.failure(parameter, value, "true or false") }
        return flag
    }
    /// One of several values by name; nil if none is given.
    /// - Throws: `invalidArgument` with the names when the value is no such name.
    func choice<Value>(_ parameter: StrategyParameter, _ values: KeyValuePairs<String, Value>) throws(Status) -> Value? {
        guard let name = try text(parameter) else { return nil }
        guard let found = values.first(where: { $0.key == name }) else {
            throw .invalidArgument("\(parameter.option) must be \(values.map(\.key).joined(separator: " or ")), found '\(name)'")
        }
        return found.value
    }

    private static func failure(_ parameter: StrategyParameter, _ value: ParameterValue, _ expected: String) -> Status {
        .invalidArgument("\(parameter.option) must be \(expected), found '\(value)'")
    }
}

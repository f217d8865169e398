import WeirTensor
package import WeirWire

/// The value of an option or of a hyper-parameter.
public enum ParameterValue: Hashable, Sendable {
    /// An integer.
    case integer(Int)
    /// A finite number that need not be an integer.
    case number(Double)
    /// A text, such as the name of an optimizer.
    case text(String)
    /// True or false.
    case boolean(Bool)

    /// The number; nil for a text or a boolean.
    public var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        case .text, .boolean: nil
        }
    }

    /// The value in JSON; nil when it is null, a list or an object.
    package init?(_ value: JSONValue) {
        switch value {
        case .integer(let value): self = .integer(value)
        case .number(let value): self = .number(value)
        case .text(let value): self = .text(value)
        case .boolean(let value): self = .boolean(value)
        case .null, .array, .object: return nil
        }
    }

    /// The value as JSON.
    package var json: JSONValue {
        switch self {
        case .integer(let value): .integer(value)
        case .number(let value): JSONValue(value)
        case .text(let value): .text(value)
        case .boolean(let value): .boolean(value)
        }
    }
}

extension ParameterValue: CustomStringConvertible {
    /// The value as on a command line: a text without quotes, a number with the fewest digits that give the same number again.
    public var description: String {
        switch self {
        case .integer(let value): String(value)
        case .number(let value): "\(value)"
        case .text(let value): value
        case .boolean(let value): String(value)
        }
    }
}

extension JSONObjectReader {
    /// The members as options by name.
    /// - Throws: `invalidArgument` for a value that is null, a list or an object.
    func options() throws(Status) -> [String: ParameterValue] {
        var options: [String: ParameterValue] = [:]
        for member in members {
            guard let value = ParameterValue(member.value) else { throw failure(member.key, expected: "a number, a text, true or false") }
            options[member.key] = value
        }
        return options
    }
}

extension JSONValue {
    /// An object of options, by ascending names.
    init(_ options: [String: ParameterValue]) {
        self = .object(options.sorted { $0.key < $1.key }.map { Member($0.key, $0.value.json) })
    }
}

package import WeirTensor

/// Reads the members of a JSON object. Errors name the path of the member, such as `search.eta`, what was expected and what was
/// found.
package struct JSONObjectReader {
    /// The path of this object; empty for the whole document.
    package let path: String
    package let members: [JSONValue.Member]

    /// - Throws: `invalidArgument` when the value is not an object.
    package init(_ value: JSONValue, at path: String = "") throws(Status) {
        guard case .object(let members) = value else {
            throw .invalidArgument("\(path.isEmpty ? "" : "\(path): ")expected an object, found \(value.summary)")
        }
        self.path = path
        self.members = members
    }

    package subscript(key: String) -> JSONValue? { members.first { $0.key == key }?.value }

    /// The path of a member.
    package func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// The error that a member is not as expected.
    package func failure(_ key: String, expected: String) -> Status {
        .invalidArgument("\(path(of: key)): expected \(expected), found \(self[key]?.summary ?? "nothing")")
    }

    /// Checks that there are no members of other names.
    package func allowOnly(_ keys: [String]) throws(Status) {
        guard let other = members.first(where: { !keys.contains($0.key) }) else { return }
        throw .invalidArgument(
            "\(path(of: other.key)): unknown key '\(other.key)'; expected one of \(keys.joined(separator: ", "))")
    }

    package func required(_ key: String, expected: String) throws(Status) -> JSONValue {
        guard let value = self[key] else { throw failure(key, expected: expected) }
        return value
    }

    /// An integer within a range; nil when there is no such member.
    package func integer(_ key: String, in range: ClosedRange<Int> = .min ... .max) throws(Status) -> Int? {
        guard let value = self[key] else { return nil }
        guard case .integer(let number) = value, range.contains(number) else { throw failure(key, expected: JSONObjectReader.integers(range)) }
        return number
    }

    package func requiredInteger(_ key: String, in range: ClosedRange<Int> = .min ... .max) throws(Status) -> Int {
        guard let number = try integer(key, in: range) else { throw failure(key, expected: JSONObjectReader.integers(range)) }
        return number
    }

    /// A text; nil when there is no such member.
    package func text(_ key: String) throws(Status) -> String? {
        guard let value = self[key] else { return nil }
        guard case .text(let text) = value else { throw failure(key, expected: "a text") }
        return text
    }

    package func requiredText(_ key: String) throws(Status) -> String {
        guard let text = try text(key) else { throw failure(key, expected: "a text") }
        return text
    }

    /// The case of an enum with such a raw value; nil when there is no such member.
    package func choice<Choice>(_ key: String, of: Choice.Type) throws(Status) -> Choice?
    where Choice: RawRepresentable<String> & CaseIterable {
        guard let value = self[key] else { return nil }
        guard case .text(let text) = value, let choice = Choice(rawValue: text) else {
            throw failure(key, expected: "one of \(Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", "))")
        }
        return choice
    }

    package func boolean(_ key: String) throws(Status) -> Bool? {
        guard let value = self[key] else { return nil }
        guard case .boolean(let flag) = value else { throw failure(key, expected: "true or false") }
        return flag
    }

    private static func integers(_ range: ClosedRange<Int>) -> String {
        switch (range.lowerBound, range.upperBound) {
        case (.min, .max): "an integer"
        case (let low, .max): "an integer of at least \(low)"
        case (let low, let high): "an integer between \(low) and \(high)"
        }
    }
}

extension JSONValue {
    /// The value for an error message: its kind, and as much of it as fits.
    package var summary: String {
        switch self {
        case .null: "null"
        case .boolean, .integer, .number: description
        case .text(let text): text.count <= 60 ? description : "\(JSONValue.text(String(text.prefix(60))).description)…"
        case .array(let elements): elements.isEmpty ? "an empty list" : "a list"
        case .object: "an object"
        }
    }
}

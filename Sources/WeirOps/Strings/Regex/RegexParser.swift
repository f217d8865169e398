import WeirKernels
import WeirTensor

/// A parser of RE2's syntax of regular expressions. Error messages are those of RE2.
///
/// Not supported: Unicode scripts (`\p{Greek}`; categories such as `\pL` are supported) and single bytes (`\C`).
struct RegexParser {
    private static let maximumNesting = 250
    private static let maximumRepetition = 1000

    let pattern: [Unicode.Scalar]
    var position = 0
    var flags = Flags()
    private var depth = 0
    private(set) var groupCount = 0
    /// The distinct sets of characters found so far.
    private(set) var sets: [ScalarSet] = []
    private var numbers: [ScalarSet: Int] = [:]

    struct Flags {
        var foldsCase = false
        var dotMatchesNewline = false
        var isMultiline = false
        var isLazy = false
    }

    init(_ pattern: String) { self.pattern = Array(pattern.unicodeScalars) }

    mutating func parse() throws(Status) -> RegexSyntax {
        let syntax = try alternatives()
        guard position == pattern.count else { throw problem("unexpected )", text(0..<pattern.count)) }
        return syntax
    }

    var next: Unicode.Scalar? { position < pattern.count ? pattern[position] : nil }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        position += 1
        return true
    }
    mutating func take(_ text: String) -> Bool {
        let scalars = Array(text.unicodeScalars)
        guard pattern[position...].starts(with: scalars) else { return false }
        position += scalars.count
        return true
    }
    func text(_ range: Range<Int>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: pattern[range])
        return String(view)
    }
    func problem(_ what: String, _ found: String) -> Status { .invalidArgument("\(what): \(found)") }

    private mutating func alternatives() throws(Status) -> RegexSyntax {
        depth += 1
        guard depth <= Self.maximumNesting else { throw problem("expression nests too deeply", "\(depth)") }
        defer { depth -= 1 }
        let outer = flags
        var choices = [try sequence()]
        while take("|" as Unicode.Scalar) { choices.append(try sequence()) }
        // Flags that are set inside a group end with it.
        flags = outer
        return choices.count == 1 ? choices[0] : .alternatives(choices)
    }

    private mutating func sequence() throws(Status) -> RegexSyntax {
        var parts: [RegexSyntax] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            guard let part = try atom() else { continue }
            parts.append(try repeated(part))
        }
        return parts.count == 1 ? parts[0] : parts.isEmpty ? .empty : .sequence(parts)
    }

    /// Parses one character, set, assertion or group. Returns nil for a group that only sets flags.
    private mutating func atom() throws(Status) -> RegexSyntax? {
        let start = position
        let scalar = pattern[position]
        position += 1
        switch scalar {
        case "(": return try group(start)
        case "[": return set(try bracket(start))
        case ".": return set(flags.dotMatchesNewline ? .any : .anyButNewline)
        case "^": return .assertion(flags.isMultiline ? .lineStart : .textStart)
        case "$": return .assertion(flags.isMultiline ? .lineEnd : .textEnd)
        case "*", "+", "?": throw problem("no argument for repetition operator", String(scalar))
        case "\\": return try escape(start)
        default: return literal(scalar.value)
        }
    }

    mutating func literal(_ scalar: UInt32) -> RegexSyntax {
        var only = ScalarSet(scalar)
        only.foldsCase = flags.foldsCase
        return set(only)
    }

    mutating func set(_ set: ScalarSet) -> RegexSyntax {
        if let number = numbers[set] { return .set(number) }
        numbers[set] = sets.count
        sets.append(set)
        return .set(sets.count - 1)
    }

    private mutating func repeated(_ part: RegexSyntax) throws(Status) -> RegexSyntax {
        let start = position
        guard let (minimum, maximum) = try bounds() else { return part }
        let isGreedy = take("?" as Unicode.Scalar) == flags.isLazy
        let end = position
        if try bounds() != nil {
            throw problem("bad repetition operator", text(start..<max(end, position)))
        }
        return .repetition(part, minimum: minimum, maximum: maximum, isGreedy: isGreedy)
    }

    private mutating func bounds() throws(Status) -> (Int, Int?)? {
        switch next {
        case "*": position += 1; return (0, nil)
        case "+": position += 1; return (1, nil)
        case "?": position += 1; return (0, 1)
        case "{":
            let start = position
            position += 1
            let minimum = number()
            var maximum = minimum
            if minimum != nil, take("," as Unicode.Scalar) { maximum = number() }
            // A `{` that does not begin a valid repetition is a literal.
            guard let minimum, take("}" as Unicode.Scalar) else {
                position = start
                return nil
            }
            guard max(minimum, maximum ?? 0) <= Self.maximumRepetition, maximum ?? minimum >= minimum else {
                throw problem("invalid repetition size", text(start..<position))
            }
            return (minimum, maximum)
        default: return nil
        }
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let digit = next, ("0"..."9").contains(digit) {
            // The value saturates, so that it cannot overflow.
            value = min(Self.maximumRepetition + 1, (value ?? 0) * 10 + Int(digit.value - 0x30))
            position += 1
        }
        return value
    }

    private mutating func group(_ start: Int) throws(Status) -> RegexSyntax? {
        var number: Int?
        let outer = flags
        if take("?" as Unicode.Scalar) {
            if take("P<") {
                try groupName(start)
                groupCount += 1
                number = groupCount
            } else if try setFlags(start) {
                return nil
            }
        } else {
            groupCount += 1
            number = groupCount
        }
        let inside = try alternatives()
        guard take(")" as Unicode.Scalar) else { throw problem("missing )", text(0..<pattern.count)) }
        flags = outer
        return .group(inside, number)
    }

    /// Parses the name of a group and its `>`. Names may repeat: the groups are only referred to by their numbers. The form
    /// `(?<name>` is an error, as in TensorFlow's version of RE2.
    private mutating func groupName(_ start: Int) throws(Status) {
        guard let end = pattern[position...].firstIndex(of: ">") else {
            throw problem("invalid named capture group", text(start..<pattern.count))
        }
        let name = pattern[position..<end]
        position = end + 1
        guard !name.isEmpty, name.allSatisfy({ ScalarSet.nameCategories.contains($0.properties.generalCategory) }) else {
            throw problem("invalid named capture group", text(start..<position))
        }
    }

    /// Parses flags such as `i-s:` or `i-s)`.
    /// - Returns: whether the group ends here, so that the flags apply to what follows.
    private mutating func setFlags(_ start: Int) throws(Status) -> Bool {
        var value = true
        while let scalar = next {
            position += 1
            switch scalar {
            case "i": flags.foldsCase = value
            case "s": flags.dotMatchesNewline = value
            case "m": flags.isMultiline = value
            case "U": flags.isLazy = value
            case "-" where value: value = false
            case ":": return false
            case ")": return true
            default: throw problem("invalid perl operator", text(start..<position))
            }
        }
        throw problem("missing )", text(0..<pattern.count))
    }
}

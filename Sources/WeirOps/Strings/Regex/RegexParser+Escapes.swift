import WeirKernels
import WeirTensor

// The syntax of single characters and sets: escapes and bracket expressions.

extension RegexParser {
    /// Parses what follows a backslash.
    mutating func escape(_ start: Int) throws(Status) -> RegexSyntax? {
        guard let scalar = next else { throw .invalidArgument("trailing \\") }
        switch scalar {
        case "A": position += 1; return .assertion(.textStart)
        case "z": position += 1; return .assertion(.textEnd)
        case "b": position += 1; return .assertion(.wordBoundary)
        case "B": position += 1; return .assertion(.noWordBoundary)
        case "Q":
            position += 1
            var parts: [RegexSyntax] = []
            while position < pattern.count, !take("\\E") {
                parts.append(literal(pattern[position].value))
                position += 1
            }
            return .group(.sequence(parts), nil)
        default:
            if let named = try classEscape(start) { return set(named) }
            return literal(try scalarEscape(start))
        }
    }

    /// Parses a class such as `d`, `D`, `w` or `pL` after the backslash. Returns nil if there is none.
    private mutating func classEscape(_ start: Int) throws(Status) -> ScalarSet? {
        var set: ScalarSet
        switch next {
        case "p", "P": return try category(start)
        case "d", "D": set = .digits
        case "w", "W": set = .word
        case "s", "S": set = .space
        default: return nil
        }
        set.isNegated = ("A"..."Z").contains(pattern[position])
        position += 1
        return set
    }

    /// Parses a Unicode category: `pL`, `p{Lu}`, `P{^N}`.
    private mutating func category(_ start: Int) throws(Status) -> ScalarSet {
        var isNegated = pattern[position] == "P"
        position += 1
        var name = ""
        if take("{" as Unicode.Scalar) {
            if take("^" as Unicode.Scalar) { isNegated.toggle() }
            let end = pattern[position...].firstIndex(of: "}") ?? pattern.count
            name = text(position..<end)
            position = min(end + 1, pattern.count)
        } else if let letter = next {
            name = String(letter)
            position += 1
        }
        guard let categories = ScalarSet.categories(name) else {
            throw problem("invalid character class range", text(start..<position))
        }
        var set = ScalarSet()
        set.categories = [.init(members: categories, isNegated: isNegated)]
        return set
    }

    /// Parses an escape that stands for one character.
    private mutating func scalarEscape(_ start: Int) throws(Status) -> UInt32 {
        guard let scalar = next else { throw .invalidArgument("trailing \\") }
        position += 1
        switch scalar {
        case "n": return 10
        case "t": return 9
        case "r": return 13
        case "f": return 12
        case "v": return 11
        case "a": return 7
        case "x": return try hexadecimal(start)
        case "0"..."7":
            // A single octal digit except 0 would be a back reference, which RE2 does not support.
            guard scalar == "0" || next.map({ ("0"..."7").contains($0) }) ?? false else { break }
            var value = scalar.value - 0x30
            for _ in 0..<2 {
                guard let digit = next, ("0"..."7").contains(digit) else { break }
                value = value * 8 + digit.value - 0x30
                position += 1
            }
            return value
        default:
            let isWord = ScalarSet.word.contains(scalar.value)
            if scalar.isASCII, !isWord || scalar == "_" { return scalar.value }
        }
        throw problem("invalid escape sequence", text(start..<position))
    }

    private mutating func hexadecimal(_ start: Int) throws(Status) -> UInt32 {
        let isBraced = take("{" as Unicode.Scalar)
        var value: UInt32 = 0
        var count = 0
        while count < (isBraced ? 6 : 2), let digit = next.flatMap({ Character($0).hexDigitValue }) {
            value = value * 16 + UInt32(digit)
            count += 1
            position += 1
        }
        guard count == 2 || isBraced && count > 0, !isBraced || take("}" as Unicode.Scalar), value <= 0x10_ffff else {
            throw problem("invalid escape sequence", text(start..<position))
        }
        return value
    }

    /// Parses a bracket expression after its `[`.
    mutating func bracket(_ start: Int) throws(Status) -> ScalarSet {
        var set = ScalarSet()
        set.foldsCase = flags.foldsCase
        set.isNegated = take("^" as Unicode.Scalar)
        var isFirst = true
        while isFirst || next != "]" {
            guard next != nil else { throw problem("missing ]", text(start..<pattern.count)) }
            isFirst = false
            if take("[:") {
                let nameStart = position
                let isNegated = take("^" as Unicode.Scalar)
                let end = pattern[position...].firstIndex { $0 == ":" || $0 == "]" } ?? pattern.count
                let name = text(position..<end)
                position = end
                guard take(":]"), let named = ScalarSet.named(name) else {
                    throw problem("invalid character class range", "[:\(text(nameStart..<position))")
                }
                set.ranges += isNegated ? named.complement : named.ranges
                continue
            }
            if next == "\\" {
                position += 1
                if let named = try classEscape(position - 1) {
                    set.ranges += named.isNegated ? named.complement : named.ranges
                    set.categories += named.categories
                    continue
                }
                position -= 1
            }
            let rangeStart = position
            let low = try member(start)
            var high = low
            if next == "-", position + 1 < pattern.count, pattern[position + 1] != "]" {
                position += 1
                high = try member(start)
            }
            guard low <= high else {
                throw problem("invalid character class range", text(rangeStart..<position))
            }
            set.ranges.append(low...high)
        }
        position += 1
        return set
    }

    private mutating func member(_ start: Int) throws(Status) -> UInt32 {
        guard let scalar = next else { throw problem("missing ]", text(start..<pattern.count)) }
        let place = position
        position += 1
        return scalar == "\\" ? try scalarEscape(place) : scalar.value
    }
}

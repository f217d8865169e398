/// The syntax tree of a regular expression.
indirect enum RegexSyntax {
    case empty
    /// One character of the set with this number; see `RegexParser.sets`.
    case set(Int)
    case assertion(Assertion)
    /// A group, which is captured if it has a number.
    case group(RegexSyntax, Int?)
    case sequence([RegexSyntax])
    case alternatives([RegexSyntax])
    case repetition(RegexSyntax, minimum: Int, maximum: Int?, isGreedy: Bool)

    enum Assertion {
        case textStart, textEnd, lineStart, lineEnd, wordBoundary, noWordBoundary

        /// Returns whether the assertion holds between two characters.
        func holds(_ left: CharacterKind, _ right: CharacterKind) -> Bool {
            switch self {
            case .textStart: left == .edge
            case .textEnd: right == .edge
            case .lineStart: left == .edge || left == .newline
            case .lineEnd: right == .edge || right == .newline
            case .wordBoundary: (left == .word) != (right == .word)
            case .noWordBoundary: (left == .word) == (right == .word)
            }
        }
    }

    /// The kinds of characters that assertions distinguish. `edge` is an edge of the text.
    enum CharacterKind {
        case edge, newline, word, other

        init(_ scalar: UInt32) {
            self = scalar == 10 ? .newline : ScalarSet.word.contains(scalar) ? .word : .other
        }
    }
}

/// A set of characters: those in the ranges and categories, or all others if `isNegated` is true.
struct ScalarSet: Hashable {
    var ranges: [ClosedRange<UInt32>]
    /// The Unicode categories in the set.
    var categories: [Category] = []
    var isNegated = false
    /// Whether a letter also matches its other case.
    var foldsCase = false

    struct Category: Hashable {
        var members: Set<Unicode.GeneralCategory>
        var isNegated: Bool
    }

    init(_ ranges: ClosedRange<UInt32>...) { self.ranges = ranges }
    init(_ scalar: UInt32) { ranges = [scalar...scalar] }

    func contains(_ scalar: UInt32) -> Bool {
        var found = holds(scalar)
        if !found, foldsCase, let properties = Unicode.Scalar(scalar)?.properties {
            found =
                Self.only(properties.lowercaseMapping).map(holds) ?? false
                || Self.only(properties.uppercaseMapping).map(holds) ?? false
        }
        return found != isNegated
    }

    /// The ASCII characters in the set, one bit for each.
    var ascii: (low: UInt64, high: UInt64) {
        var (low, high): (UInt64, UInt64) = (0, 0)
        func insert(_ scalar: UInt32) {
            if scalar < 64 { low |= 1 << UInt64(scalar) } else { high |= 1 << UInt64(scalar & 63) }
        }
        guard categories.isEmpty else {
            for scalar: UInt32 in 0..<128 where contains(scalar) { insert(scalar) }
            return (low, high)
        }
        for range in ranges where range.lowerBound < 128 {
            for scalar in range.lowerBound...min(range.upperBound, 127) { insert(scalar) }
        }
        // The two cases of a letter are 32 bits apart.
        let letters: UInt64 = 0x07ff_fffe
        if foldsCase { high |= high >> 32 & letters | (high & letters) << 32 }
        return isNegated ? (~low, ~high) : (low, high)
    }

    private func holds(_ scalar: UInt32) -> Bool {
        if ranges.contains(where: { $0.contains(scalar) }) { return true }
        if categories.isEmpty { return false }
        guard let category = Unicode.Scalar(scalar)?.properties.generalCategory else { return false }
        return categories.contains { $0.members.contains(category) != $0.isNegated }
    }

    private static func only(_ mapping: String) -> UInt32? {
        mapping.unicodeScalars.count == 1 ? mapping.unicodeScalars.first?.value : nil
    }

    /// The characters outside the ranges, as ranges.
    var complement: [ClosedRange<UInt32>] {
        var result: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > next { result.append(next...range.lowerBound - 1) }
            next = max(next, range.upperBound + 1)
        }
        if next <= 0x10_ffff { result.append(next...0x10_ffff) }
        return result
    }
}

extension ScalarSet {
    static let any = ScalarSet(0...0x10_ffff)
    static let anyButNewline = ScalarSet(0...9, 11...0x10_ffff)
    static let digits = ScalarSet(0x30...0x39)
    static let word = ScalarSet(0x30...0x39, 0x41...0x5a, 0x5f...0x5f, 0x61...0x7a)
    static let space = ScalarSet(0x09...0x0a, 0x0c...0x0d, 0x20...0x20)

    /// Returns a POSIX class such as `[:alpha:]`. These classes contain only ASCII characters.
    static func named(_ name: String) -> ScalarSet? {
        switch name {
        case "alnum": ScalarSet(0x30...0x39, 0x41...0x5a, 0x61...0x7a)
        case "alpha": ScalarSet(0x41...0x5a, 0x61...0x7a)
        case "ascii": ScalarSet(0...0x7f)
        case "blank": ScalarSet(0x09...0x09, 0x20...0x20)
        case "cntrl": ScalarSet(0...0x1f, 0x7f...0x7f)
        case "digit": digits
        case "graph": ScalarSet(0x21...0x7e)
        case "lower": ScalarSet(0x61...0x7a)
        case "print": ScalarSet(0x20...0x7e)
        case "punct": ScalarSet(0x21...0x2f, 0x3a...0x40, 0x5b...0x60, 0x7b...0x7e)
        case "space": ScalarSet(0x09...0x0d, 0x20...0x20)
        case "upper": ScalarSet(0x41...0x5a)
        case "word": word
        case "xdigit": ScalarSet(0x30...0x39, 0x41...0x46, 0x61...0x66)
        default: nil
        }
    }
}

extension ScalarSet {
    /// The Unicode categories of the characters in the names of groups.
    static let nameCategories: Set<Unicode.GeneralCategory> = [
        .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .letterNumber, .nonspacingMark,
        .spacingMark, .decimalNumber, .connectorPunctuation,
    ]

    /// Returns the Unicode categories with this name: `L`, `Lu`, …
    static func categories(_ name: String) -> Set<Unicode.GeneralCategory>? {
        let known: [(String, Unicode.GeneralCategory)] = [
            ("Lu", .uppercaseLetter), ("Ll", .lowercaseLetter), ("Lt", .titlecaseLetter), ("Lm", .modifierLetter),
            ("Lo", .otherLetter), ("Mn", .nonspacingMark), ("Mc", .spacingMark), ("Me", .enclosingMark),
            ("Nd", .decimalNumber), ("Nl", .letterNumber), ("No", .otherNumber), ("Pc", .connectorPunctuation),
            ("Pd", .dashPunctuation), ("Ps", .openPunctuation), ("Pe", .closePunctuation), ("Pi", .initialPunctuation),
            ("Pf", .finalPunctuation), ("Po", .otherPunctuation), ("Sm", .mathSymbol), ("Sc", .currencySymbol),
            ("Sk", .modifierSymbol), ("So", .otherSymbol), ("Zs", .spaceSeparator), ("Zl", .lineSeparator),
            ("Zp", .paragraphSeparator), ("Cc", .control), ("Cf", .format), ("Cs", .surrogate), ("Co", .privateUse),
        ]
        // One letter stands for all categories that begin with it.
        let found = known.filter { !name.isEmpty && ($0.0 == name || name.count == 1 && $0.0.hasPrefix(name)) }
        return found.isEmpty ? nil : Set(found.map(\.1))
    }
}

import WeirGraph
import WeirKernels
import WeirTensor

/// A regular expression in RE2's notation, over UTF-8, matched in linear time.
struct RegularExpression: Sendable {
    private let program: RegexProgram

    /// - Throws: `invalidArgument` with what is wrong with the pattern, in RE2's words.
    init(_ pattern: ByteString) throws(Status) {
        guard let text = String(validating: pattern.bytes, as: UTF8.self) else {
            throw .invalidArgument("invalid UTF-8")
        }
        var parser = RegexParser(text)
        let syntax = try parser.parse()
        program = try RegexProgram(syntax, parser.sets, groupCount: parser.groupCount)
    }

    /// What looks for matches in one text after the other.
    /// - Parameters:
    ///   - isFull: whether to look for matches of all of a text, and nothing but whether there is one.
    ///   - memory: how many bytes the matcher may take for what it learns, about.
    func matcher(isFull: Bool, _ cancellation: Cancellation, memory: Int = RegexAutomaton.memory) -> RegexMatcher {
        RegexMatcher(program, isFull: isFull, cancellation, memory: memory)
    }

    /// Whether all of a text matches.
    func matches(_ text: ByteString, _ matcher: inout RegexMatcher) throws(Status) -> Bool {
        try matcher.matches(text.bytes)
    }

    /// A text with its first match, or all, replaced.
    func replacing(_ text: ByteString, with rewrite: Rewrite, all: Bool, _ matcher: inout RegexMatcher) throws(Status) -> ByteString {
        // As in RE2, a rewrite that asks for more groups than there are replaces nothing.
        guard rewrite.largestGroup <= program.groupCount else { return text }
        let bytes = text.bytes
        matcher.begin(bytes, groupCount: rewrite.largestGroup, isFirstEnough: !all)
        var result: [UInt8] = []
        var position = 0
        var lastEnd = -1
        // A short text can become a long one: a rewrite may repeat it for each of its characters.
        var counted = 0
        while position <= bytes.count, try matcher.match(from: position) {
            let (start, end) = (matcher.places[0], matcher.places[1])
            let count = result.count + (start - position) + rewrite.byteCount(matcher.places)
            if count - counted >= 1 << 20 {
                try MemoryBudget.take(2 * (count - counted))
                counted = count
            }
            result += bytes[position..<start]
            if start == end, start == lastEnd {
                // An empty match right behind the last match would be found forever: one character is passed over.
                let width = min(RegexMatcher.decode(bytes, start).width, bytes.count - start)
                result += bytes[start..<start + width]
                position = start + max(width, 1)
                continue
            }
            rewrite.append(to: &result, bytes, matcher.places)
            position = end
            lastEnd = end
            if !all { break }
        }
        // Most often nothing matches.
        if position == 0, lastEnd < 0 { return text }
        if position < bytes.count { result += bytes[position...] }
        return ByteString(result)
    }

    /// What replaces a match: text in which `\0` to `\9` stand for the match and its groups, and `\\` for a backslash.
    struct Rewrite: Sendable {
        private enum Part: Sendable {
            case text([UInt8])
            case group(Int)
        }
        private var parts: [Part] = []
        let largestGroup: Int

        /// What follows a backslash that says neither a group nor a backslash is dropped, as RE2 drops it.
        init(_ text: ByteString) {
            var literal: [UInt8] = []
            var largest = 0
            var bytes = text.bytes[...]
            reading: while let byte = bytes.popFirst() {
                guard byte == UInt8(ascii: "\\") else {
                    literal.append(byte)
                    continue
                }
                switch bytes.popFirst() {
                case UInt8(ascii: "\\"): literal.append(UInt8(ascii: "\\"))
                case let digit? where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit):
                    parts += [.text(literal), .group(Int(digit) - 0x30)]
                    literal = []
                    largest = max(largest, Int(digit) - 0x30)
                default: break reading
                }
            }
            parts.append(.text(literal))
            largestGroup = largest
        }

        /// How many bytes it puts in the place of a match.
        fileprivate func byteCount(_ places: [Int]) -> Int {
            parts.reduce(0) { sum, part in
                switch part {
                case .text(let text): sum + text.count
                case .group(let number): sum + places[2 * number + 1] - places[2 * number]
                }
            }
        }

        fileprivate func append(to result: inout [UInt8], _ bytes: [UInt8], _ places: [Int]) {
            for part in parts {
                switch part {
                case .text(let text): result += text
                case .group(let number) where places[2 * number + 1] >= 0:
                    result += bytes[places[2 * number]..<places[2 * number + 1]]
                case .group: break
                }
            }
        }
    }
}

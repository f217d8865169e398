import WeirGraph
import WeirKernels
import WeirTensor

/// A regular expression in RE2's syntax over UTF-8. Matching takes linear time.
struct RegularExpression: Sendable {
    private let program: RegexProgram

    /// - Throws: `invalidArgument` with RE2's message when the pattern is invalid.
    init(_ pattern: ByteString) throws(Status) {
        guard let text = String(validating: pattern.bytes, as: UTF8.self) else {
            throw .invalidArgument("invalid UTF-8")
        }
        var parser = RegexParser(text)
        let syntax = try parser.parse()
        program = try RegexProgram(syntax, parser.sets, groupCount: parser.groupCount)
    }

    /// Returns a matcher for any number of texts.
    /// - Parameters:
    ///   - isFull: whether a match must span the whole text. Such a matcher only tells whether there is one.
    ///   - memory: the approximate limit of the automaton's memory in bytes.
    func matcher(isFull: Bool, _ cancellation: Cancellation, memory: Int = RegexAutomaton.memory) -> RegexMatcher {
        RegexMatcher(program, isFull: isFull, cancellation, memory: memory)
    }

    /// Returns whether the whole text matches.
    func matches(_ text: ByteString, _ matcher: inout RegexMatcher) throws(Status) -> Bool {
        try matcher.matches(text.bytes)
    }

    /// Returns the text with its first match, or all matches, replaced.
    func replacing(_ text: ByteString, with rewrite: Rewrite, all: Bool, _ matcher: inout RegexMatcher) throws(Status) -> ByteString {
        // As in RE2, a rewrite that refers to a group that does not exist replaces nothing.
        guard rewrite.largestGroup <= program.groupCount else { return text }
        let bytes = text.bytes
        matcher.begin(bytes, groupCount: rewrite.largestGroup, isFirstEnough: !all)
        var result: [UInt8] = []
        var position = 0
        var lastEnd = -1
        // The result can be much longer than the text, because each match may be replaced with a long rewrite.
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
                // An empty match right after the last match would be found forever. So one character is copied and skipped.
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
        // The fast path: nothing matches.
        if position == 0, lastEnd < 0 { return text }
        if position < bytes.count { result += bytes[position...] }
        return ByteString(result)
    }

    /// The replacement of a match. `\0` to `\9` stand for the match and its groups, and `\\` for a backslash.
    struct Rewrite: Sendable {
        private enum Part: Sendable {
            case text([UInt8])
            case group(Int)
        }
        private var parts: [Part] = []
        let largestGroup: Int

        /// Parses a rewrite. As in RE2, an invalid escape ends it: the rest is dropped.
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

        /// Returns the number of bytes that replace a match.
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

import Testing
import WeirGraph
import WeirTensor

import WeirOps
@testable import WeirTextOps

@Suite struct RegularExpressionTests {
    private func matches(
        _ pattern: String, _ text: ByteString, memory: Int = RegexAutomaton.memory
    ) throws -> Bool {
        let expression = try RegularExpression(ByteString(pattern))
        var matcher = expression.matcher(isFull: true, Cancellation(), memory: memory)
        return try expression.matches(text, &matcher)
    }
    private func replaced(
        _ pattern: String, _ text: ByteString, _ rewrite: String, all: Bool = true, memory: Int = RegexAutomaton.memory
    ) throws -> String {
        let expression = try RegularExpression(ByteString(pattern))
        var matcher = expression.matcher(isFull: false, Cancellation(), memory: memory)
        return try expression.replacing(text, with: .init(ByteString(rewrite)), all: all, &matcher).description
    }

    @Test(
        "what RE2 matches is matched",
        arguments: [
            ("a.*", "abc"), ("(a|b)+c?", "ababc"), ("[^a-c]*", "xyz"), ("\\d{2,3}", "12"), ("(?i)hello", "HeLLo"),
            ("(a*)*", "aaaa"), ("[[:alpha:]]+", "abc"), ("é.", "é!"), ("[é-ü]+", "éü"), ("^$", ""), ("a|", ""),
            ("\\x41\\x{e9}", "Aé"), ("[]a]+", "]a"), ("a{,2}", "a{,2}"), ("(?s).*", "x\ny"), ("\\Aab\\z", "ab"),
            ("\\Q.*\\E", ".*"), ("a+?b", "aaab"), ("\\pL+", "aé日"), ("[\\d-z]+", "1-z"), ("(?i)É", "é"), ("\\0", "\0"),
            ("(?P<é>a)(?P<1_>b)", "ab"), ("(?P<n>a)(?P<n>b)", "ab"),
        ])
    func matching(_ pattern: String, _ text: String) throws {
        #expect(try matches(pattern, ByteString(text)))
    }

    @Test(
        "what RE2 does not match is not",
        arguments: [
            ("a", "ab"), (".*", "x\ny"), ("\\d{2,3}", "1"), ("[^]a]+", "]"), ("(?i:a)b", "AB"), ("a\\.b", "axb"),
            ("\\bfoo", "xfoo"), ("(x+x+)+y", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), ("\\pN", "a"), ("$a", "a"),
        ])
    func notMatching(_ pattern: String, _ text: String) throws {
        #expect(try !matches(pattern, ByteString(text)))
    }

    @Test("bytes that are no UTF-8 match nothing, not even a dot")
    func notText() throws {
        #expect(try !matches(".*", ByteString([0x61, 0xff])))
        #expect(try !matches(".*", ByteString([0xc0, 0x80])))
        #expect(try !matches(".*", ByteString([0xed, 0xa0, 0x80])))
    }

    @Test("the leftmost match is replaced, with the alternative that is listed first")
    func replacing() throws {
        #expect(try replaced("a|ab", "abab", "<\\0>") == "<a>b<a>b")
        #expect(try replaced("(a|ab)(c|bcd)(d*)", "abcd", "[\\1|\\2|\\3]") == "[a|bcd|]")
        #expect(try replaced("x*", "axb", "-") == "-a-b-")
        #expect(try replaced("", "hé", "-") == "-h-é-")
        #expect(try replaced("(a)(x)?", "ab", "[\\1\\2]") == "[a]b")
        #expect(try replaced("a+?", "aa", "<\\0>") == "<a><a>")
        #expect(try replaced("b", "abc", "\\\\") == "a\\c")
        #expect(try replaced("b", "abc", "\\7") == "abc")
        #expect(try replaced("(?m)^b$", "a\nb\nc", "X") == "a\nX\nc")
    }

    @Test(
        "malformed patterns are invalid arguments, in RE2's words",
        arguments: [
            ("[a", "missing ]: [a"), ("(", "missing ): ("), (")", "unexpected ): )"),
            ("*a", "no argument for repetition operator: *"), ("a**", "bad repetition operator: **"),
            ("\\", "trailing \\"), ("\\y", "invalid escape sequence: \\y"),
            ("a{1001}", "invalid repetition size: {1001}"), ("a{2,1}", "invalid repetition size: {2,1}"),
            ("[z-a]", "invalid character class range: z-a"), ("(?z)", "invalid perl operator: (?z"),
            ("(?P<>a)", "invalid named capture group: (?P<>"), ("(?P<a-b>a)", "invalid named capture group: (?P<a-b>"),
            ("x(?P<n", "invalid named capture group: (?P<n"), ("(?P<n)", "invalid named capture group: (?P<n)"),
            ("(?<n>a)", "invalid perl operator: (?<"), ("(?P=n)", "invalid perl operator: (?P"),
            ("\\1", "invalid escape sequence: \\1"), ("((a{1000}){1000}){1000}", "pattern too large - compile failed"),
        ])
    func malformed(_ pattern: String, _ message: String) {
        #expect(throws: Status.invalidArgument(message)) { try RegularExpression(ByteString(pattern)) }
    }

    @Test("no pattern, however crooked, traps")
    func crooked() {
        let pieces = Array("()[]{}*+?|\\^$.-a1,:pP<>QEx")
        var generator = Multiplier(state: 12345)
        for _ in 0..<3000 {
            let count = Int.random(in: 0...12, using: &generator)
            let pattern = String((0..<count).map { _ in pieces.randomElement(using: &generator) ?? "a" })
            _ = try? replaced(pattern, "aa1\n(a)Qx", "<\\0\\1>")
            _ = try? matches(pattern, "aa1\n(a)Qx")
        }
        #expect(throws: Never.self) { try RegularExpression("(?:(?:(?:(?:){1000}){1000}){1000}){1000}") }
        let deep = String(repeating: "(", count: 100_000)
        #expect(throws: Status.self) { try RegularExpression(ByteString(deep)) }
    }

    @Test("a pattern of thousands of characters costs no more than its texts do")
    func longPattern() throws {
        let expression = try RegularExpression(ByteString(String(repeating: "a", count: 19_990)))
        let text = ByteString(String(repeating: "a", count: 1000))
        var replacing = expression.matcher(isFull: false, Cancellation())
        var matching = expression.matcher(isFull: true, Cancellation())
        for _ in 0..<300 {
            #expect(try expression.replacing(text, with: .init("b"), all: true, &replacing) == text)
            #expect(try !expression.matches(text, &matching))
        }
        let whole = ByteString(String(repeating: "a", count: 19_990))
        #expect(try expression.matches(whole, &matching))
    }

    @Test(
        "the automaton finds what threads find, also when it must forget what it knew",
        arguments: [
            ("a|ab", "abab"), ("(a|ab)(c|bcd)(d*)", "abcdabcd"), ("x*", "axxb"), ("", "hé"), ("a+?", "aa"), ("a+", "caab aa"),
            ("(?m)^b?$", "a\nb\n\nc"), ("\\b\\w", "two words é"), ("\\B", "ab c"), ("^a", "aa"), ("a$", "aa"), ("(a*)*b|a", "aaaac"),
            ("[^a]", "aéb日\n"), ("(?i)[k-m]+", "KLMxk"), ("(a)|(b)", "abc"), ("(?:a|b){2,3}?", "ababab"), ("b?(a|b){3}a", "abbabaabbbabaab"),
        ])
    func agreement(_ pattern: String, _ text: String) throws {
        // The second text ends within a character.
        for text in [ByteString(text), ByteString([0xff] + Array(text.utf8) + [0xe6, 0x97])] {
            let full = try matches(pattern, text, memory: 0)
            let all = try replaced(pattern, text, "<\\0>", memory: 0)
            let first = try replaced(pattern, text, "<\\0>", all: false, memory: 0)
            for memory in [700, RegexAutomaton.memory] {
                #expect(try matches(pattern, text, memory: memory) == full)
                #expect(try replaced(pattern, text, "<\\0>", memory: memory) == all)
                #expect(try replaced(pattern, text, "<\\0>", all: false, memory: memory) == first)
            }
        }
    }

    @Test("a match ends with its step", arguments: [0, RegexAutomaton.memory])
    func cancelled(_ memory: Int) throws {
        let cancellation = Cancellation()
        cancellation.cancel()
        let expression = try RegularExpression("a+")
        var replacing = expression.matcher(isFull: false, cancellation, memory: memory)
        var matching = expression.matcher(isFull: true, cancellation, memory: memory)
        #expect(throws: Status.self) { try expression.replacing("caab", with: .init("b"), all: true, &replacing) }
        #expect(throws: Status.self) { try expression.matches("aa", &matching) }
    }
}

/// The same numbers every time.
private struct Multiplier: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}

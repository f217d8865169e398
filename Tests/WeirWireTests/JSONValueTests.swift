import Testing
import WeirTensor
import WeirWire

@Suite("JSON values")
struct JSONValueTests {
    @Test(
        "a value is parsed, and written on one line without spaces",
        arguments: [
            (" null ", "null"), ("[true,false]", "[true,false]"), ("-0", "0"), ("12", "12"), ("[1.5, -2e3, 1E-7]", "[1.5,-2000.0,1e-07]"),
            ("9223372036854775807", "9223372036854775807"), ("9223372036854775808", "9.223372036854776e+18"),
            (#"{"b": {"a": []}, "a": {}}"#, #"{"b":{"a":[]},"a":{}}"#), (#""\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\""#, #""é😀/\u0008\u000c\n\r\t\"\\""#),
            ("\r\n\t[ 1 , 2 ]\n", "[1,2]"), (#""é""#, #""é""#),
        ])
    func parsing(_ text: String, _ expected: String) throws {
        let value = try JSONValue(parsing: text)
        #expect(value.description == expected)
        #expect(try JSONValue(parsing: value.description) == value)
    }

    @Test(
        "an error tells line and column, what was expected and what was found",
        arguments: [
            ("", "line 1, column 1: expected a value, found the end of the text"),
            ("[1,\n 2,,", "line 2, column 4: expected a value, found ','"),
            ("[1 2]", "line 1, column 4: expected ',' or ']' after an element, found '2'"),
            ("[1", "line 1, column 3: expected ',' or ']' after an element, found the end of the text"),
            (#"{"é" 1}"#, "line 1, column 6: expected ':' after the key 'é', found '1'"),
            (#"{"a":1"#, "line 1, column 7: expected ',' or '}' after the value of 'a', found the end of the text"),
            (#"{"a":1,}"#, "line 1, column 8: expected a key in quotes, found '}'"),
            ("{a:1}", "line 1, column 2: expected a key in quotes, or '}', found 'a'"),
            ("{\"a\":1,\n\"a\":2}", "line 2, column 1: expected each key once, found 'a' again"),
            ("01", "line 1, column 2: expected the end of the text, found '1'"), ("1.", "line 1, column 3: expected a digit"),
            ("-", "line 1, column 2: expected a digit"), ("+1", "expected a value, found '+'"), ("1e", "expected a digit"),
            ("1e999", "line 1, column 1: expected a number that a Double can hold, found 1e999"),
            ("nul", "line 1, column 1: expected null, found 'n'"), ("nullx", "expected the end of the text, found 'x'"),
            ("\"a", "line 1, column 1: expected '\"' at the end of the string"), ("\"\n\"", "expected no control character in a string, found byte 10"),
            (#""\x""#, "line 1, column 2: expected one of"), (#""\u12g4""#, "four hexadecimal digits"),
            (#""\ud83d""#, "line 1, column 2: expected a pair of surrogates, found half of one"), (#""\ude00""#, "half of one"),
        ])
    func errors(_ text: String, _ expected: String) {
        let status = #expect(throws: Status.self) { try JSONValue(parsing: text) }
        #expect(status?.code == .invalidArgument && status?.message.contains(expected) == true, "\(status?.message ?? "")")
    }

    @Test("bytes that are not UTF-8, and text that is too deep or too long, are errors")
    func limits() throws {
        #expect(throws: Status.self) { try JSONValue(parsing: [0x22, 0xff, 0x22]) }
        let deepest = JSONValue.maximumDepth
        _ = try JSONValue(parsing: String(repeating: "[", count: deepest) + String(repeating: "]", count: deepest))
        #expect(throws: Status.self) { try JSONValue(parsing: String(repeating: "[", count: 1_000_000)) }
        #expect(throws: Status.self) { try JSONValue(parsing: [UInt8](repeating: 0x20, count: JSONValue.maximumByteCount + 1)) }
    }

    @Test("every prefix of a document is an error, not a trap")
    func prefixes() {
        let bytes = Array(#"{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00"],"b":{"c":null,"d":true}}"#.utf8)
        for count in 0..<bytes.count { #expect(throws: Status.self) { try JSONValue(parsing: Array(bytes[..<count])) } }
    }

    @Test("numbers are written with the digits that give the same number again; those that are not finite become null")
    func numbers() throws {
        for number in [0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e15, 1e16, 123456789.125] {
            let value = JSONValue(number)
            #expect(try JSONValue(parsing: value.description).double?.bitPattern == number.bitPattern)
        }
        #expect(JSONValue(.nan) == .null && JSONValue(.infinity) == .null)
    }

    @Test("a reader names the path of a member that is not as expected")
    func reader() throws {
        enum Color: String, CaseIterable { case red, green }
        let reader = try JSONObjectReader(JSONValue(parsing: #"{"n": 3, "t": "x", "b": true, "l": [], "color": "blue"}"#), at: "a.b")
        #expect(try reader.integer("n", in: 1...3) == 3 && reader.integer("none") == nil && reader.text("t") == "x" && reader.boolean("b") == true)
        func message(_ body: () throws -> Void) -> String? { #expect(throws: Status.self) { try body() }?.message }
        #expect(message { _ = try reader.integer("n", in: 4...9) } == "a.b.n: expected an integer between 4 and 9, found 3")
        #expect(message { _ = try reader.requiredInteger("m", in: 0 ... .max) } == "a.b.m: expected an integer of at least 0, found nothing")
        #expect(message { _ = try reader.integer("t") } == "a.b.t: expected an integer, found \"x\"")
        #expect(message { _ = try reader.text("l") } == "a.b.l: expected a text, found an empty list")
        #expect(message { _ = try reader.choice("color", of: Color.self) } == "a.b.color: expected one of \"red\", \"green\", found \"blue\"")
        #expect(message { try reader.allowOnly(["n", "t", "b", "l"]) } == "a.b.color: unknown key 'color'; expected one of n, t, b, l")
        #expect(message { _ = try JSONObjectReader(.array([]), at: "x") } == "x: expected an object, found an empty list")
    }
}

import Testing
import WeirTensor

@testable import WeirWire

@Suite struct TensorSliceTests {
    @Test("specs are read and printed", arguments: ["-", "0,2:-", "3,1:0,2:-", ""])
    func specs(_ text: String) throws {
        #expect(try TensorSlice(parsing: text).description == text)
    }

    @Test(
        "malformed specs are invalid arguments",
        arguments: [
            "", "4", "4 2,", "4 2,1,1", "4 a,1", "4 -1,2", "4 0,0", "x 0,1", "-4 -", "4  -",
            "9223372036854775807 2 -:-", "4 9223372036854775807,9223372036854775807",
        ])
    func malformed(_ text: String) {
        #expect(code { _ = try ShapeAndSlice(parsing: text) } == .invalidArgument)
    }

    @Test(
        "slices that do not fit their shape are internal errors, as TensorFlow's are",
        arguments: ["4 0,5", "4 4,1", "4 2 0,1"])
    func misfits(_ text: String) {
        #expect(code { _ = try ShapeAndSlice(parsing: text) } == .internalError)
    }

    @Test("two slices have in common what lies in both")
    func intersection() throws {
        func common(_ a: String, _ b: String) throws -> String? {
            try TensorSlice(parsing: a).intersection(try TensorSlice(parsing: b))?.description
        }
        #expect(try common("0,4:-", "2,5:1,3") == "2,2:1,3")
        #expect(try common("-:-", "-:-") == "-:-")
        #expect(try common("0,2:-", "2,2:-") == nil)
        #expect(try common("0,2", "0,2:-") == nil)
    }

    @Test("keys of slices are ordered code, as TensorFlow writes it")
    func keys() throws {
        #expect(try TensorSlice(parsing: "0,2:0,2").key(in: "p").bytes.hex == "00700001010280828082")
        let escaped = try TensorSlice(parsing: "-").key(in: ByteString([0x61, 0x00, 0xff]))
        #expect(escaped.bytes.hex == "006100ffff0000010101807f")
        func number(_ value: Int) -> String {
            let key = TensorSlice([.init(start: value, length: nil)]).key(in: "").bytes
            return Array(key.dropFirst(5).dropLast()).hex
        }
        #expect(number(63) == "bf")
        #expect(number(64) == "c040")
        #expect(number(8191) == "dfff")
        #expect(number(8192) == "e02000")
        #expect(number(1 << 32) == "f900000000")
        #expect(number(.max) == "ffc07fffffffffffffff")
        #expect(number(-64) == "40")
        #expect(number(-65) == "3fbf")
    }

    @Test("keys sort as the places they stand for")
    func order() {
        let starts = [0, 1, 63, 64, 127, 8191, 8192, 1 << 20, 1 << 27, 1 << 34, 1 << 48, 1 << 55, 1 << 62, .max]
        let keys = starts.map { TensorSlice([.init(start: $0, length: 1)]).key(in: "x") }
        #expect(keys == keys.sorted())
    }
}

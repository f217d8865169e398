import Testing
import WeirGraph
import WeirTensor

import WeirOps
@testable import WeirTextOps

// Expected values are those of TensorFlow 2.21.

private func run(_ op: String, _ inputs: [Tensor], _ attributes: Attributes = [:]) throws -> [Tensor] {
    let session = try TinySession(stringOps)
    let operation = session.add(op, inputs.map { session.feed($0) }, attributes)
    return try session.run(operation.outputs).compactMap { $0 }
}

private func strings(_ values: String...) -> Tensor { Tensor(values.map { ByteString($0) }) }
private func texts(_ tensor: Tensor) -> [String] { tensor.elements(ByteString.self).map(\.description) }

@Suite struct StringOpsTests {
    @Test("StringJoin joins element by element, scalars to every element")
    func stringJoin() throws {
        let joined = try run("StringJoin", [Tensor("x"), strings("c", "d"), Tensor("y")], ["separator": "-"])[0]
        #expect(texts(joined) == ["x-c-y", "x-d-y"])
        #expect(try run("StringJoin", [Tensor("a"), Tensor("b")])[0] == Tensor("ab"))
        let failure = try failure { _ = try run("StringJoin", [strings("a", "b"), strings("c")]) }
        #expect(failure.code == .invalidArgument)
    }

    @Test("ReduceJoin joins the dimension that is listed first first")
    func reduceJoin() throws {
        let matrix = Tensor(["a", "b", "c", "d", "e", "f"].map { ByteString($0) }, ofShape: Shape(2, 3))
        func join(_ axes: [Int32], keeping: Bool = false) throws -> Tensor {
            try run("ReduceJoin", [matrix, Tensor(axes)], ["separator": ".", "keep_dims": .bool(keeping)])[0]
        }
        #expect(try texts(join([0])) == ["a.d", "b.e", "c.f"])
        #expect(try texts(join([-1])) == ["a.b.c", "d.e.f"])
        #expect(try texts(join([0, 1])) == ["a.d.b.e.c.f"])
        #expect(try texts(join([1, 0])) == ["a.b.c.d.e.f"])
        #expect(try join([1], keeping: true).shape == Shape(2, 1))
        #expect(try join([]) == matrix)
        #expect(try failure { _ = try join([2]) }.code == .outOfRange)
        #expect(try failure { _ = try join([0, -2]) }.message.hasPrefix("Duplicate reduction dimension -2"))
    }

    @Test("UnsortedSegmentJoin joins what has the same id, in order")
    func segmentJoin() throws {
        let joined = try run(
            "UnsortedSegmentJoin", [strings("a", "b", "c"), Tensor([Int32(0), 1, 0]), Tensor(Int32(3))],
            ["separator": ":"])
        #expect(texts(joined[0]) == ["a:c", "b", ""])
        let bad = [strings("a"), Tensor([Int32(3)]), Tensor(Int32(3))]
        #expect(try failure { _ = try run("UnsortedSegmentJoin", bad) }.code == .invalidArgument)
    }

    @Test(
        "StringSplitV2 splits as Python does",
        arguments: [
            ("", -1, [["a", "b", "c"], [], ["1,,2"]]), ("", 1, [["a", "b c "], [], ["1,,2", ""]]),
            (",", -1, [[" a b c "], [""], ["1", "", "2"]]), (",", 1, [[" a b c "], [""], ["1", ",2"]]),
            (",", 0, [[" a b c "], [""], ["1,,2"]]),
        ])
    func split(_ separator: String, _ limit: Int, _ expected: [[String]]) throws {
        let parts = try run(
            "StringSplitV2", [strings(" a b c ", "", "1,,2"), Tensor(separator)], ["maxsplit": .int(limit)])
        #expect(texts(parts[1]) == expected.flatMap { $0 })
        let indices = expected.enumerated().flatMap { row, parts in parts.indices.flatMap { [Int64(row), Int64($0)] } }
        #expect(parts[0] == Tensor(indices, ofShape: Shape(indices.count / 2, 2)))
        #expect(parts[2] == Tensor([3, Int64(expected.map(\.count).max() ?? 0)]))
    }

    @Test("StringSplit splits at any of several characters, and may keep what is empty between them")
    func splitAtCharacters() throws {
        func split(_ delimiters: String, skipping: Bool) throws -> [String] {
            let inputs = [strings("a b,c,,", ""), Tensor(delimiters)]
            return texts(try run("StringSplit", inputs, ["skip_empty": .bool(skipping)])[1])
        }
        #expect(try split(" ,", skipping: true) == ["a", "b", "c"])
        #expect(try split(",", skipping: false) == ["a b", "c", "", ""])
        #expect(try split("", skipping: true).count == 7)
        #expect(try split(" ,", skipping: false) == ["a", "b", "c", "", ""])
        #expect(try split("x", skipping: true) == ["a b,c,,"])
    }

    @Test("parts of one text that take more memory than there is fail")
    func substringMemory() async {
        // In a process of its own, because the limit is one of the process.
        let result = await #expect(processExitsWith: .success) {
            let session = try TinySession(stringOps)
            let (size, count) = (1 << 20, 64)
            let text = session.feed(Tensor(ByteString([UInt8](repeating: 97, count: size))))
            let starts = session.feed([Int32](repeating: 0, count: count))
            let lengths = session.feed([Int32](repeating: Int32(size), count: count))
            let parts = session.add("Substr", [text, starts, lengths])
            MemoryBudget.setLimit(1)
            let status = try failure { _ = try session.run(parts[0]) }
            guard status.code == .resourceExhausted else { throw status }
        }
        #expect(result != nil)
    }

    @Test("a split that takes more memory than there is fails", arguments: ["StringSplit", "StringSplitV2"])
    func splitMemory(_ op: String) async {
        // In a process of its own, because the limit is one of the process.
        let result = await #expect(processExitsWith: .success) { [op] in
            let session = try TinySession(stringOps)
            let isSecond = op == "StringSplitV2"
            let text = session.feed(Tensor([ByteString([UInt8](repeating: 97, count: 1 << 20))]))
            let split = session.add(op, [text, session.feed(Tensor(isSecond ? "a" : ""))])
            MemoryBudget.setLimit(1)
            let status = try failure { _ = try session.run(split.outputs) }
            guard status.code == .resourceExhausted else { throw status }
        }
        #expect(result != nil)
    }

    @Test("StringNGrams pads, slides and keeps short rows when asked to")
    func nGrams() throws {
        func grams(_ width: Int, pad: Int, keeping: Bool) throws -> [Tensor] {
            try run(
                "StringNGrams", [strings("a", "b", "c", "d"), Tensor([Int64(0), 3, 4])],
                [
                    "separator": "|", "ngram_widths": .ints([width]), "left_pad": "L", "right_pad": "R",
                    "pad_width": .int(pad), "preserve_short_sequences": .bool(keeping),
                ])
        }
        #expect(try texts(grams(2, pad: 0, keeping: false)[0]) == ["a|b", "b|c"])
        #expect(try texts(grams(2, pad: 0, keeping: true)[0]) == ["a|b", "b|c", "d"])
        #expect(try texts(grams(2, pad: -1, keeping: false)[0]) == ["L|a", "a|b", "b|c", "c|R", "L|d", "d|R"])
        #expect(try grams(2, pad: -1, keeping: false)[1] == Tensor([Int64(0), 4, 6]))
    }

    @Test("Substr counts bytes or characters, from either end, and broadcasts")
    func substr() throws {
        func cut(_ position: Int32, _ length: Int32, _ unit: String = "BYTE") throws -> [[UInt8]] {
            let inputs = [strings("hello", "wörld"), Tensor(position), Tensor(length)]
            return try run("Substr", inputs, ["unit": .string(unit)])[0].array(of: ByteString.self).map(\.bytes)
        }
        #expect(try cut(1, 2) == [Array("el".utf8), Array("ö".utf8)])
        #expect(try cut(-3, 2, "UTF8_CHAR") == [Array("ll".utf8), Array("rl".utf8)])
        #expect(try cut(1, .max, "UTF8_CHAR").last == Array("örld".utf8))
        let outside = try failure { _ = try cut(6, 1) }
        #expect(outside.message.hasPrefix("pos 6 out of range for string b'hello' at index 0"))
        let row = Tensor([ByteString("abc"), "def"], ofShape: Shape(1, 2))
        let column = Tensor([Int32(0), 2], ofShape: Shape(2, 1))
        #expect(try texts(run("Substr", [row, column, column])[0]) == ["", "", "c", "f"])
        let misfits = [strings("a"), Tensor([Int32(0), 1]), Tensor(Int32(1))]
        #expect(try failure { _ = try run("Substr", misfits) }.code == .invalidArgument)
    }

    @Test("case, blanks and lengths are of bytes, or of characters when asked")
    func cases() throws {
        let text = strings(" ÉtÉ \t", "ΑΣ ΑΣΑ")
        #expect(try texts(run("StringLower", [text])[0]) == [" ÉtÉ \t", "ΑΣ ΑΣΑ"])
        #expect(try texts(run("StringLower", [text], ["encoding": "utf-8"])[0]) == [" été \t", "ας ασα"])
        #expect(try texts(run("StringUpper", [strings("aß")], ["encoding": "utf-8"])[0]) == ["ASS"])
        #expect(try texts(run("StringStrip", [text])[0]) == ["ÉtÉ", "ΑΣ ΑΣΑ"])
        #expect(try run("StringLength", [strings("é")])[0] == Tensor([Int32(2)]))
        #expect(try run("StringLength", [strings("é")], ["unit": "UTF8_CHAR"])[0] == Tensor([Int32(1)]))
        #expect(try failure { _ = try run("StringLower", [text], ["encoding": "latin1"]) }.code == .invalidArgument)
    }

    @Test("hashes are those that models were trained with")
    func hashes() throws {
        let long = (0..<200).map { UInt8(truncatingIfNeeded: $0 * 37 + 200) }
        let lengths = [0, 3, 7, 12, 20, 40, 64, 65, 200]
        let input = Tensor(lengths.map { ByteString(Array(long.prefix($0))) })
        func buckets(_ op: String, _ attributes: Attributes = [:]) throws -> [Int64] {
            var attributes = attributes
            attributes["num_buckets"] = .int(.max)
            return try run(op, [input], attributes)[0].integers64
        }
        #expect(try buckets("StringToHashBucketFast") == goldenFast)
        #expect(try buckets("StringToHashBucket") == goldenPlain)
        #expect(try buckets("StringToHashBucketStrong", ["key": .ints([98765, 132])]) == goldenStrong)
    }

    @Test("StringToNumber reads whole strings, and nothing but numbers")
    func numbers() throws {
        let texts = strings("1", " -2.5 ", "1e40", "0x10", "inf")
        let floats = try run("StringToNumber", [texts], ["out_type": .type(.float32)])
        #expect(floats[0] == Tensor([Float(1), -2.5, .infinity, 16, .infinity]))
        #expect(try run("StringToNumber", [strings("-7 ")], ["out_type": .type(.int64)])[0] == Tensor([Int64(-7)]))
        let malformed: [(String, DType)] = [
            ("1x", .float32), ("", .float64), ("2147483648", .int32), ("-1", .uint64), ("1.0", .int32),
        ]
        for (text, dtype) in malformed {
            let failure = try failure { _ = try run("StringToNumber", [strings(text)], ["out_type": .type(dtype)]) }
            #expect(failure.message.hasPrefix("StringToNumberOp could not correctly convert string: \(text)"))
        }
    }

    @Test("AsString writes as printf does")
    func asString() throws {
        func text(_ tensor: Tensor, _ attributes: Attributes) throws -> String {
            try texts(run("AsString", [tensor], attributes)[0])[0]
        }
        #expect(try text(Tensor(Int32(-5)), ["width": 5, "fill": "0"]) == "-0005")
        #expect(try text(Tensor(Float(1.5)), [:]) == "1.500000")
        #expect(try text(Tensor(0.1), ["shortest": true]) == "0.1")
        #expect(try text(Tensor(1e20), ["scientific": true, "precision": 1]) == "1.0e+20")
        #expect(try text(Tensor(Complex64(1, -2)), ["precision": 1]) == "(1.0,-2.0)")
        #expect(try text(Tensor(true), [:]) == "true")
        #expect(try text(Tensor("ab"), ["width": 4]) == "  ab")
        #expect(try text(Tensor("ab"), ["width": .int(.min)]) == "ab")
        #expect(try text(Tensor(1e308), ["precision": 4096]).utf8.count == 309 + 1 + 4096)
        for attributes: Attributes in [
            ["fill": "x"], ["fill": "ab"], ["scientific": true, "shortest": true], ["width": .int(1 << 40)],
        ] {
            #expect(try failure { _ = try text(Tensor(Float(1)), attributes) }.code == .invalidArgument)
        }
        #expect(try failure { _ = try text(Tensor(Int32(1)), ["precision": 2]) }.code == .invalidArgument)
    }

    @Test("StringFormat shows tensors in brackets, cut in the middle")
    func format() throws {
        func text(_ tensors: Tensor..., template: String = "%s", summarize: Int = 3) throws -> String {
            try texts(run("StringFormat", tensors, ["template": .string(template), "summarize": .int(summarize)])[0])[0]
        }
        #expect(try text(Tensor(Float(1.5)), Tensor("z"), template: "<%s|%s>") == "<1.5|\"z\">")
        let cube = Tensor((0..<60).map { Int32($0) }, ofShape: Shape(3, 4, 5))
        #expect(
            try text(cube, summarize: 1)
                == "[[[0 ... 4]\n  ...\n  [15 ... 19]]\n\n ...\n\n [[40 ... 44]\n  ...\n  [55 ... 59]]]")
        #expect(try text(Tensor([Float(0.1), 1 / 3, 1e10, .nan]), summarize: -1) == "[0.1 0.333333343 1e+10 nan]")
        #expect(try text(Tensor([true, false])) == "[1 0]")
        #expect(try text(Tensor([Float](), ofShape: Shape(2, 0))) == "[\n ...]")
        #expect(try text(Tensor([Int32(1)], ofShape: Shape(1, 1)), summarize: 0) == "[\n ...]")
        #expect(try failure { _ = try text(Tensor(1.0), template: "none") }.code == .invalidArgument)
    }

    @Test("base64 of every length goes both ways; what is none is an invalid argument")
    func base64() throws {
        for count in 0..<10 {
            let text = Tensor(ByteString((0..<count).map { UInt8(255 - $0 * 7) }))
            for pads in [false, true] {
                let encoded = try run("EncodeBase64", [text], ["pad": .bool(pads)])
                #expect(try run("DecodeBase64", encoded)[0] == text)
            }
        }
        #expect(try run("EncodeBase64", [Tensor("Hello?>")])[0] == Tensor("SGVsbG8_Pg"))
        for text in ["Y", "YQ=", "+/8A", "====", "YQ==YQ==", "YQ\n="] {
            #expect(try failure { _ = try run("DecodeBase64", [Tensor(text)]) }.code == .invalidArgument)
        }
    }

    @Test("DecodeRaw reads numbers of either byte order, and truth as 0 or 1")
    func decodeRaw() throws {
        let bytes = Tensor([ByteString([1, 2, 3, 4]), ByteString([5, 6, 7, 8])])
        let little = try run("DecodeRaw", [bytes], ["out_type": .type(.int16)])[0]
        #expect(little == Tensor([Int16(0x0201), 0x0403, 0x0605, 0x0807], ofShape: Shape(2, 2)))
        let big = try run("DecodeRaw", [bytes], ["out_type": .type(.int16), "little_endian": false])[0]
        #expect(big == Tensor([Int16(0x0102), 0x0304, 0x0506, 0x0708], ofShape: Shape(2, 2)))
        let truth = try run("DecodeRaw", [Tensor(ByteString([0, 2]))], ["out_type": .type(.bool)])[0]
        #expect(truth == Tensor([false, true]))
        let misfit = try failure { _ = try run("DecodeRaw", [Tensor("abc")], ["out_type": .type(.float32)]) }
        #expect(
            misfit.message.hasPrefix("Input to DecodeRaw has length 3 that is not a multiple of 4, the size of float"))
        let uneven = try failure { _ = try run("DecodeRaw", [strings("ab", "a")], ["out_type": .type(.uint8)]) }
        #expect(uneven.code == .invalidArgument)
        let padded = [strings("abcdef", "x"), Tensor(Int32(4))]
        #expect(
            try run("DecodePaddedRaw", padded, ["out_type": .type(.uint8)])[0]
                == Tensor([UInt8(97), 98, 99, 100, 120, 0, 0, 0], ofShape: Shape(2, 4)))
    }

    @Test("regular expressions match all of a string, or are replaced in it")
    func regex() throws {
        let paths = strings("s3://bucket/x", "/tmp/x", "s3:/x")
        #expect(try run("StaticRegexFullMatch", [paths], ["pattern": "^s3://.*"])[0] == Tensor([true, false, false]))
        #expect(try run("RegexFullMatch", [paths, Tensor(".*x")])[0] == Tensor([true, true, true]))
        let swapped = try run("RegexReplace", [strings("a1b22"), Tensor("([a-z])(\\d+)"), Tensor("\\2\\1")])
        #expect(texts(swapped[0]) == ["1a22b"])
        let first = try run(
            "StaticRegexReplace", [strings("aaa")], ["pattern": "a", "rewrite": "b", "replace_global": false])
        #expect(texts(first[0]) == ["baa"])
        let failure = try failure { _ = try run("StaticRegexFullMatch", [paths], ["pattern": "[a"]) }
        #expect(failure.message.hasPrefix("Invalid pattern: [a, error: missing ]: [a"))
    }
}
private let goldenFast: [Int64] = [
    1_936_946_117_179_621_456, 1_010_542_969_477_184_064, 4_634_709_650_993_766_565, 4_109_506_133_409_303_744,
    2_291_452_598_068_412_752, 3_131_697_836_478_408_454, 8_959_537_801_350_723_994, 410_766_537_214_418_625,
    8_941_533_033_611_201_257,
]
private let goldenPlain: [Int64] = [
    105_434_511_174_508_092, 3_414_208_335_530_102_375, 7_239_829_434_935_917_660, 8_118_896_402_146_924_325,
    7_082_843_820_740_387_335, 945_794_231_919_276_002, 7_927_233_597_646_218_013, 4_937_140_810_032_064_704,
    1_102_728_422_163_413_093,
]
private let goldenStrong: [Int64] = [
    8_302_223_550_124_830_719, 444_828_534_552_753_444, 573_438_340_755_595_883, 5_894_320_585_218_114_551,
    8_182_147_987_208_331_424, 4_354_928_612_669_681_270, 3_862_833_493_884_713_564, 8_349_819_766_332_400_574,
    663_115_828_927_689_866,
]

"""Cases of the family Strings: ops on the elements of string tensors."""
from cases import *

NAN, INF = float("nan"), float("inf")
WORDS = ["Hello World", "", "\u00e9t\u00e9", b"a\xffb\x00c", "  two  words\t\n"]


def declare(table):
    joining(table)
    splitting(table)
    plain(table)
    numbers_as_text(table)
    hashing(table)
    regular_expressions(table)
    raw_bytes(table)


def joining(table):
    table.case("StringJoin", "three parts", [text(["a", "", "c"]), text(["1", "\u00e9", b"\xff"]), text(["x", "y", ""])])
    table.case("StringJoin", "separator", [text(["a", ""]), text(["b", "c"])], separator=", ")
    table.case("StringJoin", "scalar and vector", [text("a"), text(["b", "c"]), text("d")], separator="-")
    table.case("StringJoin", "one part", [text(["a", "b"])], separator="-")
    table.case("StringJoin", "no parts", [])
    table.case("StringJoin", "shapes that do not fit", [text(["a", "b"]), text(["a"])], fails="INVALID_ARGUMENT")
    matrix = text([["a", "b", "c"], ["d", "", "\u00e9"]])
    for name, axes in (("rows", i32([0])), ("columns", i32(1)), ("both, later first", i32([1, 0])),
                       ("both", i32([0, 1])), ("negative", i32(-1)), ("none", i32([], [0]))):
        table.case("ReduceJoin", name, [matrix, axes], separator="/")
    table.case("ReduceJoin", "kept dimensions", [matrix, i32([1])], keep_dims=True)
    table.case("ReduceJoin", "middle of three dimensions",
               [text([[["a", "b"], ["c", "d"]], [["e", "f"], ["g", "h"]]]), i32([1])], separator=".")
    table.case("ReduceJoin", "no such dimension", [matrix, i32(2)], fails="OUT_OF_RANGE")
    table.case("ReduceJoin", "a dimension twice", [matrix, i32([1, -1])], fails="INVALID_ARGUMENT")
    for name, ids, count in (("int32", i32([1, 0, 1, 3]), i32(4)), ("int64", i64([1, 0, 1, 3]), i64(5))):
        table.case("UnsortedSegmentJoin", name, [text(["a", "b", "", "d"]), ids, count], separator="+")
    table.case("UnsortedSegmentJoin", "matrix", [text([["a", "b"], ["c", "d"], ["e", "f"]]), i32([1, 1, 0]), i32(2)])
    table.case("UnsortedSegmentJoin", "matrix of segments", [text([["a", "b"], ["c", "d"]]), i32([[1, 0], [0, 1]]), i32(2)],
               separator=" ")
    table.case("UnsortedSegmentJoin", "out of range", [text(["a"]), i32([2]), i32(2)], fails="INVALID_ARGUMENT")


def splitting(table):
    lines = text(["a b  c", "", " d", "\u00e9,f"])
    for name, delimiter in (("spaces", " "), ("several characters", " ,"), ("every character", "")):
        table.case("StringSplit", name, [lines, text(delimiter)])
    table.case("StringSplit", "empty parts kept", [lines, text(" ")], skip_empty=False)
    for name, separator in (("white space", ""), ("one space", " "), ("several characters", "  ")):
        table.case("StringSplitV2", name, [lines, text(separator)])
    table.case("StringSplitV2", "at most two, white space", [text([" a b  c d "]), text("")], maxsplit=2)
    table.case("StringSplitV2", "at most one", [text(["a,b,c", "d", ","]), text(",")], maxsplit=1)
    table.case("StringSplitV2", "no lines", [text([], [0]), text(",")])
    table.case("StringSplitV2", "scalar", [text("a b"), text(" ")], fails="INVALID_ARGUMENT")
    for splits in ("int32", "int64"):
        table.case("StringNGrams", f"{splits}, widths 2 and 3",
                   [text(["a", "b", "c", "d", "\u00e9"]), tensor(splits, [0, 3, 3, 5])], separator="|",
                   ngram_widths=[2, 3], left_pad="", right_pad="", pad_width=0, preserve_short_sequences=False)
    for name, options in (("padded", {"left_pad": "L", "right_pad": "R", "pad_width": -1}),
                          ("padded by one", {"left_pad": "L", "right_pad": "RR", "pad_width": 1}),
                          ("short ones kept", {"preserve_short_sequences": True})):
        given = {"left_pad": "", "right_pad": "", "pad_width": 0, "preserve_short_sequences": False, **options}
        table.case("StringNGrams", name, [text(["a", "b", "c", "d"]), i64([0, 1, 4])], separator=" ",
                   ngram_widths=[3], **given)
    table.case("StringNGrams", "splits that go back", [text(["a", "b"]), i64([0, 2, 1])], separator=" ",
               ngram_widths=[1], left_pad="", right_pad="", pad_width=0, preserve_short_sequences=False,
               fails="INVALID_ARGUMENT")


def plain(table):
    phrase = text(["Hello", "\u00e9t\u00e9s \u20ac", "thirteen", "abc"])
    for index in (i32, i64):
        name = "int32" if index is i32 else "int64"
        table.case("Substr", f"{name}, one range for all", [phrase, index(1), index(2)])
        table.case("Substr", f"{name}, a range each", [phrase, index([1, 0, -3, 3]), index([2, 3, 2, 9])])
    table.case("Substr", "characters", [phrase, i32([1, 0, -3, -1]), i32([2, 3, 2, 9])], unit="UTF8_CHAR")
    table.case("Substr", "broadcast", [text([["abc"], ["defg"]]), i32([0, 1]), i32([2, 1])])
    table.case("Substr", "one text, several ranges", [text("abcdef"), i32([0, 2, -1]), i32([2, 2, 1])])
    table.case("Substr", "out of range", [phrase, i32(6), i32(1)], fails="INVALID_ARGUMENT")
    for unit in ("BYTE", "UTF8_CHAR"):
        table.case("StringLength", unit, [text(["", "a", "\u00e9t\u00e9", "\u20ac \U0001f600"])], unit=unit)
    table.case("StringLength", "matrix", [text([["a", "bcd"], ["", "ef"]])])
    mixed = text(["aBc 1", "\u00c9\u00e9\u00df", "", "\u0130\u0131\u03a3"])
    for op in ("StringLower", "StringUpper"):
        table.case(op, "bytes", [mixed])
        table.case(op, "utf-8", [mixed], encoding="utf-8")
        table.case(op, "another encoding", [mixed], encoding="latin-1", fails="INVALID_ARGUMENT")
    table.case("StringStrip", "white space", [text([" a b ", "\t\n\v\f\rc", "", "   ", "d", "\u00a0e"])])
    for pad in (False, True):
        name = "padded" if pad else "not padded"
        table.case("EncodeBase64", name, [text(["", "a", "ab", "abc", b"\xff\xfe\xfb\x00"])], pad=pad)
    table.case("DecodeBase64", "padded and not", [text(["", "YQ", "YQ==", "YWI", "YWJj", "__77AA", "-_-_"])])
    table.case("DecodeBase64", "no such character", [text(["YQ!="])], fails="INVALID_ARGUMENT")
    table.case("DecodeBase64", "wrong length", [text(["YWJjZ"])], fails="INVALID_ARGUMENT")


def numbers_as_text(table):
    table.types("AsString", lambda dtype: [numbers(dtype, [2, 2])])
    reals = f32([0.1, -1 / 3, 1e10, 1e-7, NAN, INF, -INF, -0.0])
    for name, options in (("precision", {"precision": 2}), ("scientific", {"scientific": True}),
                          ("scientific, precision", {"scientific": True, "precision": 3}),
                          ("shortest", {"shortest": True}), ("width", {"width": 12}),
                          ("filled with zeros", {"width": 12, "fill": "0"}),
                          ("filled on the right", {"width": 12, "fill": "-"}),
                          ("with a plus", {"width": 3, "fill": "+"}), ("with a space", {"width": 3, "fill": " "})):
        table.case("AsString", "float32, " + name, [reals], **options)
    for name, options in (("shortest", {"shortest": True}), ("precision", {"precision": 12})):
        table.case("AsString", "float64, " + name, [f64([0.1, -1 / 3, 1e100, 123456789.123, NAN])], **options)
        table.case("AsString", "complex64, " + name, [tensor("complex64", [1 / 3 - 2j, complex(0, INF)])], **options)
    for dtype, values in (("int8", [-128, 127]), ("int64", [-2**63, 2**63 - 1]), ("uint64", [2**64 - 1, 0]),
                          ("uint32", [2**32 - 1, 0]), ("int32", [-2**31, 2**31 - 1])):
        table.case("AsString", f"{dtype}, ends of the range", [tensor(dtype, values)])
    table.case("AsString", "int32, filled with zeros", [i32([-5, 42, 12345])], width=4, fill="0")
    table.case("AsString", "string, width", [text(["ab", "\u00e9"])], width=4)
    table.case("AsString", "int32, precision", [i32([1])], precision=2, fails="INVALID_ARGUMENT")
    table.case("AsString", "float32, scientific and shortest", [f32([1])], scientific=True, shortest=True,
               fails="INVALID_ARGUMENT")

    table.case("StringFormat", "two tensors", [f32([[1.5, 2], [3, 4]]), text(["a", "\u00e9"])],
               template="first: %s second: %s")
    table.case("StringFormat", "another placeholder", [i32([1, 2, 3, 4, 5, 6, 7, 8])], template="{} 100%", placeholder="{}")
    table.case("StringFormat", "all values", [i32([1, 2, 3, 4, 5, 6, 7, 8])], template="%s", summarize=-1)
    table.case("StringFormat", "two at each end", [i64([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]])], summarize=2)
    table.case("StringFormat", "scalars", [f32(0.1), boolean(True), text("x y")], template="%s|%s|%s", T=["float32", "bool", "string"])
    table.case("StringFormat", "nothing", [], template="plain", T=[])
    for dtype in NUMBERS + ["bool", "string"]:
        table.case("StringFormat", dtype, [numbers(dtype, 4)], template="<%s>", T=[dtype])
    table.case("StringFormat", "float32, large, small and not finite", [f32([1e20, 1e-20, 123456.78, NAN, INF, 1 / 3])],
               summarize=10)
    table.case("StringFormat", "empty", [f32([], [0, 2])])
    table.case("StringFormat", "too few placeholders", [f32(1), f32(2)], template="%s", fails="INVALID_ARGUMENT",
               T=["float32", "float32"])

    wholes = text(["0", "-12", "+7", "  34 "])
    for dtype in kernel_types("StringToNumber", "out_type"):
        values = text(["0", "12", "  34 ", "4000000000"]) if dtype.startswith("u") else wholes
        table.case("StringToNumber", dtype, [values], out_type=dtype)
        table.case("StringToNumber", f"{dtype}, no number", [text(["1x"])], out_type=dtype, fails="INVALID_ARGUMENT")
        table.case("StringToNumber", f"{dtype}, nothing", [text([""])], out_type=dtype, fails="INVALID_ARGUMENT")
    for dtype in ("float32", "float64"):
        table.case("StringToNumber", f"{dtype}, fractions",
                   [text(["0.1", "-1e-3", "1.5E10", ".5", "5.", "1e400", "-1e-400", "inf", "-Infinity", "nan", "0x10",
                          "16777217", "3.4028236e38", "1e-45"])], out_type=dtype)
    for dtype, last in (("int32", 2**31), ("int64", 2**63), ("uint32", 2**32), ("uint64", 2**64)):
        table.case("StringToNumber", f"{dtype}, largest", [text([str(last - 1)])], out_type=dtype)
        table.case("StringToNumber", f"{dtype}, too large", [text([str(last)])], out_type=dtype, fails="INVALID_ARGUMENT")


def hashing(table):
    # One string of each length that the hash functions treat separately.
    texts = text([("weir \u00e9 runs " * 20)[:length].encode("utf-8")[:length]
                  for length in (0, 1, 3, 4, 7, 8, 9, 16, 17, 32, 33, 64, 65, 130, 200)])
    largest = 2**63 - 1
    table.case("StringToHashBucketFast", "largest number of buckets", [texts], num_buckets=largest)
    table.case("StringToHashBucketFast", "seven buckets", [texts], num_buckets=7)
    table.case("StringToHashBucketFast", "matrix", [text([["a", "b"], ["", b"\xff"]])], num_buckets=1000)
    table.case("StringToHashBucket", "largest number of buckets", [texts], num_buckets=largest)
    table.case("StringToHashBucket", "seven buckets", [texts], num_buckets=7)
    table.case("StringToHashBucketStrong", "largest number of buckets", [texts], num_buckets=largest, key=[1, 2])
    table.case("StringToHashBucketStrong", "another key", [texts], num_buckets=largest, key=[-1, 987654321012345])
    table.case("StringToHashBucketStrong", "seven buckets", [texts], num_buckets=7, key=[0, 0])
    table.case("StringToHashBucketStrong", "a key of three", [texts], num_buckets=7, key=[1, 2, 3],
               fails="INVALID_ARGUMENT")


PATTERNS = [("repetition", "a*b+c?"), ("alternatives", "(foo|ba[rz])+"), ("class", r"[^a-f\d]{2,3}"),
            ("any character", ".."), ("Unicode letters", r"\pL+"), ("case ignored", "(?i)HELLO"),
            ("beginning and end", "^a.*z$"), ("word boundary", r"\bon\b.*"), ("white space", r"\s*\S+"),
            ("not greedy", "a.*?"), ("nothing", "")]
SUBJECTS = ["aabbc", "b", "foobarbaz", "xyz", "\u00e9\u00e8", "hello", "abcz", "on top", "  x", "", "a\nz", "10"]


def regular_expressions(table):
    subjects = text(SUBJECTS)
    for name, pattern in PATTERNS:
        table.case("RegexFullMatch", name, [subjects, text(pattern)])
        table.case("StaticRegexFullMatch", name, [subjects], pattern=pattern)
    table.case("RegexFullMatch", "matrix", [text([["a", "b"], ["c", "aa"]]), text("a+")])
    rewrites = [("nothing", "[aeiou]", ""), ("groups", r"(\w)(\w)", r"\2\1"), ("whole match", "b+", r"<\0>"),
                ("nothing matched", "x*", "-"), ("a backslash", "a", r"\\"), ("Unicode", "\u00e9|o", "\u20ac")]
    for name, pattern, rewrite in rewrites:
        for everywhere in (True, False):
            label = name if everywhere else name + ", the first only"
            table.case("RegexReplace", label, [subjects, text(pattern), text(rewrite)], replace_global=everywhere)
            table.case("StaticRegexReplace", label, [subjects], pattern=pattern, rewrite=rewrite,
                       replace_global=everywhere)
    table.case("RegexFullMatch", "no pattern", [text(["a"]), text("(")], fails="INVALID_ARGUMENT")
    table.case("StaticRegexFullMatch", "no pattern", [text(["a"])], pattern="(", fails="INVALID_ARGUMENT")
    table.case("RegexReplace", "no pattern", [text(["a"]), text("["), text("")], fails="INVALID_ARGUMENT")
    table.case("RegexReplace", "no such group", [text(["a"]), text("a"), text(r"\1")])
    table.case("StaticRegexReplace", "no such group", [text(["a"])], pattern="a", rewrite=r"\1")


def raw_bytes(table):
    data = text([bytes([1, 0, 128, 63, 0, 2, 0, 64, 5, 6, 7, 8, 9, 10, 11, 64]),
                 bytes([0, 1, 1, 65, 9, 2, 0, 192, 1, 2, 3, 4, 5, 6, 7, 8])])
    ones = text([bytes([1, 0, 1, 1]), bytes([0, 1, 0, 0])])
    for little in (True, False):
        order = "little endian" if little else "big endian"
        table.types("DecodeRaw", lambda dtype: [ones if dtype == "bool" else data], by="out_type",
                    name="{}, " + order, little_endian=little)
        table.types("DecodePaddedRaw", lambda dtype: [ones if dtype == "bool" else data, i32(16)], by="out_type",
                    name="{}, " + order, little_endian=little)
    table.case("DecodeRaw", "scalar", [text(b"\x01\x02")], out_type="uint8")
    table.case("DecodeRaw", "empty texts", [text(["", ""])], out_type="int32")
    table.case("DecodeRaw", "different lengths", [text(["a", "bc"])], out_type="uint8", fails="INVALID_ARGUMENT")
    table.case("DecodeRaw", "not divisible", [text(["abc"])], out_type="int16", fails="INVALID_ARGUMENT")
    table.case("DecodePaddedRaw", "cut and padded", [text([b"\x01\x02\x03\x04\x05\x06", b"\x07", ""]), i32(4)],
               out_type="uint8")
    table.case("DecodePaddedRaw", "cut and padded, int16", [text([b"\x01\x02\x03\x04\x05\x06", b"\x07\x08"]), i32(4)],
               out_type="int16")
    table.case("DecodePaddedRaw", "not divisible", [text(["abc"]), i32(3)], out_type="int16", fails="INVALID_ARGUMENT")

"""Cases of the family IO: checkpoints, whole files, summaries, and tensors as bytes."""
from cases import *

NAN, INF = float("nan"), float("inf")


def declare(table):
    checkpoints(table)
    files(table)
    summaries(table)
    serialized(table)


def save(name, prefix, names, tensors, slices=None):
    """The nodes that save constants under a prefix."""
    return [const(name + "_prefix", text(prefix)), const(name + "_names", text(names)),
            const(name + "_slices", text(slices or [""] * len(names))),
            *[const(f"{name}_{index}", one) for index, one in enumerate(tensors)],
            node(name, "SaveV2", [name + "_prefix", name + "_names", name + "_slices",
                                  *[f"{name}_{index}" for index in range(len(tensors))]],
                 dtypes=[one.dtype for one in tensors])]


def restore(name, prefix, names, dtypes, slices=None):
    return [const(name + "_prefix", text(prefix)), const(name + "_names", text(names)),
            const(name + "_slices", text(slices or [""] * len(names))),
            node(name, "RestoreV2", [name + "_prefix", name + "_names", name + "_slices"], dtypes=dtypes)]


def all_of(name, count):
    return [f"{name}:{index}" for index in range(count)]


def checkpoints(table):
    for dtype in ALL:
        values = [numbers(dtype, [2, 2]), numbers(dtype, [], start=2)]
        table.graph("RestoreV2", dtype,
                    [*save("s", "{dir}/c", ["a", "b"], values), *restore("r", "{dir}/c", ["b", "a"], [dtype, dtype])],
                    [run(target=["s"]), run(fetch=all_of("r", 2))], also=["SaveV2"])
    mixed = [f32([1, 2]), text([["a", b"\xff\x00"], ["", "long " * 30]]), i64([], [0, 3]), boolean(True)]
    table.graph("SaveV2", "several types", [*save("s", "{dir}/c", ["w/x", "t", "e", "b"], mixed),
                                            *restore("r", "{dir}/c", ["b", "t", "w/x", "e"],
                                                     ["bool", "string", "float32", "int64"])],
                [run(target=["s"]), run(fetch=all_of("r", 4))], also=["RestoreV2"])
    matrix = numbers("float32", [4, 3])
    rows = [Tensor("float32", matrix.array[:1]), Tensor("float32", matrix.array[1:])]
    table.graph("SaveV2", "slices of one tensor",
                [*save("s", "{dir}/c", ["m", "m"], rows, ["4 3 0,1:-", "4 3 1,3:-"]),
                 *restore("r", "{dir}/c", ["m", "m", "m"], ["float32"] * 3, ["", "4 3 0,2:1,2", "4 3 3,1:0,1"])],
                [run(target=["s"]), run(fetch=all_of("r", 3))], also=["RestoreV2"])
    table.graph("SaveV2", "a slice of another shape",
                [*save("s", "{dir}/c", ["m"], [f32([[1, 2]])], ["4 3 0,1:-"])],
                [run(target=["s"], fails="INVALID_ARGUMENT")])
    table.graph("RestoreV2", "what is not there",
                [*save("s", "{dir}/c", ["a"], [f32([1, 2])]), *restore("r", "{dir}/c", ["b"], ["float32"]),
                 *restore("t", "{dir}/c", ["a"], ["int32"]), *restore("u", "{dir}/d", ["a"], ["float32"])],
                [run(target=["s"]), run(fetch=["r:0"], fails="NOT_FOUND"),
                 run(fetch=["t:0"], fails="INVALID_ARGUMENT"), run(fetch=["u:0"], fails="NOT_FOUND")])
    table.graph("MergeV2Checkpoints", "two shards",
                [*save("s", "{dir}/tmp/p0", ["a", "c"], [f32([1, 2]), i32(3)]),
                 *save("t", "{dir}/tmp/p1", ["b"], [text(["x", "\u00e9"])]),
                 const("parts", text(["{dir}/tmp/p0", "{dir}/tmp/p1"])), const("whole", text("{dir}/c")),
                 node("m", "MergeV2Checkpoints", ["parts", "whole"]),
                 *restore("r", "{dir}/c", ["a", "b", "c"], ["float32", "string", "int32"]),
                 const("pattern", text(["{dir}/tmp/*"])), node("left", "MatchingFiles", ["pattern"])],
                [run(target=["s", "t"]), run(target=["m"]), run(fetch=[*all_of("r", 3), "left:0"])],
                also=["SaveV2", "RestoreV2", "MatchingFiles"])
    table.graph("MergeV2Checkpoints", "the parts are kept",
                [*save("s", "{dir}/tmp/p0", ["a"], [f32([1, 2])]), const("parts", text(["{dir}/tmp/p0"])),
                 const("whole", text("{dir}/c")),
                 node("m", "MergeV2Checkpoints", ["parts", "whole"], delete_old_dirs=False),
                 *restore("r", "{dir}/c", ["a"], ["float32"]),
                 const("pattern", text("{dir}/*")), node("left", "MatchingFiles", ["pattern"])],
                [run(target=["s"]), run(target=["m"]), run(fetch=["r:0", "left:0"])], also=["MatchingFiles"])
    table.graph("MergeV2Checkpoints", "a part is missing",
                [*save("s", "{dir}/p0", ["a"], [f32([1, 2])]), const("parts", text(["{dir}/p0", "{dir}/p1"])),
                 const("whole", text("{dir}/c")), node("m", "MergeV2Checkpoints", ["parts", "whole"]),
                 node("n", "MergeV2Checkpoints", ["parts", "whole"], allow_missing_files=True),
                 *restore("r", "{dir}/c", ["a"], ["float32"])],
                [run(target=["s"]), run(target=["m"], fails="INVALID_ARGUMENT"), run(target=["n"]), run(fetch=["r:0"])])
    table.case("ShardedFilename", "of two digits", [text("a/model-\u00e9"), i32(7), i32(12)])
    table.case("ShardedFilename", "more than five digits", [text(""), i32(1234567), i32(9999999)])
    table.case("ShardedFilespec", "of two digits", [text("a/model-\u00e9"), i32(12)])
    table.case("ShardedFilespec", "more than five digits", [text("m"), i32(9999999)])


def files(table):
    content = text(b"first line\nsecond\x00\xff")
    names = [const("name", text("{dir}/sub/f.txt")), const("content", content)]
    table.graph("ReadFile", "what was written",
                [*names, node("w", "WriteFile", ["name", "content"]), node("r", "ReadFile", ["name"])],
                [run(fetch=["r:0"], fails="NOT_FOUND"), run(target=["w"]), run(fetch=["r:0"])], also=["WriteFile"])
    table.graph("WriteFile", "twice", [const("name", text("{dir}/f")), node("x", "Placeholder", dtype="string", shape=[]),
                                       node("w", "WriteFile", ["name", "x"]), node("r", "ReadFile", ["name", "^w"])],
                [run(fetch=["r:0"], feed={"x:0": text("longer text")}), run(fetch=["r:0"], feed={"x:0": text("b")}),
                 run(fetch=["r:0"], feed={"x:0": text("")})], also=["ReadFile"])
    table.case("ReadFile", "a vector", [text(["{dir}/a"])], fails="INVALID_ARGUMENT")
    written = []
    for index, name in enumerate(["b.txt", "a.txt", "c.dat", "d/e.txt", "d/f.txt"]):
        written += [const(f"n{index}", text("{dir}/" + name)), node(f"w{index}", "WriteFile", [f"n{index}", "c"])]
    patterns = [("all", ["{dir}/*"]), ("one kind", ["{dir}/*.txt"]), ("a character", ["{dir}/?.txt"]),
                ("a set", ["{dir}/[bc].*"]), ("in folders", ["{dir}/*/*.txt"]), ("a name", ["{dir}/a.txt"]),
                ("several patterns", ["{dir}/c*", "{dir}/*.txt"]), ("nothing", ["{dir}/x*"])]
    for name, pattern in patterns:
        table.graph("MatchingFiles", name, [const("c", text("x")), *written, const("p", text(pattern)),
                                            node("m", "MatchingFiles", ["p"])],
                    [run(target=[f"w{index}" for index in range(5)]), run(fetch=["m:0"])], also=["WriteFile"])


def summaries(table):
    table.types("ScalarSummary", lambda dtype: [text(["loss", "\u00e9"]), numbers(dtype, 2)])
    table.case("ScalarSummary", "float32, scalar", [text("x"), f32(2.5)])
    table.case("ScalarSummary", "float32, not finite", [text(["a", "b"]), f32([NAN, -INF])])
    table.case("ScalarSummary", "float32, shapes that do not fit", [text(["a"]), f32([1, 2])], fails="INVALID_ARGUMENT")
    table.types("HistogramSummary", lambda dtype: [text("h"), numbers(dtype, [2, 3])])
    table.case("HistogramSummary", "float32, empty", [text("h"), f32([], [0])])
    table.case("HistogramSummary", "float32, spread", [text("h"), f32([0, 1e-13, -1e-13, 1e20, -1e20, 1e30, 5, 5])])
    table.case("HistogramSummary", "float32, not a number", [text("h"), f32([1, NAN])], fails="INVALID_ARGUMENT")
    table.case("HistogramSummary", "float32, infinite", [text("h"), f32([1, INF])], fails="INVALID_ARGUMENT")
    # The bytes of a PNG file depend on its writer; Tests/WeirOpsTests compares the pixels.
    for dtype in ["uint8", "float32", "float16", "float64"]:
        table.case("ImageSummary", f"{dtype}, two images", [text("i"), tensor(dtype, [[[[1], [2]]], [[[0], [3]]]])], any=True)
    table.case("ImageSummary", "float32, two channels", [text("i"), f32([[[[1, 2]]]])], fails="INVALID_ARGUMENT")
    table.case("ImageSummary", "float32, no batch", [text("i"), f32([[[1]]])], fails="INVALID_ARGUMENT")
    table.types("TensorSummaryV2", lambda dtype: [text("t"), numbers(dtype, [2, 1]), text(b"\n\x03\n\x01p")])
    table.case("TensorSummaryV2", "float32, no metadata", [text("t"), f32([[1, 2], [3, 4]]), text("")])
    table.case("TensorSummaryV2", "float32, scalar", [text("t"), f32(7), text("")])
    table.graph("MergeSummary", "scalars and a histogram",
                [const("a", text("a")), const("b", text("b")), const("x", f32(1.5)), const("y", f32([1, 2, 2])),
                 node("s", "ScalarSummary", ["a", "x"], T="float32"),
                 node("h", "HistogramSummary", ["b", "y"], T="float32"), node("m", "MergeSummary", ["s", "h"], N=2)],
                [run(fetch=["m:0"])], also=["ScalarSummary", "HistogramSummary"])
    table.graph("MergeSummary", "a tag twice",
                [const("a", text("a")), const("x", f32(1.5)), node("s", "ScalarSummary", ["a", "x"], T="float32"),
                 node("m", "MergeSummary", ["s", "s"], N=2)],
                [run(fetch=["m:0"], fails="INVALID_ARGUMENT")])
    table.case("MergeSummary", "no summary", [text(b"\xff")], fails="INVALID_ARGUMENT")


def serialized(table):
    table.types("SerializeTensor", lambda dtype: [numbers(dtype, [2, 2])])
    table.case("SerializeTensor", "float32, scalar", [f32(2.5)])
    table.case("SerializeTensor", "float32, empty", [f32([], [0, 2])])
    table.case("SerializeTensor", "float32, all the same", [f32(3, [5])])
    for dtype in kernel_types("SerializeTensor"):
        table.graph("ParseTensor", dtype,
                    [const("x", numbers(dtype, [2, 2])), node("s", "SerializeTensor", ["x"], T=dtype),
                     node("p", "ParseTensor", ["s"], out_type=dtype)],
                    [run(fetch=["p:0"])], also=["SerializeTensor"])
    # Fields of a TensorProto: 1 the type, 2 the shape, 5 float_val, packed.
    table.case("ParseTensor", "float32, values in fields",
               [text(b"\x08\x01\x12\x04\x12\x02\x08\x03\x2a\x08\x00\x00\x80\x3f\x00\x00\x00\xc0")], out_type="float32")
    table.case("ParseTensor", "float32, another type", [text(b"\x08\x03\x12\x00\x38\x05")], out_type="float32",
               fails="INVALID_ARGUMENT")
    table.case("ParseTensor", "float32, no tensor", [text(b"\xff")], out_type="float32", fails="INVALID_ARGUMENT")
    table.case("ParseTensor", "float32, two texts", [text(["", ""])], out_type="float32", fails="INVALID_ARGUMENT")

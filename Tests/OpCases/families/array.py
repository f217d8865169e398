"""Cases of the family Array: making, moving, cutting and joining tensors."""
from cases import *

NAN, INF = float("nan"), float("inf")


def declare(table):
    constants(table)
    identities(table)
    shapes(table)
    joining(table)
    slices(table)
    gathers(table)
    scatters(table)
    fills(table)
    paddings(table)
    reversals(table)
    searches(table)
    diagonals(table)
    blocks(table)
    stitches(table)


def rows(dtype):
    """A matrix of three rows."""
    return numbers(dtype, [3, 2])


# --- Constants and placeholders --------------------------------------------------------------------------------------

def constants(table):
    for op in ("Const", "HostConst"):
        for dtype in ALL:
            table.case(op, dtype, [], dtype=dtype, value=numbers(dtype, 3))
        table.case(op, "float32, scalar", [], dtype="float32", value=f32(2.5))
        table.case(op, "float32, one value for all", [], dtype="float32", value=f32([[7, 7], [7, 7]]))
        table.case(op, "float32, empty", [], dtype="float32", value=f32([], [0, 3]))
        table.case(op, "float32, not finite", [], dtype="float32", value=f32([NAN, INF, -INF, -0.0]))
    for op, types in (("Placeholder", ALL), ("PlaceholderV2", ["float32", "int64", "string"])):
        for dtype in types:
            table.graph(op, dtype, [node("x", op, dtype=dtype, shape=[None]),
                                    node("y", "Identity", ["x"], T=dtype)],
                        [run(fetch=["y:0"], feed={"x:0": numbers(dtype, 3)})])
        table.graph(op, "float32, not fed", [node("x", op, dtype="float32", shape=[None])],
                    [run(fetch=["x:0"], fails="INVALID_ARGUMENT")])
    table.graph("Placeholder", "float32, unknown rank",
                [node("x", "Placeholder", dtype="float32", shape="unknown"), node("y", "Shape", ["x"], T="float32")],
                [run(fetch=["y:0"], feed={"x:0": f32([[1, 2, 3]])}), run(fetch=["y:0"], feed={"x:0": f32(1)})])
    for dtype in ALL:
        table.graph("PlaceholderWithDefault", dtype,
                    [const("x", numbers(dtype, 2)),
                     node("p", "PlaceholderWithDefault", ["x"], dtype=dtype, shape=[None])], [run(fetch=["p:0"])])
    table.graph("PlaceholderWithDefault", "float32, fed",
                [const("x", f32([1, 2])), node("p", "PlaceholderWithDefault", ["x"], dtype="float32", shape=[None]),
                 node("y", "Neg", ["p"], T="float32")],
                [run(fetch=["y:0"]), run(fetch=["y:0"], feed={"p:0": f32([3, -4, 5])})])


# --- Identities ------------------------------------------------------------------------------------------------------

def identities(table):
    for op in ("Identity", "StopGradient", "Snapshot", "DeepCopy", "GuaranteeConst"):
        table.types(op, lambda dtype: [numbers(dtype, 3)], without=QUANTIZED if op == "DeepCopy" else ())
        table.case(op, "float32, empty", [f32([], [2, 0])])
        table.case(op, "float32, scalar, not a number", [f32(NAN)], grad=False)
    table.types("PreventGradient", lambda dtype: [numbers(dtype, 3)], grad=False, message="no gradient")
    table.graph("PreventGradient", "float32, without a message",
                [const("x", f32([1, -2])), node("y", "PreventGradient", ["x"], T="float32")], [run(fetch=["y:0"])])
    table.case("IdentityN", "several types", [f32([1, -2]), text(["a", b"\xff", ""]), i64(7), boolean([True, False])])
    table.case("IdentityN", "float32 twice", [f32([1, -2]), f32([[3], [4]])])
    for dtype in ALL:
        table.case("IdentityN", dtype, [numbers(dtype, 2), numbers(dtype, 3, start=1)])
    for dtype in ("float32", "int32", "bool", "string", "complex64"):
        table.graph("RefIdentity", dtype,
                    [node("v", "VariableV2", dtype=dtype, shape=[3]), const("x", numbers(dtype, 3)),
                     node("a", "Assign", ["v", "x"], T=dtype), node("r", "RefIdentity", ["v"], T=dtype),
                     node("b", "Assign", ["r", "z"], T=dtype), const("z", numbers(dtype, 3, start=4)),
                     node("y", "Identity", ["r"], T=dtype)],
                    [run(target=["a"]), run(fetch=["y:0"]), run(target=["b"]), run(fetch=["y:0"])])
    table.types("CheckNumerics", lambda dtype: [numbers(dtype, 3)], message="checked")
    table.types("CheckNumericsV2", lambda dtype: [numbers(dtype, 3)], message="checked")
    for op in ("CheckNumerics", "CheckNumericsV2"):
        for dtype in REALS:
            for name, value in (("not a number", NAN), ("infinite", INF), ("minus infinite", -INF)):
                table.case(op, f"{dtype}, {name}", [tensor(dtype, [1, value, 2])], message="checked",
                           fails="INVALID_ARGUMENT")
        table.case(op, "float32, empty", [f32([], [0])], message="checked")
    table.types("EnsureShape", lambda dtype: [numbers(dtype, [2, 1])], shape=[2, None])
    table.case("EnsureShape", "float32, scalar", [f32(1)], shape=[])
    table.case("EnsureShape", "float32, another size", [f32([1, 2])], shape=[3], fails="INVALID_ARGUMENT")
    table.case("EnsureShape", "float32, another rank", [f32([1, 2])], shape=[None, None], fails="INVALID_ARGUMENT")


# --- Shapes ----------------------------------------------------------------------------------------------------------

def shapes(table):
    table.types("Reshape", lambda dtype: [numbers(dtype, [2, 2]), i32([4])])
    table.case("Reshape", "float32, one size left open", [numbers("float32", [2, 3]), i64([3, -1])])
    table.case("Reshape", "float32, to a scalar", [f32([[5]]), i32([], [0])])
    table.case("Reshape", "float32, empty", [f32([], [0, 3]), i32([3, 0, 2])])
    table.case("Reshape", "float32, empty with one size left open", [f32([], [0, 3]), i32([-1, 3])])
    table.case("Reshape", "float32, another count", [f32([1, 2, 3]), i32([2, 2])], fails="INVALID_ARGUMENT")
    table.case("Reshape", "float32, two sizes left open", [f32([1, 2]), i32([-1, -1])], fails="INVALID_ARGUMENT")
    table.case("Reshape", "float32, negative size", [f32([1, 2]), i32([-2, 1])], fails="INVALID_ARGUMENT")

    table.types("Squeeze", lambda dtype: [numbers(dtype, [1, 2, 1])])
    table.case("Squeeze", "float32, one dimension", [numbers("float32", [1, 2, 1])], squeeze_dims=[0])
    table.case("Squeeze", "float32, negative dimensions", [numbers("float32", [1, 2, 1, 1])], squeeze_dims=[-1, 0])
    table.case("Squeeze", "float32, to a scalar", [f32([[3]])])
    table.case("Squeeze", "float32, a size of 2", [f32([[3, 4]])], squeeze_dims=[1], fails="INVALID_ARGUMENT")
    table.case("Squeeze", "float32, no such dimension", [f32([3])], squeeze_dims=[2], fails="INVALID_ARGUMENT")

    table.types("ExpandDims", lambda dtype: [numbers(dtype, [2]), i32(0)])
    table.case("ExpandDims", "float32, last", [numbers("float32", [2, 2]), i64(-1)])
    table.case("ExpandDims", "float32, middle", [numbers("float32", [2, 2]), i32([1])])
    table.case("ExpandDims", "float32, scalar", [f32(3), i32(0)])
    table.case("ExpandDims", "float32, no such place", [f32([3]), i32(3)], fails="INVALID_ARGUMENT")

    bitcasts(table)
    for out_type in ("int32", "int64"):
        for op in ("Shape", "Size"):
            table.types(op, lambda dtype: [numbers(dtype, [2, 1, 3])], name="{} to " + out_type, out_type=out_type) \
                if out_type == "int32" else \
                table.case(op, "float32 to int64", [numbers("float32", [2, 1, 3])], out_type=out_type)
            table.case(op, "float32, scalar to " + out_type, [f32(1)], out_type=out_type)
            table.case(op, "float32, empty to " + out_type, [f32([], [3, 0])], out_type=out_type)
        table.case("ShapeN", "float32 to " + out_type, [f32([1, 2]), f32([[1], [2], [3]]), f32(0)], out_type=out_type)
    table.types("ShapeN", lambda dtype: [numbers(dtype, [2]), numbers(dtype, [1, 3])])
    table.types("Rank", lambda dtype: [numbers(dtype, [2, 1, 1])])
    table.case("Rank", "float32, scalar", [f32(1)])
    table.case("Rank", "float32, empty", [f32([], [0, 2])])

    table.types("Transpose", lambda dtype: [numbers(dtype, [2, 3]), i32([1, 0])])
    table.types("ConjugateTranspose", lambda dtype: [numbers(dtype, [2, 2]), i32([1, 0])])
    for op in ("Transpose", "ConjugateTranspose"):
        table.case(op, "float32, three dimensions", [numbers("float32", [2, 3, 2]), i64([2, 0, 1])])
        table.case(op, "float32, four dimensions", [numbers("float32", [2, 1, 2, 3]), i32([0, 3, 2, 1])])
        table.case(op, "float32, scalar", [f32(3), i32([], [0])])
        table.case(op, "float32, empty", [f32([], [2, 0, 3]), i32([2, 1, 0])])
        table.case(op, "complex64, three dimensions", [numbers("complex64", [2, 1, 3]), i32([2, 0, 1])])
        table.case(op, "float32, a dimension twice", [numbers("float32", [2, 2]), i32([0, 0])],
                   fails="INVALID_ARGUMENT")
        table.case(op, "float32, no such dimension", [numbers("float32", [2, 2]), i32([0, 2])],
                   fails="INVALID_ARGUMENT")
    table.case("Transpose", "float32, negative dimensions", [numbers("float32", [2, 1, 3]), i32([-1, 0, -2])], grad=False)
    table.types("InvertPermutation", lambda dtype: [tensor(dtype, [2, 4, 3, 0, 1])])
    table.case("InvertPermutation", "int32, empty", [i32([], [0])])
    table.case("InvertPermutation", "int32, twice the same", [i32([1, 1, 0])], fails="INVALID_ARGUMENT")
    table.case("InvertPermutation", "int32, too large", [i32([1, 3, 0])], fails="INVALID_ARGUMENT")
    for op in ("DataFormatDimMap", "DataFormatVecPermute"):
        table.types(op, lambda dtype: [tensor(dtype, [3, 1, 2, 0])])
        table.case(op, "int32, NCHW to NHWC", [i32([3, 1, 2, 0])], src_format="NCHW", dst_format="NHWC")
        table.case(op, "int32, HWNC", [i32([3, 1, 2, 0])], src_format="NHWC", dst_format="HWNC")
        table.case(op, "int32, NDHWC to NCDHW", [i32([4, 3, 2, 1, 0])], src_format="NDHWC", dst_format="NCDHW")
    table.case("DataFormatDimMap", "int32, negative", [i32([[-1, -4], [0, 2]])])
    table.case("DataFormatVecPermute", "int32, two columns", [i32([[0, 1], [2, 3], [4, 5], [6, 7]])])
    table.case("DataFormatVecPermute", "int32, height and width", [i32([5, 6])], src_format="NHWC", dst_format="NCHW")


def bitcasts(table):
    sizes = {"int8": 1, "uint8": 1, "qint8": 1, "quint8": 1, "int16": 2, "uint16": 2, "qint16": 2, "quint16": 2,
             "float16": 2, "bfloat16": 2, "int32": 4, "uint32": 4, "float32": 4, "qint32": 4, "int64": 8, "uint64": 8,
             "float64": 8, "complex64": 8, "complex128": 16}
    unsigned = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64", 16: "uint64"}
    for dtype, size in sizes.items():
        if dtype != unsigned[size]:
            table.case("Bitcast", f"{dtype} to {unsigned[size]}", [numbers(dtype, 2)], type=unsigned[size], grad=False)
        pattern = numbers(unsigned[size], [2] if size < 16 else [2, 2])
        if dtype != unsigned[size]:
            table.case("Bitcast", f"{unsigned[size]} to {dtype}", [pattern], type=dtype, grad=False)
    table.case("Bitcast", "float32 to uint8", [f32([1, -2.5])], type="uint8", grad=False)
    table.case("Bitcast", "uint8 to float32", [tensor("uint8", [[0, 0, 128, 63], [0, 0, 32, 192]])], type="float32",
               grad=False)
    table.case("Bitcast", "float32 to float32", [f32([1, -2.5])], type="float32", grad=False)
    table.case("Bitcast", "uint8 to float32, wrong size", [tensor("uint8", [1, 2, 3])], type="float32",
               fails="INVALID_ARGUMENT")


# --- Joining ---------------------------------------------------------------------------------------------------------

def joining(table):
    table.types("Concat", lambda dtype: [i32(1), numbers(dtype, [2, 1]), numbers(dtype, [2, 2], start=3)])
    table.types("ConcatV2", lambda dtype: [numbers(dtype, [2, 1]), numbers(dtype, [2, 2], start=3), i32(1)])
    table.case("Concat", "float32, rows", [i32(0), numbers("float32", [1, 2]), numbers("float32", [2, 2], start=5)])
    table.case("Concat", "float32, negative axis", [i32(-1), f32([[1], [2]]), f32([[3, 4], [5, 6]])])
    table.case("Concat", "float32, one part empty", [i32(0), f32([], [0]), f32([3, 4]), f32([5])])
    table.case("Concat", "float32, shapes that do not fit", [i32(0), f32([[1, 2]]), f32([[1]])],
               fails="INVALID_ARGUMENT")
    table.case("ConcatV2", "float32, rows", [numbers("float32", [1, 2]), numbers("float32", [2, 2], start=5), i32(0)])
    table.case("ConcatV2", "float32, int64 axis", [f32([[1, 2]]), f32([[3, 4]]), i64(1)], grad=False)
    table.case("ConcatV2", "float32, negative axis", [f32([[1], [2]]), f32([[3, 4], [5, 6]]), i32(-2 + 1)])
    table.case("ConcatV2", "float32, middle of three dimensions, three parts",
               [numbers("float32", [2, 1, 2]), numbers("float32", [2, 2, 2], start=4),
                numbers("float32", [2, 1, 2], start=7), i32(1)])
    table.case("ConcatV2", "float32, one part empty", [f32([], [0]), f32([3, 4]), i32(0)])
    table.case("ConcatV2", "float32, shapes that do not fit", [f32([[1, 2]]), f32([[1]]), i32(0)],
               fails="INVALID_ARGUMENT")
    table.case("ConcatV2", "float32, no such axis", [f32([1]), f32([1]), i32(1)], fails="INVALID_ARGUMENT")
    table.case("ConcatV2", "float32, scalars", [f32(1), f32(2), i32(0)], fails="INVALID_ARGUMENT")
    table.types("ConcatOffset", lambda dtype: [i32(1), *[tensor(dtype, [2, size, 3]) for size in (4, 1, 5)]],
                by="shape_type")
    table.case("ConcatOffset", "int32, negative dimension", [i32(-3), i32([2, 4, 3]), i32([1, 4, 3])])
    table.case("ConcatOffset", "int32, shapes that do not fit", [i32(0), i32([2, 4]), i32([1, 3])],
               fails="INVALID_ARGUMENT")

    table.types("ParallelConcat", lambda dtype: [numbers(dtype, [1, 2]), numbers(dtype, [1, 2], start=3)],
                shape=[2, 2], grad=False)
    table.case("ParallelConcat", "float32, three rows", [f32([1]), f32([-2]), f32([3])], shape=[3], grad=False)
    for dtype in ("float32", "int32", "int64", "bool", "string", "complex128"):
        table.graph("_ParallelConcatUpdate", dtype,
                    [node("s", "_ParallelConcatStart", dtype=dtype, shape=[2, 2]),
                     const("a", numbers(dtype, [1, 2])), const("b", numbers(dtype, [1, 2], start=3)),
                     node("u", "_ParallelConcatUpdate", ["s", "a"], T=dtype, loc=1),
                     node("v", "_ParallelConcatUpdate", ["s", "b"], T=dtype, loc=0),
                     node("y", "Identity", ["u", "^v"], T=dtype)],
                    [run(fetch=["y:0"])], also=["_ParallelConcatStart"])

    table.types("Split", lambda dtype: [i32(1), numbers(dtype, [1, 4])], num_split=2)
    table.case("Split", "float32, rows", [i32(0), numbers("float32", [3, 2])], num_split=3)
    table.case("Split", "float32, negative dimension", [i32(-2), numbers("float32", [2, 2, 3])], num_split=2)
    table.case("Split", "float32, one part", [i32(0), f32([1, 2])], num_split=1)
    table.case("Split", "float32, empty", [i32(1), f32([], [0, 4])], num_split=2)
    table.case("Split", "float32, uneven", [i32(0), f32([1, 2, 3])], num_split=2, fails="INVALID_ARGUMENT")
    table.types("SplitV", lambda dtype: [numbers(dtype, [4]), i64([1, 3]), i32(0)], num_split=2)
    table.case("SplitV", "float32, one size left open", [numbers("float32", [2, 4]), i32([1, -1, 0]), i32(1)],
               num_split=3)
    table.case("SplitV", "float32, negative dimension", [numbers("float32", [2, 3]), i64([2, 1]), i32(-1)], num_split=2)
    table.case("SplitV", "float32, one part", [f32([1, 2]), i64([2]), i32(0)], num_split=1)
    # TensorFlow's shape function rejects constant sizes of int8.
    table.graph("SplitV", "float32, sizes of int8",
                [const("x", f32([1, 2, 3])), node("s", "Placeholder", dtype="int8", shape=[2]), const("d", i32(0)),
                 node("y", "SplitV", ["x", "s", "d"], T="float32", Tlen="int8", num_split=2)],
                [run(fetch=["y:0", "y:1"], feed={"s:0": tensor("int8", [1, 2])})])
    table.case("SplitV", "float32, wrong sum", [f32([1, 2, 3]), i64([1, 1]), i32(0)], num_split=2,
               fails="INVALID_ARGUMENT")
    table.types("Pack", lambda dtype: [numbers(dtype, [2]), numbers(dtype, [2], start=3)])
    table.case("Pack", "float32, last axis", [numbers("float32", [2, 2]), numbers("float32", [2, 2], start=4)], axis=-1)
    table.case("Pack", "float32, axis 1, three parts", [f32([1, 2]), f32([3, 4]), f32([5, 6])], axis=1)
    table.case("Pack", "float32, scalars", [f32(1), f32(-2)])
    table.case("Pack", "float32, one part", [f32([[1, 2]])], axis=2)
    table.case("Pack", "float32, shapes that do not fit", [f32([1, 2]), f32([1])], fails="INVALID_ARGUMENT")
    table.types("Unpack", lambda dtype: [numbers(dtype, [2, 2])], num=2)
    table.case("Unpack", "float32, last axis", [numbers("float32", [2, 3])], num=3, axis=-1)
    table.case("Unpack", "float32, axis 1", [numbers("float32", [2, 2, 3])], num=2, axis=1)
    table.case("Unpack", "float32, to scalars", [f32([1, -2])], num=2)
    table.case("Unpack", "float32, wrong number", [f32([1, -2])], num=3, fails="INVALID_ARGUMENT")


# --- Slices ----------------------------------------------------------------------------------------------------------

def slices(table):
    table.types("Slice", lambda dtype: [numbers(dtype, [2, 3]), i32([0, 1]), i32([2, 2])])
    table.case("Slice", "float32, to the end", [numbers("float32", [3, 4]), i64([1, 2]), i64([-1, -1])])
    table.case("Slice", "float32, nothing", [numbers("float32", [3, 4]), i32([1, 2]), i32([2, 0])])
    table.case("Slice", "float32, all", [numbers("float32", [2, 2]), i32([0, 0]), i32([2, -1])])
    table.case("Slice", "float32, three dimensions", [numbers("float32", [2, 3, 4]), i32([1, 0, 1]), i32([1, 2, 3])])
    table.case("Slice", "float32, scalar", [f32(3), i32([], [0]), i32([], [0])])
    table.case("Slice", "float32, too far", [f32([1, 2]), i32([1]), i32([2])], fails="INVALID_ARGUMENT")

    strided = [("a range", [3, 4], [0, 1], [2, 3], [1, 1], {}),
               ("strides", [3, 4], [0, 0], [3, 4], [2, 3], {}),
               ("negative strides", [3, 4], [-1, 3], [-4, 0], [-1, -2], {}),
               ("open begin", [3, 4], [2, 1], [3, 3], [1, 1], {"begin_mask": 1}),
               ("open end", [3, 4], [1, 1], [0, 2], [1, 1], {"end_mask": 1}),
               ("open on both sides, backwards", [3, 4], [0, 0], [0, 0], [-1, -1], {"begin_mask": 3, "end_mask": 3}),
               ("ellipsis", [2, 2, 3], [0, 1], [0, 2], [1, 1], {"ellipsis_mask": 1}),
               ("ellipsis in the middle", [2, 2, 3], [1, 0, 1], [2, 0, 3], [1, 1, 1], {"ellipsis_mask": 2}),
               ("new axis", [2, 3], [0, 0, 1], [1, 2, 3], [1, 1, 1], {"new_axis_mask": 1}),
               ("shrunk", [3, 4], [1, 0], [2, 4], [1, 2], {"shrink_axis_mask": 1}),
               ("shrunk, from the end", [3, 4], [-1, 1], [0, 3], [1, 1], {"shrink_axis_mask": 1, "end_mask": 1}),
               ("all masks", [2, 2, 3], [0, 0, 0, 2], [0, 0, 0, 9], [1, 1, 1, 1],
                {"ellipsis_mask": 2, "new_axis_mask": 4, "shrink_axis_mask": 8, "begin_mask": 1, "end_mask": 1}),
               ("nothing", [3, 4], [2, 0], [1, 4], [1, 1], {}),
               ("out of range", [3, 4], [-9, 2], [9, 99], [1, 1], {}),
               ("fewer than dimensions", [3, 4], [1], [2], [1], {})]
    table.types("StridedSlice", lambda dtype: [numbers(dtype, [5]), i32([4]), i32([0]), i32([-2])])
    table.types("StridedSliceGrad", lambda dtype: [i32([5]), i32([4]), i32([0]), i32([-2]), numbers(dtype, 2)])
    table.types("TensorStridedSliceUpdate",
                lambda dtype: [numbers(dtype, [5]), i32([4]), i32([0]), i32([-2]), numbers(dtype, 2, start=5)],
                without=["qint8", "quint8", "qint32"])
    for name, shape, begin, end, strides, masks in strided:
        index = i64 if len(name) % 2 else i32
        places = [index(begin), index(end), index(strides)]
        table.case("StridedSlice", "float32, " + name, [numbers("float32", shape), *places], **masks)
        taken = sliced(shape, begin, end, strides, masks)
        table.case("StridedSliceGrad", "float32, " + name, [index(shape), *places, numbers("float32", taken, start=2)],
                   **masks)
        table.case("TensorStridedSliceUpdate", "float32, " + name,
                   [numbers("float32", shape), *places, numbers("float32", taken, start=7)], **masks)
    table.case("StridedSlice", "float32, int16 places",
               [numbers("float32", [5]), *[tensor("int16", one) for one in ([1], [4], [2])]], grad=False)
    table.case("StridedSlice", "float32, one element out of range", [f32([1, 2]), i32([2]), i32([3]), i32([1])],
               shrink_axis_mask=1, fails="INVALID_ARGUMENT")
    table.case("StridedSlice", "float32, stride 0", [f32([1, 2]), i32([0]), i32([1]), i32([0])],
               fails="INVALID_ARGUMENT")
    table.case("StridedSlice", "float32, too many", [f32([1, 2]), i32([0, 0]), i32([1, 1]), i32([1, 1])],
               fails="INVALID_ARGUMENT")
    table.case("TensorStridedSliceUpdate", "float32, one value for all",
               [numbers("float32", [3, 2]), i32([1]), i32([3]), i32([1]), f32(9)])
    table.case("StridedSliceGrad", "float32, wrong shape",
               [i32([5]), i32([1]), i32([3]), i32([1]), f32([1, 2, 3])], fails="INVALID_ARGUMENT")


def sliced(shape, begin, end, strides, masks):
    """The shape of a strided slice."""
    index = []
    for place in range(len(begin)):
        def has(mask):
            return masks.get(mask, 0) >> place & 1
        if has("ellipsis_mask"):
            index.append(Ellipsis)
        elif has("new_axis_mask"):
            index.append(None)
        elif has("shrink_axis_mask"):
            index.append(begin[place])
        else:
            index.append(slice(None if has("begin_mask") else begin[place], None if has("end_mask") else end[place],
                               strides[place]))
    return list(np.zeros(shape)[tuple(index)].shape)


# --- Gathering -------------------------------------------------------------------------------------------------------

def gathers(table):
    table.types("Gather", lambda dtype: [rows(dtype), i32([2, 0, 2])], by="Tparams")
    table.case("Gather", "float32, matrix of int64", [rows("float32"), i64([[1, 0], [2, 2]])])
    table.case("Gather", "float32, scalar", [rows("float32"), i32(1)])
    table.case("Gather", "float32, no indices", [rows("float32"), i32([], [0])])
    table.case("Gather", "float32, out of range", [rows("float32"), i32([3])], fails="INVALID_ARGUMENT")
    table.case("Gather", "float32, negative", [rows("float32"), i32([-1])], fails="INVALID_ARGUMENT")
    table.types("GatherV2", lambda dtype: [rows(dtype), i32([2, 0]), i32(0)], by="Tparams")
    table.case("GatherV2", "float32, columns", [rows("float32"), i32([1, 0, 1]), i32(1)])
    table.case("GatherV2", "float32, last axis of three", [numbers("float32", [2, 2, 3]), i64([[2, 0]]), i64(-1)])
    table.case("GatherV2", "float32, scalar", [rows("float32"), i32(1), i32(0)])
    table.case("GatherV2", "float32, one batch dimension", [numbers("float32", [2, 3]), i32([[2, 0], [1, 1]]), i32(1)],
               batch_dims=1)
    table.case("GatherV2", "float32, batch dimensions, later axis",
               [numbers("float32", [2, 2, 3]), i32([[2, 0], [1, 1]]), i32(2)], batch_dims=1)
    table.case("GatherV2", "float32, negative batch dimensions",
               [numbers("float32", [2, 3]), i32([[2, 0], [1, 1]]), i32(1)], batch_dims=-1)
    table.case("GatherV2", "float32, no indices", [rows("float32"), i32([], [0]), i32(1)])
    table.case("GatherV2", "float32, int16 indices", [rows("float32"), tensor("int16", [1, 2]), i32(0)])
    table.case("GatherV2", "float32, out of range", [rows("float32"), i32([2]), i32(1)], fails="INVALID_ARGUMENT")
    table.case("GatherV2", "float32, no such axis", [rows("float32"), i32([0]), i32(2)], fails="INVALID_ARGUMENT")
    table.types("GatherNd", lambda dtype: [rows(dtype), i32([[2, 1], [0, 0]])], by="Tparams")
    table.case("GatherNd", "float32, rows", [rows("float32"), i64([[2], [0]])])
    table.case("GatherNd", "float32, all", [rows("float32"), i32([], [2, 0])], grad=False)
    table.case("GatherNd", "float32, three dimensions", [numbers("float32", [2, 2, 3]), i32([[[1, 0]], [[0, 1]]])])
    table.case("GatherNd", "float32, int16 indices", [rows("float32"), tensor("int16", [[1, 1]])], grad=False)
    table.case("GatherNd", "float32, out of range", [rows("float32"), i32([[0, 2]])], fails="INVALID_ARGUMENT")
    table.case("GatherNd", "float32, out of range ignored", [rows("float32"), i32([[0, 2], [2, 1], [-1, 0]])],
               bad_indices_policy="IGNORE")
    table.case("GatherNd", "float32, too many", [f32([1, 2]), i32([[0, 0]])], fails="INVALID_ARGUMENT")


# --- Scattering ------------------------------------------------------------------------------------------------------

def scatters(table):
    table.types("ScatterNd", lambda dtype: [i32([[2], [0], [2]] if dtype not in ("bool", "string") else [[2], [0], [1]]),
                                            numbers(dtype, 3), i32([4])])
    table.case("ScatterNd", "float32, rows", [i64([[1], [0]]), numbers("float32", [2, 2]), i64([3, 2])])
    table.case("ScatterNd", "float32, elements", [i32([[1, 0], [0, 1], [1, 0]]), f32([1, -2, 3]), i32([2, 2])])
    table.case("ScatterNd", "float32, nothing", [i32([], [0, 1]), f32([], [0, 2]), i32([2, 2])])
    table.case("ScatterNd", "float32, out of range", [i32([[3]]), f32([5]), i32([3])], fails="INVALID_ARGUMENT")
    table.case("ScatterNd", "float32, out of range ignored", [i32([[3], [1]]), f32([5, 6]), i32([3])],
               bad_indices_policy="IGNORE", grad=False)
    table.case("ScatterNd", "float32, shapes that do not fit", [i32([[1]]), f32([[5, 6]]), i32([3])],
               fails="INVALID_ARGUMENT")
    table.types("ScatterNdNonAliasingAdd", lambda dtype: [numbers(dtype, 3), i32([[2], [0], [2]]),
                                                          numbers(dtype, 3, start=4)])
    table.case("ScatterNdNonAliasingAdd", "float32, rows",
               [rows("float32"), i64([[1], [1]]), numbers("float32", [2, 2], start=5)])
    table.case("ScatterNdNonAliasingAdd", "float32, out of range", [f32([1, 2]), i32([[2]]), f32([1])],
               fails="INVALID_ARGUMENT")
    table.case("ScatterNdNonAliasingAdd", "float32, out of range ignored", [f32([1, 2]), i32([[2], [1]]), f32([1, 5])],
               bad_indices_policy="IGNORE", grad=False)
    for op in ("Update", "Add", "Sub", "Min", "Max"):
        op = "TensorScatter" + op
        twice = [[2], [0], [2]] if op != "TensorScatterUpdate" else [[2], [0], [1]]
        table.types(op, lambda dtype: [numbers(dtype, 4), i32(twice), numbers(dtype, 3, start=5)])
        table.case(op, "float32, rows", [rows("float32"), i64([[2], [0]]), numbers("float32", [2, 2], start=5)])
        table.case(op, "float32, elements", [rows("float32"), i32([[2, 1], [0, 0]]), f32([9, -9])])
        table.case(op, "float32, nothing", [rows("float32"), i32([], [0, 1]), f32([], [0, 2])], grad=False)
        table.case(op, "float32, not a number", [f32([1, 2]), i32([[1]]), f32([NAN])], grad=False)
        table.case(op, "float32, out of range", [f32([1, 2]), i32([[2]]), f32([1])], fails="INVALID_ARGUMENT")
        table.case(op, "float32, out of range ignored", [f32([1, 2]), i32([[2], [1]]), f32([1, 5])],
                   bad_indices_policy="IGNORE", grad=False)
        table.case(op, "float32, shapes that do not fit", [f32([1, 2]), i32([[1]]), f32([1, 2])],
                   fails="INVALID_ARGUMENT")
    for op in ("InplaceUpdate", "InplaceAdd", "InplaceSub"):
        table.types(op, lambda dtype: [numbers(dtype, [3, 1]), i32([2, 0]), numbers(dtype, [2, 1], start=5)],
                    without=[*QUANTIZED, *([] if op == "InplaceUpdate" else ["bool", "string"])])
        table.case(op, "float32, rows counted round", [rows("float32"), i32([-1, 4]), f32([[7, 8], [9, 5]])])
        table.case(op, "float32, shapes that do not fit", [rows("float32"), i32([0]), f32([[7, 8, 9]])],
                   fails="INVALID_ARGUMENT")
    for op in ("InplaceAdd", "InplaceSub"):
        table.case(op, "float32, a row twice", [rows("float32"), i32([1, 1]), f32([[7, 8], [9, 5]])])
    table.types("SparseToDense", lambda dtype: [i32([[1], [3]]), i32([5]), numbers(dtype, 2, start=3),
                                                numbers(dtype, [], start=0)])
    table.case("SparseToDense", "float32, matrix", [i64([[0, 1], [1, 0], [1, 2]]), i64([2, 3]), f32([5, -6, 7]), f32(1)])
    table.case("SparseToDense", "float32, one value for all", [i32([0, 2]), i32([4]), f32(8), f32(0)],
               grad=False)
    table.case("SparseToDense", "float32, one element", [i32(2), i32([4]), f32(8), f32(-1)], grad=False)
    table.case("SparseToDense", "float32, out of order", [i32([2, 0]), i32([4]), f32([8, 9]), f32(0)],
               fails="INVALID_ARGUMENT")
    table.case("SparseToDense", "float32, out of order, not checked", [i32([2, 0]), i32([4]), f32([8, 9]), f32(0)],
               validate_indices=False, grad=False)
    table.case("SparseToDense", "float32, out of range", [i32([0, 4]), i32([4]), f32([8, 9]), f32(0)],
               fails="INVALID_ARGUMENT")
    table.types("OneHot", lambda dtype: [i32([2, 0, -1]), i32(3), numbers(dtype, []), numbers(dtype, [], start=1)])
    for index in ("uint8", "int8", "int64"):
        table.case("OneHot", f"float32, {index} indices", [tensor(index, [1, 0, 5]), i32(2), f32(1), f32(0)])
    table.case("OneHot", "float32, axis 0", [i32([1, 0, 2]), i32(4), f32(5), f32(-1)], axis=0)
    table.case("OneHot", "float32, axis 1 of a matrix", [i64([[1, 0], [2, 1], [0, 9]]), i32(3), f32(5), f32(-1)],
               axis=1)
    table.case("OneHot", "float32, scalar", [i32(1), i32(3), f32(5), f32(-1)])
    table.case("OneHot", "float32, depth 0", [i32([1, 0]), i32(0), f32(5), f32(-1)])
    table.case("OneHot", "float32, negative depth", [i32([1, 0]), i32(-1), f32(5), f32(-1)], fails="INVALID_ARGUMENT")


# --- Filling ---------------------------------------------------------------------------------------------------------

def fills(table):
    table.types("Fill", lambda dtype: [i32([2, 1]), numbers(dtype, [])])
    table.types("Fill", lambda dtype: [i64([3]), numbers(dtype, [], start=1)], only=["float32", "string"],
                name="{}, int64 shape")
    table.case("Fill", "float32, scalar", [i32([], [0]), f32(7)])
    table.case("Fill", "float32, empty", [i32([2, 0]), f32(7)])
    table.case("Fill", "float32, negative size", [i32([2, -1]), f32(7)], fails="INVALID_ARGUMENT")
    for op in ("ZerosLike", "OnesLike"):
        table.types(op, lambda dtype: [numbers(dtype, [2, 1])])
        table.case(op, "float32, scalar", [f32(NAN)], grad=False)
        table.case(op, "float32, empty", [f32([], [0, 2])], grad=False)
    table.types("Empty", lambda dtype: [i32([2, 1])], by="dtype", init=True, grad=False)
    table.types("Empty", lambda dtype: [i32([2, 3])], by="dtype", only=["float32"], name="{}, not determined",
                any=True, grad=False)
    table.types("Tile", lambda dtype: [numbers(dtype, [1, 2]), i32([2, 2])], without=["uint16", *QUANTIZED])
    table.case("Tile", "float32, int64", [numbers("float32", [2, 1, 2]), i64([1, 3, 2])])
    table.case("Tile", "float32, zero times", [f32([1, 2]), i32([0])])
    table.case("Tile", "float32, once", [f32([1, 2]), i32([1])])
    table.case("Tile", "float32, scalar", [f32(1), i32([], [0])])
    table.case("Tile", "float32, wrong length", [f32([1, 2]), i32([1, 2])], fails="INVALID_ARGUMENT")
    table.case("Tile", "float32, negative", [f32([1, 2]), i32([-1])], fails="INVALID_ARGUMENT")
    table.types("BroadcastTo", lambda dtype: [numbers(dtype, [2, 1]), i32([2, 2])])
    table.case("BroadcastTo", "float32, more dimensions", [numbers("float32", [1, 3]), i64([2, 2, 3])])
    table.case("BroadcastTo", "float32, scalar", [f32(4), i32([3])])
    table.case("BroadcastTo", "float32, empty", [f32([[4], [5]]), i32([2, 0])])
    table.case("BroadcastTo", "float32, shapes that do not fit", [f32([1, 2]), i32([3])], fails="INVALID_ARGUMENT")
    table.case("BroadcastTo", "float32, fewer dimensions", [f32([[1], [2]]), i32([2])], fails="INVALID_ARGUMENT")


# --- Padding ---------------------------------------------------------------------------------------------------------

def paddings(table):
    table.types("Pad", lambda dtype: [numbers(dtype, [2]), i32([[1, 2]])])
    table.types("PadV2", lambda dtype: [numbers(dtype, [2]), i32([[1, 2]]), numbers(dtype, [], start=3)])
    table.case("Pad", "float32, matrix", [numbers("float32", [2, 2]), i64([[0, 1], [2, 0]])])
    table.case("Pad", "float32, three dimensions", [numbers("float32", [1, 2, 2]), i32([[1, 0], [0, 0], [0, 1]])])
    table.case("Pad", "float32, nothing", [numbers("float32", [2, 2]), i32([[0, 0], [0, 0]])])
    table.case("Pad", "float32, empty", [f32([], [0, 2]), i32([[1, 1], [0, 1]])])
    table.case("Pad", "float32, scalar", [f32(3), i32([], [0, 2])])
    table.case("Pad", "float32, negative", [f32([3]), i32([[-1, 1]])], fails="INVALID_ARGUMENT")
    table.case("PadV2", "float32, matrix", [numbers("float32", [2, 2]), i64([[0, 1], [2, 0]]), f32(9)])
    table.case("PadV2", "float32, not a number", [f32([1, 2]), i32([[1, 0]]), f32(NAN)], grad=False)
    for mode in ("REFLECT", "SYMMETRIC"):
        table.types("MirrorPad", lambda dtype: [numbers(dtype, [3]), i32([[1, 2]])], name="{}, " + mode.lower(),
                    mode=mode, only=None if mode == "REFLECT" else ["float32", "int32", "string"])
        table.types("MirrorPadGrad", lambda dtype: [numbers(dtype, [5]), i32([[1, 1]])], name="{}, " + mode.lower(),
                    mode=mode, only=None if mode == "REFLECT" else ["float32", "int32"])
        table.case("MirrorPad", f"float32, matrix, {mode.lower()}", [numbers("float32", [2, 3]), i64([[1, 0], [2, 1]])],
                   mode=mode)
        table.case("MirrorPadGrad", f"float32, matrix, {mode.lower()}",
                   [numbers("float32", [3, 6]), i64([[1, 0], [2, 1]])], mode=mode)
        table.case("MirrorPad", f"float32, too much, {mode.lower()}", [f32([1, 2, 3]), i32([[4, 0]])], mode=mode,
                   fails="INVALID_ARGUMENT")


# --- Reversing -------------------------------------------------------------------------------------------------------

def reversals(table):
    table.types("Reverse", lambda dtype: [numbers(dtype, [2, 2]), boolean([False, True])])
    table.case("Reverse", "float32, three dimensions", [numbers("float32", [2, 2, 3]), boolean([True, False, True])])
    table.case("Reverse", "float32, none", [f32([1, 2]), boolean([False])])
    table.types("ReverseV2", lambda dtype: [numbers(dtype, [3]), i32([0])])
    table.case("ReverseV2", "float32, two axes", [numbers("float32", [2, 2, 3]), i64([0, -1])])
    table.case("ReverseV2", "float32, pairs in the last dimension", [numbers("float32", [3, 2]), i32([0])])
    table.case("ReverseV2", "float32, no axes", [f32([1, 2]), i32([], [0])])
    table.case("ReverseV2", "float32, an axis twice", [f32([1, 2]), i32([0, -1])], fails="INVALID_ARGUMENT")
    table.case("ReverseV2", "float32, no such axis", [f32([1, 2]), i32([1])], fails="INVALID_ARGUMENT")
    table.types("ReverseSequence", lambda dtype: [numbers(dtype, [2, 3]), i64([2, 3])], seq_dim=1)
    table.case("ReverseSequence", "float32, batch in dimension 1", [numbers("float32", [3, 2, 2]), i32([3, 0])],
               seq_dim=0, batch_dim=1)
    table.case("ReverseSequence", "float32, later dimension", [numbers("float32", [2, 2, 3]), i64([1, 2])], seq_dim=2)
    table.case("ReverseSequence", "float32, too long", [numbers("float32", [2, 2]), i64([1, 3])], seq_dim=1,
               fails="INVALID_ARGUMENT")
    table.types("Roll", lambda dtype: [numbers(dtype, [3]), i32(1), i32(0)])
    table.case("Roll", "float32, two axes", [numbers("float32", [2, 3]), i64([-1, 4]), i64([0, 1])])
    table.case("Roll", "float32, an axis twice", [numbers("float32", [5]), i32([1, 2]), i32([0, 0])])
    table.case("Roll", "float32, negative axis", [numbers("float32", [2, 3]), i32(2), i32(-1)])
    table.case("Roll", "float32, scalar", [f32(1), i32(1), i32(0)], fails="INVALID_ARGUMENT")


# --- Searching -------------------------------------------------------------------------------------------------------

def repeated(dtype):
    """A vector with repeated values."""
    values = numbers(dtype, 3)
    return Tensor(dtype, values.array[[1, 0, 1, 2, 0]])


def repeated_rows(dtype):
    values = numbers(dtype, [2, 2])
    return Tensor(dtype, values.array[[1, 0, 1]])


def searches(table):
    table.types("Where", lambda dtype: [filtered(dtype)], without=["float16"])
    table.case("Where", "bool, three dimensions", [boolean([[[True, False]], [[False, True]], [[True, True]]])])
    table.case("Where", "bool, scalar", [boolean(True)], fails="INVALID_ARGUMENT")
    table.case("Where", "bool, none", [boolean([False, False])])
    table.case("Where", "float32, not a number", [f32([NAN, 0, -0.0, INF])])
    for op in ("Unique", "UniqueWithCounts"):
        table.types(op, lambda dtype: [repeated(dtype)])
        table.case(op, "float32, int64 places", [f32([3, 1, 3, 3, 2])], out_idx="int64")
        table.case(op, "float32, empty", [f32([], [0])])
        table.case(op, "float32, zeros of both signs", [f32([-0.0, 0, 1])])
        table.case(op, "float32, matrix", [f32([[1, 2]])], fails="INVALID_ARGUMENT")
    for op in ("UniqueV2", "UniqueWithCountsV2"):
        table.types(op, lambda dtype: [repeated_rows(dtype), i64([0])])
        table.case(op, "float32, columns", [f32([[3, 1, 3], [2, 1, 2]]), i32([1])], out_idx="int64")
        table.case(op, "float32, middle of three dimensions",
                   [f32([[[3, 1], [2, 1], [3, 1]], [[4, 4], [5, 4], [4, 4]]]), i64([1])])
        table.case(op, "float32, no axis", [f32([3, 1, 3]), i64([], [0])])
        table.case(op, "float32, negative axis", [f32([[3, 1, 3], [2, 1, 2]]), i64([-1])])
    table.types("ListDiff", lambda dtype: [repeated(dtype), numbers(dtype, 1)])
    table.case("ListDiff", "float32, int64 places", [f32([5, 1, 2, 5, 3]), f32([2, 9, 3])], out_idx="int64")
    table.case("ListDiff", "float32, nothing left", [f32([1, 2]), f32([2, 1])])
    table.case("ListDiff", "float32, nothing taken away", [f32([1, 2]), f32([], [0])])
    for op in ("LowerBound", "UpperBound"):
        table.types(op, lambda dtype: [tensor(dtype, [[1, 2, 2, 4]]), tensor(dtype, [[2, 0, 5, 3, 4]])])
        table.case(op, "float32, two rows, int64",
                   [f32([[-1, 0, 0.5], [2, 2, 2]]), f32([[0.5, -2], [2, 1]])], out_type="int64")
        table.case(op, "float32, nothing to search in", [f32([], [1, 0]), f32([[1, 2]])])
        table.case(op, "float32, other rows", [f32([[1], [2]]), f32([[1]])], fails="INVALID_ARGUMENT")


def filtered(dtype):
    """Values, some of them zero."""
    values = numbers(dtype, [2, 3])
    array = values.array.copy()
    array[0, 1] = array[1, 0] = False if dtype == "bool" else 0
    return Tensor(dtype, array)


# --- Diagonals -------------------------------------------------------------------------------------------------------

def diagonals(table):
    table.types("Diag", lambda dtype: [numbers(dtype, 2)])
    table.case("Diag", "float32, matrix", [f32([[1, 2], [3, 4]])])
    table.types("DiagPart", lambda dtype: [numbers(dtype, [2, 2])])
    table.case("DiagPart", "float32, four dimensions", [numbers("float32", [1, 2, 1, 2])])
    table.case("DiagPart", "float32, odd rank", [f32([1, 2])], fails="INVALID_ARGUMENT")
    table.types("MatrixBandPart", lambda dtype: [numbers(dtype, [2, 3]), i64(0), i64(1)])
    for lower, upper in ((-1, 0), (0, -1), (1, 1), (0, 0), (-1, -1)):
        table.case("MatrixBandPart", f"float32, {lower} below, {upper} above",
                   [numbers("float32", [3, 4]), i32(lower), i32(upper)])
    table.case("MatrixBandPart", "float32, batch", [numbers("float32", [2, 2, 3]), i64(0), i64(1)])
    table.case("MatrixBandPart", "float32, too many", [f32([[1, 2]]), i64(2), i64(0)], fails="INVALID_ARGUMENT")
    table.types("MatrixDiag", lambda dtype: [numbers(dtype, 2)])
    table.case("MatrixDiag", "float32, batch", [numbers("float32", [2, 2])])
    table.types("MatrixDiagPart", lambda dtype: [numbers(dtype, [2, 3])])
    table.case("MatrixDiagPart", "float32, batch, more rows", [numbers("float32", [2, 3, 2])])
    table.types("MatrixSetDiag", lambda dtype: [numbers(dtype, [2, 3]), numbers(dtype, 2, start=7)])
    table.case("MatrixSetDiag", "float32, batch, more rows",
               [numbers("float32", [2, 3, 2]), numbers("float32", [2, 2], start=5)])
    table.case("MatrixSetDiag", "float32, wrong length", [numbers("float32", [2, 3]), f32([1, 2, 3])],
               fails="INVALID_ARGUMENT")
    for version, options in (("V2", [{}]), ("V3", [{"align": one} for one in
                                                   ("RIGHT_LEFT", "LEFT_RIGHT", "LEFT_LEFT", "RIGHT_RIGHT")])):
        versioned_diagonals(table, version, options)


def versioned_diagonals(table, version, options):
    make, part, put = "MatrixDiag" + version, "MatrixDiagPart" + version, "MatrixSetDiag" + version
    table.types(make, lambda dtype: [numbers(dtype, 2), i32(1), i32(-1), i32(-1), numbers(dtype, [], start=4)])
    table.types(part, lambda dtype: [numbers(dtype, [2, 3]), i32([0, 1]), numbers(dtype, [], start=4)])
    table.types(put, lambda dtype: [numbers(dtype, [2, 3]), numbers(dtype, 2, start=7), i32(1)])
    for one in options:
        name = ", " + one["align"].lower().replace("_", " ") if one else ""
        table.case(make, "float32, band" + name,
                   [numbers("float32", [3, 3]), i32([-1, 1]), i32(3), i32(4), f32(9)], **one)
        table.case(part, "float32, band" + name, [numbers("float32", [3, 4]), i32([-1, 1]), f32(9)], **one)
        table.case(put, "float32, band" + name,
                   [numbers("float32", [3, 4]), numbers("float32", [3, 3], start=6), i32([-1, 1])], **one)
    table.case(make, "float32, below, more rows", [f32([1, 2]), i32(-1), i32(4), i32(2), f32(-1)])
    table.case(make, "float32, batch of bands", [numbers("float32", [2, 2, 2]), i32([0, 1]), i32(-1), i32(-1), f32(0)])
    table.case(make, "float32, too few rows", [f32([1, 2, 3]), i32(0), i32(2), i32(2), f32(0)],
               fails="INVALID_ARGUMENT")
    table.case(part, "float32, below, batch", [numbers("float32", [2, 3, 2]), i32(-1), f32(9)])
    table.case(part, "float32, above only", [numbers("float32", [3, 4]), i32([2, 3]), f32(7)])
    table.case(part, "float32, no such diagonal", [f32([[1, 2]]), i32(2), f32(7)], fails="INVALID_ARGUMENT")
    table.case(put, "float32, below, batch", [numbers("float32", [2, 3, 2]), numbers("float32", [2, 2], start=5), i32(-1)])
    table.case(put, "float32, wrong number", [numbers("float32", [2, 2]), f32([[1, 2]]), i32([0, 1])],
               fails="INVALID_ARGUMENT")


# --- Blocks ----------------------------------------------------------------------------------------------------------

def blocks(table):
    table.types("SpaceToBatch", lambda dtype: [numbers(dtype, [1, 2, 2, 1]), i32([[0, 0], [0, 0]])], block_size=2)
    table.types("BatchToSpace", lambda dtype: [numbers(dtype, [4, 1, 1, 1]), i32([[0, 0], [0, 0]])], block_size=2)
    table.case("SpaceToBatch", "float32, padded", [numbers("float32", [1, 2, 3, 2]), i64([[1, 1], [0, 1]])],
               block_size=2)
    table.case("BatchToSpace", "float32, cut", [numbers("float32", [4, 2, 2, 1]), i64([[1, 0], [0, 1]])], block_size=2)
    table.case("SpaceToBatch", "float32, not divisible", [numbers("float32", [1, 3, 2, 1]), i32([[0, 0], [0, 0]])],
               block_size=2, fails="INVALID_ARGUMENT")
    table.types("SpaceToBatchND", lambda dtype: [numbers(dtype, [1, 4]), i32([2]), i32([[0, 0]])])
    table.types("BatchToSpaceND", lambda dtype: [numbers(dtype, [2, 2]), i32([2]), i32([[0, 0]])])
    table.case("SpaceToBatchND", "float32, two dimensions, padded",
               [numbers("float32", [1, 3, 2, 2]), i64([2, 3]), i64([[1, 0], [0, 1]])])
    table.case("BatchToSpaceND", "float32, two dimensions, cut",
               [numbers("float32", [6, 1, 2, 1]), i64([2, 3]), i64([[0, 1], [2, 1]])])
    table.case("SpaceToBatchND", "float32, blocks of one", [numbers("float32", [2, 3]), i32([1]), i32([[1, 0]])])
    table.case("BatchToSpaceND", "float32, not divisible", [numbers("float32", [3, 2]), i32([2]), i32([[0, 0]])],
               fails="INVALID_ARGUMENT")
    table.types("SpaceToDepth", lambda dtype: [numbers(dtype, [1, 2, 2, 1])], block_size=2)
    table.types("DepthToSpace", lambda dtype: [numbers(dtype, [1, 1, 1, 4])], block_size=2)
    table.case("SpaceToDepth", "float32, two blocks", [numbers("float32", [1, 2, 4, 2])], block_size=2)
    table.case("DepthToSpace", "float32, two blocks", [numbers("float32", [1, 1, 2, 8])], block_size=2)
    table.case("SpaceToDepth", "float32, not divisible", [numbers("float32", [1, 3, 2, 1])], block_size=2,
               fails="INVALID_ARGUMENT")
    table.case("DepthToSpace", "float32, not divisible", [numbers("float32", [1, 1, 1, 3])], block_size=2,
               fails="INVALID_ARGUMENT")
    table.types("ExtractImagePatches", lambda dtype: [numbers(dtype, [1, 2, 3, 1])], ksizes=[1, 2, 2, 1],
                strides=[1, 1, 1, 1], rates=[1, 1, 1, 1], padding="VALID")
    table.case("ExtractImagePatches", "float32, same", [numbers("float32", [1, 2, 3, 1])], ksizes=[1, 2, 2, 1],
               strides=[1, 1, 2, 1], rates=[1, 1, 1, 1], padding="SAME")
    table.case("ExtractImagePatches", "float32, rates", [numbers("float32", [1, 3, 4, 1])], ksizes=[1, 2, 2, 1],
               strides=[1, 1, 1, 1], rates=[1, 2, 3, 1], padding="VALID")
    table.case("ExtractImagePatches", "float32, channels", [numbers("float32", [2, 2, 2, 2])], ksizes=[1, 2, 1, 1],
               strides=[1, 1, 1, 1], rates=[1, 1, 1, 1], padding="VALID")


# --- Partitions ------------------------------------------------------------------------------------------------------

def stitches(table):
    table.types("DynamicPartition", lambda dtype: [numbers(dtype, 4), i32([1, 0, 1, 1])], num_partitions=2)
    table.case("DynamicPartition", "float32, rows", [rows("float32"), i32([2, 0, 2])], num_partitions=3)
    table.case("DynamicPartition", "float32, matrix of partitions", [rows("float32"), i32([[0, 1], [1, 0], [0, 0]])],
               num_partitions=2)
    table.case("DynamicPartition", "float32, empty", [f32([], [0, 2]), i32([], [0])], num_partitions=2)
    table.case("DynamicPartition", "float32, out of range", [f32([1, 2]), i32([0, 2])], num_partitions=2,
               fails="INVALID_ARGUMENT")
    for op in ("DynamicStitch", "ParallelDynamicStitch"):
        table.types(op, lambda dtype: [i32([2, 0]), i32([1]), numbers(dtype, 2), numbers(dtype, 1, start=4)])
        table.case(op, "float32, rows", [i32([1]), i32([0, 2]), f32([[1, 2]]), f32([[3, 4], [5, 6]])])
        table.case(op, "float32, scalar and matrix of places",
                   [i32(3), i32([[0, 1], [2, 4]]), f32([1, 2]), numbers("float32", [2, 2, 2], start=3)])
        table.case(op, "float32, one part", [i32([1, 0]), f32([7, 8])])
        table.case(op, "float32, nothing", [i32([], [0]), f32([], [0, 2])])
        table.case(op, "float32, shapes that do not fit", [i32([0]), i32([1]), f32([[1, 2]]), f32([[3]])],
                   fails="INVALID_ARGUMENT")
    table.case("DynamicStitch", "float32, a place twice", [i32([0, 1]), i32([1, 2]), f32([1, 2]), f32([3, 4])],
               grad=False)

"""Cases of the family Math: arithmetic, comparisons, casts, reductions, scans, segments."""
from cases import (COMPLEX, INTEGERS, NUMBERS, REALS, SIGNED, UNSIGNED, boolean, const, f32, f64, i32, i64, kernel_types,
                   node, numbers, run, tensor, text)

NAN, INF = float("nan"), float("inf")
COMPLEX_VALUES = [0.5 + 0.25j, -1.5 + 0.5j, -0.25 - 2j, 2 - 0.75j]
SPECIAL = [NAN, INF, -INF, -0.0, 0, 1e-30, 1e30, -1e30]


def declare(table):
    unary(table)
    complex_parts(table)
    unary_gradients(table)
    arithmetic(table)
    division(table)
    real_functions(table)
    comparisons(table)
    logic(table)
    casts(table)
    reductions(table)
    extremes(table)
    scans(table)
    segments(table)
    unsorted_segments(table)
    sparse_segments(table)
    selection(table)
    sequences(table)
    counting(table)
    sums(table)
    broadcasting(table)
    gradient_edges(table)
    handles(table)


def typed(reals, integers=(1, -2, 3, 0), unsigned=(1, 2, 3, 0), complexes=COMPLEX_VALUES):
    """Returns a function that makes a tensor of a type from the values for its kind."""
    def made(dtype):
        kinds = ((REALS, reals), (COMPLEX, complexes), (SIGNED, integers), (UNSIGNED, unsigned))
        for types, values in kinds:
            if dtype in types:
                return tensor(dtype, list(values))
        return numbers(dtype, 4)
    return made


def limits(dtype):
    bits = int(dtype.lstrip("uint"))
    return (0, 2 ** bits - 1) if dtype in UNSIGNED else (-2 ** (bits - 1), 2 ** (bits - 1) - 1)


# --- One input -------------------------------------------------------------------------------------------------------

def unary(table):
    anywhere = [-2.5, -0.75, 0.25, 1.5, 4]
    inside = [-0.875, -0.25, 0.125, 0.5]
    positive = [0.125, 0.75, 2, 30]
    nonzero = dict(integers=(1, -2, 3, -1), unsigned=(1, 2, 3, 1))
    domains = {
        "Abs": anywhere, "Neg": anywhere, "Sign": [-2.5, 0, 0.25, -0.0], "Square": anywhere, "Exp": anywhere,
        "Expm1": [-2.5, 1e-4, 0.25, 4], "Tanh": anywhere, "Sigmoid": anywhere, "Sin": anywhere, "Cos": anywhere,
        "Tan": anywhere, "Atan": anywhere, "Sinh": anywhere, "Cosh": anywhere, "Asinh": anywhere, "Erf": anywhere,
        "Erfc": anywhere, "Floor": anywhere, "Ceil": anywhere, "Round": [-2.5, -1.5, 0.5, 1.5, 2.5, 2.75],
        "Rint": [-2.5, -1.5, 0.5, 1.5, 2.5, 2.75], "Lgamma": anywhere, "Digamma": [-2.5, -0.75, 0.25, 1.5, 30],
        "Sqrt": positive, "Rsqrt": positive, "Log": positive, "Log1p": [-0.5, 1e-4, 0.75, 30], "Reciprocal": anywhere,
        "Inv": anywhere, "Asin": inside, "Acos": inside, "Atanh": inside, "Erfinv": inside,
        "Ndtri": [0.01, 0.25, 0.625, 0.99], "Acosh": [1.125, 1.5, 2, 30], "IsNan": [1, NAN, INF, -INF],
        "IsInf": [1, NAN, INF, -INF], "IsFinite": [1, NAN, INF, -INF],
    }
    for op, values in domains.items():
        # TensorFlow 2.21 rounds every integer to 0, but by its own definition Round keeps integers.
        without = ["int32", "int64"] if op == "Round" else ()
        table.types(op, typed_inputs(typed(values, **nonzero)), without=without)
        table.case(op, "float32, special values", [f32(SPECIAL)], grad=False)
    for op in ("Abs", "Exp", "Sqrt", "Tanh"):
        table.case(op, "float32, no elements", [f32([], [2, 0])])
        table.case(op, "float32, scalar", [f32(2)])
    for op in ("Exp", "Log", "Sqrt", "Tanh", "Sigmoid"):
        table.case(op, "float32, more than a vector register", [f32([value / 4 + 0.1 for value in range(19)])])
    for dtype in SIGNED:
        table.case("Neg", f"{dtype}, limits", [tensor(dtype, limits(dtype))])
        table.case("Abs", f"{dtype}, limits", [tensor(dtype, limits(dtype))])
    table.types("Invert", typed_inputs(typed([], (0, 1, -2, 100), (0, 1, 2, 200))))
    table.types("PopulationCount", typed_inputs(typed([], (0, 7, -2, 100), (0, 7, 2, 200))))
    table.case("LogicalNot", "bool", [boolean([True, False, False])])


def typed_inputs(made):
    return lambda dtype: [made(dtype)]


def complex_parts(table):
    real = {"complex64": "float32", "complex128": "float64"}
    values = COMPLEX_VALUES + [-3, 2j, complex(-0.5, -0.0)]
    for op, attr in (("Real", "Tout"), ("Imag", "Tout"), ("Angle", "Tout"), ("ComplexAbs", "Tout")):
        for dtype in COMPLEX:
            table.case(op, dtype, [tensor(dtype, values)], **{attr: real[dtype]})
    for dtype in COMPLEX:
        table.case("Conj", dtype, [tensor(dtype, values)])
    for dtype in ("float32", "float64"):
        back = {"float32": "complex64", "float64": "complex128"}[dtype]
        table.case("Complex", dtype, [tensor(dtype, [[1], [-2]]), tensor(dtype, [0.5, -0.25, 3])], Tout=back)
    table.case("ComplexAbs", "complex64, large and infinite", [tensor("complex64", [3e30 + 4e30j, complex(INF, 1), 0])],
               grad=False)


def unary_gradients(table):
    """TensorFlow's gradient ops, with the function's value (y) and the gradient of its output as inputs."""
    for op in ("SigmoidGrad", "TanhGrad", "SqrtGrad", "RsqrtGrad", "ReciprocalGrad", "InvGrad"):
        def inputs(dtype):
            return [tensor(dtype, COMPLEX_VALUES if dtype in COMPLEX else [0.25, 0.5, 0.875, 2]), numbers(dtype, 4, start=2)]
        table.types(op, inputs)
        table.case(op, "float32, no elements", [f32([], [0]), f32([], [0])])


# --- Two inputs ------------------------------------------------------------------------------------------------------

def arithmetic(table):
    for op in ("Add", "AddV2", "Sub", "Mul", "SquaredDifference", "Maximum", "Minimum"):
        table.types(op, lambda dtype: [numbers(dtype, [2, 1]), numbers(dtype, 3, start=4)])
        broadcasts(table, op)
        table.case(op, "float32, special values", [f32(SPECIAL), f32([1, -INF, NAN, 0, -0.0, 1, 1e30, 2])], grad=False)
        for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
            if dtype in kernel_types(op):
                low, high = limits(dtype)
                table.case(op, f"{dtype}, limits", [tensor(dtype, [high, low, high, low]), tensor(dtype, [1, 1, high, high])])
    table.types("MulNoNan", lambda dtype: [tensor(dtype, [2, NAN, INF, -1.5]), tensor(dtype, [3, 0, 0, NAN])], grad=False)
    table.types("MulNoNan", lambda dtype: [numbers(dtype, [2, 1]), numbers(dtype, 3, start=4)], name="{}, broadcast",
                only=["float32", "complex64"])
    table.types("Pow", lambda dtype: [typed([0.5, 2, 3, 1.5], (2, -3, 5, 0), (2, 3, 5, 0))(dtype),
                                      typed([2, -1.5, 0.25, 0], (3, 3, 0, 2), (3, 3, 0, 2))(dtype)])
    broadcasts(table, "Pow")
    table.case("Pow", "float32, special values", [f32([0, -2, -8, INF, 1, NAN, 0, -INF]), f32([0, 3, 0.5, -1, NAN, 0, -1, 3])],
               grad=False)
    table.case("Pow", "int32, negative exponent", [i32([2, 3]), i32([1, -1])], fails="INVALID_ARGUMENT")


def broadcasts(table, op):
    """Shapes that broadcast, in both orders."""
    left, right = f32([[[0.5, 2, 1]], [[3, 0.25, 4]]]), f32([[1], [2]])
    table.case(op, "float32, both repeated", [left, right])
    table.case(op, "float32, scalar and vector", [f32(2), f32([0.5, 1, 3])])
    table.case(op, "float32, vector and scalar", [f32([0.5, 1, 3]), f32(2)])
    table.case(op, "float32, no elements", [f32([], [0, 2]), f32([1, 2])])
    table.case(op, "float32, shapes that do not fit", [f32([1, 2]), f32([1, 2, 3])], fails="INVALID_ARGUMENT")


def division(table):
    top = typed([3.5, -3.5, 7, -1], (7, -7, 7, -7), (7, 250, 9, 4))
    bottom = typed([2, 2, -0.5, -3], (2, 2, -2, -2), (2, 100, 9, 5), COMPLEX_VALUES[::-1])
    for op in ("Div", "RealDiv", "FloorDiv", "TruncateDiv", "FloorMod", "TruncateMod", "Mod"):
        table.types(op, lambda dtype: [top(dtype), bottom(dtype)])
        if "float32" in kernel_types(op):
            broadcasts(table, op)
            table.case(op, "float32, special values", [f32([1, -1, 0, INF, 5, NAN, -0.0]), f32([0, 0, 0, 2, INF, 1, 3])],
                       grad=False)
        if "int32" in kernel_types(op) and not op.startswith("Truncate"):
            table.case(op, "int32, division by zero", [i32([1, 2]), i32([1, 0])], fails="INVALID_ARGUMENT")
    table.types("DivNoNan", lambda dtype: [top(dtype), typed([2, 0, -0.5, -3], complexes=[1j, 0, 2, 1 - 1j])(dtype)])
    table.case("DivNoNan", "float32, special values", [f32([NAN, INF, 1, -1]), f32([0, 0, INF, NAN])], grad=False)


def real_functions(table):
    def pair(left, right):
        return lambda dtype: [typed(left)(dtype), typed(right)(dtype)]
    table.types("Atan2", pair([1, -1, 0.5, -2, 0], [0.25, -1, -0.5, 3, -1]))
    table.case("Atan2", "float32, special values", [f32([0, -0.0, 0, -0.0, INF, NAN, 1]), f32([0, 0, -0.0, -0.0, -INF, 1, 0])],
               grad=False)
    table.types("Xdivy", pair([0, 2, -3, 0], [0, 0.5, 4, 2]), grad=False)
    table.types("Xlogy", pair([0, 2, -3, 0], [0, 0.5, 4, 2]), grad=False)
    table.types("Xlog1py", pair([0, 2, -3, 0], [-1, 0.5, 4, 2]), grad=False)
    for op in ("Xdivy", "Xlogy", "Xlog1py"):
        table.types(op, pair([0.25, 2, -3, 0], [0.75, 0.5, 4, 2]), name="{}, gradient", only=["float32", "float64", "complex64"])
        table.case(op, "float32, x is 0 and y is special", [f32(0), f32([NAN, INF, -INF, 0])], grad=False)
    table.types("NextAfter", pair([1, 1, 0, -2], [2, -2, -1, -2]))
    table.types("Polygamma", pair([1, 2, 3, 0], [0.5, 1.5, 4, 3]))
    table.types("Zeta", pair([1.5, 2, 3, 8], [0.5, 1.5, 4, 3]))
    table.case("Zeta", "float32, edges", [f32([1, 0.5, 2, 3, 2.5, 3]), f32([2, 2, 0, -1, -1, -0.5])], grad=False)
    for op in ("Atan2", "Xlogy", "Zeta"):
        table.case(op, "float32, broadcast", [f32([[1.5], [2]]), f32([0.5, 1.25, 3])])


def comparisons(table):
    for op in ("Equal", "NotEqual"):
        table.types(op, lambda dtype: [numbers(dtype, 4), changed(dtype)])
        table.case(op, "float32, special values", [f32([NAN, INF, 0, -INF]), f32([NAN, INF, -0.0, INF])])
        table.case(op, "float32, shapes that do not fit", [f32([1, 2]), f32([1, 2, 3])], fails="INVALID_ARGUMENT")
        table.case(op, "float32, shapes that need not fit", [f32([1, 2]), f32([1, 2, 3])], incompatible_shape_error=False)
    for op in ("Less", "LessEqual", "Greater", "GreaterEqual"):
        table.types(op, lambda dtype: [typed([-1.5, 2, 0.5], (-3, 2, 5), (200, 2, 5))(dtype),
                                       typed([0.25, 2, -0.5], (4, 2, -5), (4, 2, 201))(dtype)])
        table.case(op, "float32, special values", [f32([NAN, INF, 0, -INF, 1]), f32([NAN, INF, -0.0, INF, NAN])])
    for op in ("Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"):
        table.case(op, "float32, both repeated", [f32([[1], [2]]), f32([1, 2, 3])])
        table.case(op, "int32, scalar", [i32([1, 2, 3]), i32(2)])
    table.types("ApproximateEqual", lambda dtype: [typed([1, 2, NAN, 1])(dtype), typed([1, 2.5, NAN, 1.00000001], (1, 2, 5, -4), (2, 2, 0, 1))(dtype)])
    table.case("ApproximateEqual", "float32, tolerance", [f32([1, 2, 3]), f32([1.2, 2.5, 2.75])], tolerance=0.25)


def changed(dtype):
    """`numbers(dtype, 4)` with one value changed."""
    made = numbers(dtype, 4)
    made.array[1] = numbers(dtype, 4, start=2).array[3]
    return made


def logic(table):
    left, right = boolean([[True], [False]]), boolean([True, False, True])
    table.case("LogicalAnd", "bool, broadcast", [left, right])
    table.case("LogicalOr", "bool, broadcast", [left, right])
    table.case("LogicalAnd", "bool", [boolean([True, True, False]), boolean([True, False, False])])
    table.case("LogicalOr", "bool", [boolean([True, True, False]), boolean([True, False, False])])
    for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        table.types(op, lambda dtype: [typed([], (12, -1, 5, 100), (12, 255, 5, 100))(dtype),
                                       typed([], (10, 6, -4, 27), (10, 6, 3, 27))(dtype)])
        table.case(op, "int32, broadcast", [i32([[1], [6]]), i32([3, 4, -1])])
    for op in ("LeftShift", "RightShift"):
        table.types(op, lambda dtype: [typed([], (5, -6, 100, -128), (5, 250, 100, 255))(dtype),
                                       typed([], (1, 1, 3, 7), (1, 1, 3, 7))(dtype)])
        table.case(op, "int8, too far", [tensor("int8", [5, -6, 5]), tensor("int8", [8, 100, 7])])
        table.case(op, "int32, broadcast", [i32([[1], [-64]]), i32([0, 4, 31])])


def casts(table):
    types = NUMBERS + ["bool"]
    for source in types:
        for target in types:
            if source in COMPLEX and target in INTEGERS + ["float16", "bfloat16"] and source != "complex64":
                continue
            if target in UNSIGNED + ["bool"]:
                values = [0, 1, 2.75, 100]
            elif target in SIGNED:
                values = [-2.75, 0, 1.5, 100]
            else:
                values = [-2.75, 0, 1.1, 100]
            if source in UNSIGNED:
                values = [abs(int(value)) for value in values]
            elif source in SIGNED:
                values = [int(value) for value in values]
            elif source in COMPLEX:
                values = [complex(value, 0.5) for value in values]
            table.case("Cast", f"{source} to {target}", [tensor(source, values)], SrcT=source, DstT=target)
    table.case("Cast", "uint64 to float32, large", [tensor("uint64", [2 ** 64 - 1, 2 ** 63, 2 ** 53 + 1])], DstT="float32")
    table.case("Cast", "int64 to float64, large", [i64([2 ** 53 + 1, -2 ** 63, 2 ** 63 - 1])], DstT="float64")
    table.case("Cast", "int64 to int32, high bits", [i64([2 ** 32 + 5, -2 ** 31 - 1, 2 ** 31])], DstT="int32")
    table.case("Cast", "int32 to uint8, high bits", [i32([256, -1, 511])], DstT="uint8")
    table.case("Cast", "int32 to float32, rounded", [i32([16777217, 16777219, -2147483647])], DstT="float32")
    near = [1.00048828125, 1.0029296875, 65519.9, 65520, 1e-8, NAN, -INF]
    table.case("Cast", "float32 to float16, rounded", [f32(near)], DstT="float16")
    table.case("Cast", "float32 to bfloat16, rounded", [f32([1.00390625, 1.01171875, 3.4e38, NAN, -INF])], DstT="bfloat16")
    table.case("Cast", "float64 to float32, rounded", [f64([0.1, 1e40, 1.00000005960464488, NAN])], DstT="float32", grad=False)
    for source, target in (("float32", "bfloat16"), ("float32", "float16"), ("float64", "float32"), ("float64", "float16"),
                           ("float64", "bfloat16")):
        table.case("Cast", f"{source} to {target}, truncated", [tensor(source, [1.0078125 - 1e-4, -0.1, 1 / 3])], DstT=target,
                   Truncate=True, grad=False)
    table.case("Cast", "float32 to bool, special values", [f32([0, -0.0, NAN, 0.25])], DstT="bool")
    table.case("_HostCast", "float32 to int32", [f32([1.5, -2.75])], DstT="int32")
    table.case("_HostCast", "int32 to float32", [i32([3, -2])], DstT="float32")


# --- Reductions ------------------------------------------------------------------------------------------------------

def reductions(table):
    for op in ("Sum", "Prod", "Mean", "Max", "Min", "EuclideanNorm"):
        table.types(op, lambda dtype: [numbers(dtype, [2, 3]), i32([1])])
        reduction_shapes(table, op, numbers("float32", [2, 3, 2]))
        table.case(op, "float32, special values", [f32([[NAN, 1, 2], [INF, -INF, 1], [INF, 2, 3]]), i32(1)], grad=False)
        table.case(op, "float32, no elements in the axis", [f32([], [0, 3]), i32([0])], grad=op in ("Sum", "Prod"))
        table.case(op, "float32, axis out of range", [f32([[1, 2]]), i32([2])], fails="INVALID_ARGUMENT")
        table.case(op, "float32, an axis twice", [f32([[1, 2]]), i32([1, -1])], fails="INVALID_ARGUMENT")
    for op in ("All", "Any"):
        table.case(op, "axis 0", [boolean([[True, False, True], [True, False, False]]), i32([0])])
        reduction_shapes(table, op, boolean([[[True, True], [False, True], [False, False]], [[True] * 2] * 3]))
        table.case(op, "no elements in the axis", [boolean([], [0, 3]), i32([0])])
    table.case("Mean", "int32, towards zero", [i32([[-3, 0], [5, 2]]), i32([1])])
    for op, dtype in (("Sum", "int8"), ("Prod", "uint8"), ("Mean", "int8"), ("Mean", "uint8")):
        table.case(op, f"{dtype}, overflow", [tensor(dtype, [100, 100, 3]), i32([0])])
    table.case("Sum", "float32, cancellation in a long row", [f32([1e8] + [1] * 16 + [-1e8]), i32(0)], rtol=32, grad=False)
    table.case("Prod", "float32, zeros", [f32([[0, 2, 3], [0, 0, 4]]), i32([1])])
    table.case("L2Loss", "float32, matrix", [numbers("float32", [2, 3])])
    table.types("L2Loss", lambda dtype: [numbers(dtype, 4)])


def reduction_shapes(table, op, cube):
    """Axes of a cube: each, several, all, none; kept; 64-bit and negative."""
    kind = cube.dtype
    every = op in ("Sum", "Mean", "Max", "All")
    for axes in ([0], [1], [2], [0, 2], [0, 1], [1, 2]) if every else ([1], [0, 2]):
        table.case(op, f"{kind}, cube, axes {axes}", [cube, i32(axes)])
    table.case(op, f"{kind}, all axes", [cube, i64([0, 1, 2])])
    table.case(op, f"{kind}, negative axis kept", [cube, i32([-2])], keep_dims=True)
    table.case(op, f"{kind}, all axes kept", [cube, i32([0, 1, 2])], keep_dims=True)
    table.case(op, f"{kind}, no axes", [numbers(kind, 2), i32([])])
    table.case(op, f"{kind}, scalar", [numbers(kind, []), i32([])])
    table.case(op, f"{kind}, scalar axis of 64 bits", [numbers(kind, [2, 2]), i64(0)])


def extremes(table):
    for op in ("ArgMax", "ArgMin"):
        table.types(op, lambda dtype: [numbers(dtype, [2, 3]), i32(1)])
        table.types(op, lambda dtype: [f32([[1, 5, 2], [7, 0, 9]]), i32(0)], by="output_type", name="float32 to {}",
                    output_type=lambda dtype: dtype)
        table.types(op, lambda dtype: [f32([[1, 5, 2], [7, 0, 9]]), tensor(dtype, -1)], by="Tidx", name="float32, axis of {}",
                    without=["int16"])
        table.case(op, "float32, the first of equals", [f32([[2, 7, 7, 2], [2, 2, 7, 7]]), i32(1)])
        table.case(op, "float32, special values", [f32([[1, NAN, 2], [INF, 1, -INF], [NAN, NAN, 1]]), i32(1)])
        table.case(op, "float32, middle axis", [numbers("float32", [2, 3, 2]), i32(1)])
        table.case(op, "float32, no elements", [f32([], [0, 2]), i32(1)])
        table.case(op, "float32, no elements in the axis", [f32([], [2, 0]), i32(1)], fails="INVALID_ARGUMENT")
        table.case(op, "float32, axis out of range", [f32([1, 2]), i32(1)], fails="INVALID_ARGUMENT")


def scans(table):
    for op in ("Cumsum", "Cumprod"):
        table.types(op, lambda dtype: [numbers(dtype, [2, 3]), i32(1)])
        for exclusive in (False, True):
            for reverse in (False, True):
                table.case(op, f"float32, exclusive {exclusive}, reverse {reverse}", [numbers("float32", [3, 2]), i32(0)],
                           exclusive=exclusive, reverse=reverse)
        table.case(op, "float32, middle axis", [numbers("float32", [2, 3, 2]), i64(-2)], exclusive=True)
        table.case(op, "float32, no elements", [f32([], [0, 2]), i32(0)])
        table.case(op, "float32, special values", [f32([1, INF, -INF, 2, NAN]), i32(0)], grad=False)
        table.case(op, "float32, axis out of range", [f32([1, 2]), i32(1)], fails="INVALID_ARGUMENT")


# --- Segments --------------------------------------------------------------------------------------------------------

def segments(table):
    for op in ("SegmentSum", "SegmentMean", "SegmentProd", "SegmentMax", "SegmentMin"):
        table.types(op, lambda dtype: [numbers(dtype, 4), i32([0, 0, 1, 1])])
        table.case(op, "float32, a segment without rows", [numbers("float32", 4), i64([0, 0, 2, 2])])
        table.case(op, "float32, cube", [numbers("float32", [3, 2, 2]), i32([0, 1, 1])])
        table.case(op, "float32, no rows", [f32([], [0, 2]), i32([])])
        table.case(op, "float32, not sorted", [f32([1, 2, 3]), i32([0, 1, 0])], fails="INVALID_ARGUMENT")
        table.case(op, "float32, too few ids", [f32([1, 2, 3]), i32([0, 1])], fails="INVALID_ARGUMENT")


def unsorted_segments(table):
    for op in ("UnsortedSegmentSum", "UnsortedSegmentProd", "UnsortedSegmentMax", "UnsortedSegmentMin"):
        table.types(op, lambda dtype: [numbers(dtype, 4), i32([2, 0, 2, 0]), i32(3)])
        table.case(op, "float32, ids of 64 bits", [numbers("float32", 4), i64([1, 0, 1, 1]), i64(2)])
        table.case(op, "float32, negative ids", [numbers("float32", [3, 2]), i32([1, -1, 0]), i32(2)])
        table.case(op, "float32, ids of two axes", [numbers("float32", [2, 2, 2]), i32([[0, 1], [1, 1]]), i32(2)])
        table.case(op, "float32, no rows", [f32([], [0, 2]), i32([]), i32(2)])
        table.case(op, "float32, id too large", [f32([1, 2]), i32([0, 2]), i32(2)], fails="INVALID_ARGUMENT")


def sparse_segments(table):
    rows, ids = [0, 2, 1, 3], [0, 0, 1, 2]
    for op in ("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN"):
        table.types(op, lambda dtype: [numbers(dtype, [4, 2]), i32(rows), i32(ids)])
        table.case(op, "float32, indices of 64 bits", [numbers("float32", [4, 2]), i64(rows), i64(ids)])
        table.case(op, "float32, a row twice", [numbers("float32", [3, 2]), i32([2, 2, 0]), i32([0, 0, 2])], grad=False)
        table.case(op, "float32, index out of range", [f32([[1], [2]]), i32([2]), i32([0])], fails="INVALID_ARGUMENT")
        table.types(op + "WithNumSegments", lambda dtype: [numbers(dtype, [4, 2]), i32(rows), i32(ids), i32(4)])
        table.case(op + "WithNumSegments", "float32, 64 bits", [numbers("float32", [4, 2]), i64(rows), i64([0, 0, 3, 3]), i64(5)])
        table.types(op + "Grad", lambda dtype: [numbers(dtype, [3, 2]), i32(rows), i32(ids), i32(5)])
        table.case(op + "Grad", "float32, a row twice", [numbers("float32", [2, 2]), i64([1, 1, 0]), i64([0, 1, 1]), i32(2)])


# --- The rest --------------------------------------------------------------------------------------------------------

def selection(table):
    for op in ("Select", "SelectV2"):
        table.types(op, lambda dtype: [boolean([True, False, True]), numbers(dtype, 3), numbers(dtype, 3, start=5)])
        table.case(op, "float32, scalar condition", [boolean(False), numbers("float32", [2, 2]), numbers("float32", [2, 2], 3)])
        table.case(op, "float32, no elements", [boolean([], [0]), f32([], [0]), f32([], [0])])
        table.case(op, "float32, special values", [boolean([True, False]), f32([NAN, 1]), f32([1, -INF])], grad=False)
    table.case("Select", "float32, a condition for each row", [boolean([True, False]), numbers("float32", [2, 3]),
                                                               numbers("float32", [2, 3], 3)])
    table.case("SelectV2", "float32, all repeated", [boolean([[True], [False]]), f32([1, 2, 3]), f32([[[5]], [[6]]])])
    table.case("SelectV2", "string, repeated", [boolean([True, False]), text("yes"), text([["no"], ["non"]])])
    table.types("ClipByValue", lambda dtype: [typed([-2, 0.25, 7, 1], (-3, 1, 7, 2), (0, 1, 7, 2), [0, 1, 2, 3])(dtype),
                                              tensor(dtype, 1), tensor(dtype, 3)], without=COMPLEX)
    table.case("ClipByValue", "float32, bounds of each element", [f32([[1, 2], [-3, 9]]), f32([[2, 0], [-5, 1]]),
                                                                  f32([[4, 1], [-4, 8]])])
    table.case("ClipByValue", "float32, special values", [f32([NAN, INF, -INF, 0]), f32(-1), f32(2)], grad=False)


def sequences(table):
    table.types("Range", lambda dtype: [tensor(dtype, 2), tensor(dtype, 9), tensor(dtype, 3)], by="Tidx",
                without=["float16"])
    table.types("Range", lambda dtype: [tensor(dtype, 3), tensor(dtype, -4), tensor(dtype, -2)], by="Tidx",
                without=UNSIGNED + ["float16"], name="{}, downwards")
    table.case("Range", "float32, fractions", [f32(0), f32(1), f32(0.3)])
    table.case("Range", "int32, empty", [i32(3), i32(3), i32(1)])
    table.case("Range", "int32, step 0", [i32(0), i32(3), i32(0)], fails="INVALID_ARGUMENT")
    table.case("Range", "int32, wrong direction", [i32(0), i32(3), i32(-1)], fails="INVALID_ARGUMENT")
    table.types("LinSpace", lambda dtype: [tensor(dtype, -1), tensor(dtype, 2.5), i32(5)])
    table.case("LinSpace", "float32, one", [f32(0.5), f32(2), i64(1)])
    table.case("LinSpace", "float32, none", [f32(0.5), f32(2), i32(0)], fails="INVALID_ARGUMENT")
    table.types("Cross", lambda dtype: [numbers(dtype, [2, 3], start=1), numbers(dtype, [2, 3], start=5)], without=[])
    table.case("Cross", "float32, not 3 parts", [f32([1, 2]), f32([3, 4])], fails="FAILED_PRECONDITION")


def counting(table):
    table.types("Bincount", lambda dtype: [i32([2, 0, 2, 5]), i32(4), numbers(dtype, 4)])
    table.types("Bincount", lambda dtype: [i32([2, 0, 2, 5]), i32(4), tensor(dtype, [], [0])], name="{}, no weights")
    table.case("Bincount", "float32, negative value", [i32([-1]), i32(3), f32([1])], fails="INVALID_ARGUMENT")
    table.types("DenseBincount", lambda dtype: [i32([2, 0, 2, 5]), i32(4), numbers(dtype, 4)])
    table.types("DenseBincount", lambda dtype: [tensor(dtype, [2, 0, 2, 5]), tensor(dtype, 4), f32([0.5, 1, 2, 4])], by="Tidx",
                name="float32, values of {}")
    table.case("DenseBincount", "float32, rows", [i32([[2, 0, 2], [1, 1, 0]]), i32(3), numbers("float32", [2, 3])])
    table.case("DenseBincount", "float32, rows, no weights", [i32([[2, 0, 2], [1, 1, 0]]), i32(3), f32([], [0])])
    table.case("DenseBincount", "int64, whether there is one", [i64([[2, 0, 2], [1, 1, 0]]), i64(3), i64([], [0])],
               binary_output=True)
    table.case("DenseBincount", "float32, negative value", [i32([-1]), i32(3), f32([1])], fails="INVALID_ARGUMENT")
    table.types("HistogramFixedWidth", lambda dtype: [tensor(dtype, [1, 2, 2, 9, 4, 0]), tensor(dtype, [1, 6]), i32(4)])
    for dtype in ("int32", "int64"):
        table.case("HistogramFixedWidth", f"float32 to {dtype}", [f32([-1, 0, 1.5, 2, 5, 15]), f32([0, 5]), i32(5)], dtype=dtype)
    table.case("HistogramFixedWidth", "float32, an empty range", [f32([1]), f32([2, 2]), i32(3)], fails="INVALID_ARGUMENT")
    table.types("Bucketize", lambda dtype: [tensor(dtype, [-5, 10, 3, 150, 7]), ], boundaries=[0.0, 3.0, 10.0, 100.0],
                without=UNSIGNED + ["int8", "int16"])
    table.case("Bucketize", "float32, special values", [f32([[NAN, INF], [-INF, 0.5]])], boundaries=[0.5, 1.0])
    table.case("Bucketize", "float32, no bounds", [f32([1, 2])], boundaries=[])


def sums(table):
    table.types("AddN", lambda dtype: [numbers(dtype, 3), numbers(dtype, 3, start=2), numbers(dtype, 3, start=4)],
                without=["variant"])
    table.case("AddN", "float32, one", [f32([1, 2])])
    table.case("AddN", "float32, ten", [numbers("float32", [2], start=start) for start in range(10)])
    table.case("AddN", "float32, scalars", [f32(1), f32(2)])
    table.case("AddN", "float32, shapes that differ", [f32([1, 2]), f32([1])], fails="INVALID_ARGUMENT")
    for dtype in NUMBERS:
        if dtype in ("uint32", "uint64"):  # TensorFlow has no kernel that adds to variables of these types.
            continue
        table.case("AccumulateNV2", dtype, [numbers(dtype, 3), numbers(dtype, 3, start=2)], shape=[3])


def broadcasting(table):
    for dtype in ("int32", "int64"):
        table.case("BroadcastArgs", dtype, [tensor(dtype, [2, 1, 3]), tensor(dtype, [4, 1])])
        table.case("BroadcastGradientArgs", dtype, [tensor(dtype, [2, 1, 3]), tensor(dtype, [4, 1])])
    table.case("BroadcastArgs", "int32, scalar", [i32([], [0]), i32([4, 2])])
    table.case("BroadcastArgs", "int32, shapes that do not fit", [i32([2]), i32([3])], fails="INVALID_ARGUMENT")
    table.case("BroadcastGradientArgs", "int32, the same", [i32([2, 3]), i32([2, 3])])
    table.case("BroadcastGradientArgs", "int32, ones in both", [i32([1, 3]), i32([2, 1, 1])])
    table.case("BroadcastGradientArgs", "int32, scalar", [i32([], [0]), i32([4, 2])])


# --- Gradients at points without a derivative ------------------------------------------------------------------------

def gradient_edges(table):
    """Gradients at zeros, at equal values and at the ends of the domain."""
    for op, values in (("Abs", [0, -0.0, 2]), ("Sqrt", [0, 4]), ("Rsqrt", [0, 4]), ("Log", [0, -1, 2]), ("Asin", [1, -1, 0]),
                       ("Acos", [1, -1, 0]), ("Acosh", [1, 2]), ("Atanh", [1, -1, 0]), ("Reciprocal", [0, -2]),
                       ("Sign", [0, 3]), ("Erfinv", [1, 0]), ("Tanh", [30, -30]), ("Sigmoid", [30, -30])):
        table.case(op, "float32, edges of the gradient", [f32(values)])
    same, other = f32([1, 2, -3, 0]), f32([1, -2, -3, -0.0])
    for op in ("Maximum", "Minimum", "SquaredDifference", "Atan2", "Xlogy", "Xdivy", "DivNoNan", "MulNoNan", "FloorMod"):
        table.case(op, "float32, equals and zeros", [same, other])
    table.case("Pow", "float32, zeros and negatives", [f32([0, 0, -2, -2, 0]), f32([0, 2, 3, 2, 1])])
    table.case("Pow", "complex64, zeros", [tensor("complex64", [0, 1j]), tensor("complex64", [2, 0])])
    for op in ("Max", "Min"):
        table.case(op, "float32, equals", [f32([[3, 1, 3], [1, 1, 1]]), i32([1])])
    for op in ("Prod", "EuclideanNorm"):
        table.case(op, "float32, a row of zeros", [f32([[0, 0, 0], [0, 2, 3]]), i32([1])])
    table.case("Cumprod", "float32, zeros", [f32([2, 0, 3, 0, 4]), i32(0)])
    for op in ("SegmentMax", "SegmentMin", "SegmentProd"):
        table.case(op, "float32, equals and zeros", [f32([2, 2, 0, 0, 5]), i32([0, 0, 1, 1, 1])])
    for op in ("UnsortedSegmentMax", "UnsortedSegmentMin", "UnsortedSegmentProd"):
        table.case(op, "float32, equals and zeros", [f32([2, 2, 0, 0, 5]), i32([1, 1, 0, 0, 0]), i32(3)])
    table.case("ClipByValue", "float32, at the bounds", [f32([1, 3, 2, 0]), f32(1), f32(3)])
    table.case("ComplexAbs", "complex64, zero", [tensor("complex64", [0, 3 - 4j])], Tout="float32")
    table.case("Abs", "float64, zero", [f64([0, -2])])


# --- Variables and lists as values -----------------------------------------------------------------------------------

def handles(table):
    """Sums of lists, selections of variables and lists."""
    lists = [const("shape", i32([2]))]
    for index in range(3):
        lists += [const(f"x{index}", numbers("float32", [2, 2], start=index)),
                  node(f"l{index}", "TensorListFromTensor", [f"x{index}", "shape"], element_dtype="float32", shape_type="int32")]
    stack = [node("s", "TensorListStack", ["n", "shape"], element_dtype="float32")]
    table.graph("AddN", "variant, lists", lists + [node("n", "AddN", ["l0", "l1", "l2"], T="variant", N=3)] + stack,
                [run(fetch=["s:0"])])
    variables = []
    for name, value in (("v", f32([1, 2])), ("w", f32([3, 4]))):
        variables += [const("x" + name, value), node(name, "VarHandleOp", dtype="float32", shape=[2]),
                      node("i" + name, "AssignVariableOp", [name, "x" + name], dtype="float32")]
    which = node("c", "Placeholder", dtype="bool")
    for op in ("Select", "SelectV2"):
        table.graph(op, "variant, lists", lists[:5] + [which, node("n", op, ["c", "l0", "l1"], T="variant")] + stack,
                    [run(fetch=["s:0"], feed={"c:0": boolean(True)}), run(fetch=["s:0"], feed={"c:0": boolean(False)})])
        table.graph(op, "resource, variables", variables + [which, node("n", op, ["c", "v", "w"], T="resource"),
                                                            node("r", "ReadVariableOp", ["n"], dtype="float32")],
                    [run(target=["iv", "iw"]), run(fetch=["r:0"], feed={"c:0": boolean(True)}),
                     run(fetch=["r:0"], feed={"c:0": boolean(False)})])

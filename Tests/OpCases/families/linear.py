"""Cases of the family Linear: products of matrices and of batches of matrices."""
from cases import COMPLEX, REALS, f32, i32, kernel_types, numbers, tensor

NAN, INF = float("nan"), float("inf")
DISTINCT_PAIRS = [("int8", "int8", "int32"), ("uint8", "int8", "int32"), ("int8", "bfloat16", "bfloat16"),
                  ("bfloat16", "uint8", "bfloat16"), ("uint8", "uint8", "int32"), ("bfloat16", "int8", "bfloat16")]


def declare(table):
    mat_mul(table)
    batch_mat_mul(table)
    fused_mat_mul(table)


def mat_mul(table):
    table.types("MatMul", lambda dtype: [numbers(dtype, [2, 3]), numbers(dtype, [3, 2], start=4)])
    for dtype in ("float32", "int32", "complex64", "bfloat16"):
        for transpose_a in (False, True):
            for transpose_b in (False, True):
                if transpose_a or transpose_b:
                    left, right = [3, 2] if transpose_a else [2, 3], [2, 3] if transpose_b else [3, 2]
                    table.case("MatMul", f"{dtype}, transpose {transpose_a}, {transpose_b}",
                               [numbers(dtype, left), numbers(dtype, right, start=4)],
                               transpose_a=transpose_a, transpose_b=transpose_b)
    table.case("MatMul", "float32, row and column", [numbers("float32", [1, 5]), numbers("float32", [5, 1], start=2)])
    table.case("MatMul", "float32, column and row", [numbers("float32", [4, 1]), numbers("float32", [1, 5], start=2)])
    table.case("MatMul", "float32, row and matrix", [numbers("float32", [1, 3]), numbers("float32", [3, 5], start=2)])
    table.case("MatMul", "float32, larger than a tile", [ramp("float32", [5, 9]), ramp("float32", [9, 3])], grad=False)
    table.case("MatMul", "float64, larger than a tile", [ramp("float64", [3, 11]), ramp("float64", [11, 5])], grad=False)
    table.case("MatMul", "float32, nothing to sum", [f32([], [2, 0]), f32([], [0, 3])])
    table.case("MatMul", "float32, no rows", [f32([], [0, 2]), f32([[1, 2, 3], [4, 5, 6]])])
    table.case("MatMul", "float32, special values", [f32([[1, 0], [NAN, 1]]), f32([[INF, 2], [1, 3]])], grad=False)
    table.case("MatMul", "int32, overflow", [i32([[2 ** 30, 3]]), i32([[4], [5]])])
    table.case("MatMul", "float32, sizes that differ", [f32([[1, 2]]), f32([[1, 2]])], fails="INVALID_ARGUMENT")
    table.case("MatMul", "float32, vector", [f32([1, 2]), f32([[1], [2]])], fails="INVALID_ARGUMENT")


def ramp(dtype, shape):
    """Values with several digits, from -1 upwards."""
    count = shape[0] * shape[1]
    return tensor(dtype, [(index * 7 % count) / 8 - 1 for index in range(count)], shape)


def batch_mat_mul(table):
    for op in ("BatchMatMul", "BatchMatMulV2"):
        table.types(op, lambda dtype: [numbers(dtype, [2, 2, 1]), numbers(dtype, [2, 1, 2], start=4)])
        batch_shapes(table, op)
    for dtype in REALS + COMPLEX + ["int16", "int32", "int64"]:
        if dtype in kernel_types("BatchMatMulV3", "Tout"):
            if dtype == "float16":
                continue
            table.case("BatchMatMulV3", dtype, [numbers(dtype, [2, 2, 1]), numbers(dtype, [2, 1, 2], start=4)], Tout=dtype)
    batch_shapes(table, "BatchMatMulV3", Tout="float32")
    for left, right, product in DISTINCT_PAIRS:
        table.case("BatchMatMulV3", f"{left} and {right} to {product}",
                   [numbers(left, [2, 3]), numbers(right, [3, 2], start=4)], Tout=product)
    table.case("BatchMatMulV3", "int8 to int32, large", [tensor("int8", [[-128, 127]]), tensor("int8", [[-128], [127]])],
               Tout="int32")
    for op, options in (("BatchMatMulV2", {}), ("BatchMatMulV3", {"Tout": "float32"})):
        table.case(op, "float32, batches repeated", [numbers("float32", [2, 1, 1, 2]), numbers("float32", [3, 2, 1])], **options)
        table.case(op, "float32, one matrix for all", [numbers("float32", [2, 2, 2]), numbers("float32", [2, 1], 3)], **options)
        table.case(op, "float32, batches that do not fit", [numbers("float32", [2, 1, 2]), numbers("float32", [3, 2, 1])],
                   fails="INVALID_ARGUMENT", **options)
    table.case("BatchMatMul", "float32, batches that differ", [numbers("float32", [2, 1, 2]), numbers("float32", [1, 2, 1])],
               fails="INVALID_ARGUMENT")


def batch_shapes(table, op, **options):
    """Adjoints of real and complex matrices, empty batches, empty matrices."""
    for adj_x in (False, True):
        for adj_y in (False, True):
            left, right = [2, 3, 2] if adj_x else [2, 2, 3], [2, 1, 3] if adj_y else [2, 3, 1]
            table.case(op, f"float32, adjoint {adj_x}, {adj_y}", [numbers("float32", left), numbers("float32", right, start=4)],
                       adj_x=adj_x, adj_y=adj_y, **options)
    if op != "BatchMatMulV3":
        table.case(op, "complex64, adjoints", [numbers("complex64", [1, 3, 2]), numbers("complex64", [1, 1, 3], start=4)],
                   adj_x=True, adj_y=True)
    table.case(op, "float32, a matrix", [numbers("float32", [2, 3]), numbers("float32", [3, 2], start=4)], **options)
    table.case(op, "float32, no batches", [f32([], [0, 2, 3]), f32([], [0, 3, 2])], **options)
    table.case(op, "float32, nothing to sum", [f32([], [2, 1, 0]), f32([], [2, 0, 2])], **options)


def fused_mat_mul(table):
    activations = ["Relu", "Relu6", "Elu", "LeakyRelu", "Tanh", "Sigmoid"]
    table.types("_FusedMatMul", lambda dtype: [numbers(dtype, [2, 3]), numbers(dtype, [3, 2], 4), numbers(dtype, 2, 1)],
                num_args=1, fused_ops=["BiasAdd"])
    matrices = [f32([[0.5, -1, 2], [1, 0.25, -0.5]]), f32([[1, -2], [0.5, 1], [-0.25, 4]]), f32([0.125, -3])]
    for activation in activations:
        table.case("_FusedMatMul", f"float32, BiasAdd and {activation}", matrices, num_args=1,
                   fused_ops=["BiasAdd", activation], **({"leakyrelu_alpha": 0.1} if activation == "LeakyRelu" else {}))
    for dtype in ("float16", "bfloat16"):
        table.case("_FusedMatMul", f"{dtype}, BiasAdd and Relu", [tensor(dtype, one.array) for one in matrices], num_args=1,
                   fused_ops=["BiasAdd", "Relu"])
    table.case("_FusedMatMul", "float32, transposed", [numbers("float32", [3, 2]), numbers("float32", [2, 3], 4), f32([1, -2])],
               num_args=1, fused_ops=["BiasAdd"], transpose_a=True, transpose_b=True)
    table.case("_FusedMatMul", "float32, nothing to sum", [f32([], [2, 0]), f32([], [0, 2]), f32([1, -2])], num_args=1,
               fused_ops=["BiasAdd"])

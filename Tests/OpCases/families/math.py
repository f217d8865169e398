"""Cases of the family Math: arithmetic, comparisons, reductions, segments, scans."""
from cases import boolean, const, f32, function, i32, node, numbers, run, tensor


def declare(table):
    binary(table)


def binary(table):
    table.types("AddV2", lambda dtype: [numbers(dtype, [2, 1]), numbers(dtype, 3, start=4)])
    table.case("AddV2", "float32, shapes that do not fit", [f32([1, 2]), f32([1, 2, 3])], fails="INVALID_ARGUMENT")

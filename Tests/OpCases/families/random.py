"""Cases of the family Random: the values that TensorFlow's generators give for the same seeds."""
from cases import *

REAL_OPS = ["RandomUniform", "RandomStandardNormal", "TruncatedNormal"]
STATELESS = ["StatelessRandomUniform", "StatelessRandomNormal", "StatelessTruncatedNormal"]


def declare(table):
    with_seeds_of_the_node(table)
    stateless(table)
    with_keys(table)


def drawn(table, op, name, inputs, **attr):
    """Two steps of one node; the second continues the sequence of the first."""
    dtypes = attr.pop("types")
    names = [f"i{index}" for index in range(len(inputs))]
    table.graph(op, name, [*[const(*one) for one in zip(names, inputs)], node("n", op, names, **dtypes, **attr)],
                [run(fetch=["n:0"]), run(fetch=["n:0"])])


def with_seeds_of_the_node(table):
    for op in REAL_OPS:
        for dtype in kernel_types(op, "dtype"):
            drawn(table, op, dtype, [i32([2, 3])], types={"dtype": dtype, "T": "int32"}, seed=3, seed2=5)
        drawn(table, op, "float32, int64 shape, large seeds", [i64([7])], types={"dtype": "float32", "T": "int64"},
              seed=2**40 + 1, seed2=-7)
        drawn(table, op, "float32, only the second seed", [i32([2])], types={"dtype": "float32", "T": "int32"}, seed2=9)
        drawn(table, op, "float32, scalar", [i32([], [0])], types={"dtype": "float32", "T": "int32"}, seed=1)
        drawn(table, op, "float32, empty", [i32([2, 0])], types={"dtype": "float32", "T": "int32"}, seed=1)
        table.case(op, "float32, negative size", [i32([-1])], dtype="float32", seed=1, fails="INVALID_ARGUMENT")
    for dtype, ends in (("int32", [(-3, 10), (0, 1), (-2**31, 2**31 - 1)]),
                        ("int64", [(-3, 10), (-2**62, 2**62), (0, 2**40)])):
        for low, high in ends:
            drawn(table, "RandomUniformInt", f"{dtype}, {low} to {high}",
                  [i32([5]), tensor(dtype, low), tensor(dtype, high)], types={"Tout": dtype, "T": "int32"}, seed=3,
                  seed2=5)
    table.case("RandomUniformInt", "int32, an empty range", [i32([2]), i32(3), i32(3)], seed=1, fails="INVALID_ARGUMENT")
    for dtype in kernel_types("RandomShuffle"):
        drawn(table, "RandomShuffle", dtype, [numbers(dtype, 4)], types={"T": dtype}, seed=3, seed2=5)
    drawn(table, "RandomShuffle", "float32, rows", [numbers("float32", [5, 2])], types={"T": "float32"}, seed=1, seed2=2)
    drawn(table, "RandomShuffle", "float32, one row", [f32([[1, 2]])], types={"T": "float32"}, seed=1, seed2=2)
    drawn(table, "RandomShuffle", "float32, scalar", [f32(3)], types={"T": "float32"}, seed=1, seed2=2)
    for dtype in kernel_types("Multinomial"):
        for kind in ("int64", "int32"):
            if kind == "int64" or dtype == "float32":
                drawn(table, "Multinomial", f"{dtype} to {kind}", [tensor(dtype, [[0, 1, -1], [2, -8, 1]]), i32(6)],
                      types={"T": dtype, "output_dtype": kind}, seed=3, seed2=5)
    drawn(table, "Multinomial", "float32, impossible classes",
          [f32([[float("-inf"), 0, float("-inf")], [0, float("-inf"), 0]]), i32(4)],
          types={"T": "float32", "output_dtype": "int64"}, seed=1, seed2=2)
    drawn(table, "Multinomial", "float32, no samples", [f32([[0, 1]]), i32(0)],
          types={"T": "float32", "output_dtype": "int64"}, seed=1, seed2=2)
    table.case("Multinomial", "float32, vector", [f32([0, 1]), i32(2)], seed=1, fails="INVALID_ARGUMENT")
    for dtype in kernel_types("RandomGamma"):
        drawn(table, "RandomGamma", dtype, [i32([3]), tensor(dtype, [0.5, 1, 4])], types={"S": "int32", "T": dtype},
              seed=3, seed2=5)
    drawn(table, "RandomGamma", "float32, matrix of shapes", [i64([2]), f32([[0.1, 20], [1, 300]])],
          types={"S": "int64", "T": "float32"}, seed=8, seed2=1)
    drawn(table, "RandomGamma", "float32, scalar", [i32([], [0]), f32(2)], types={"S": "int32", "T": "float32"}, seed=8)


def stateless(table):
    for op in STATELESS:
        for dtype in kernel_types(op, "dtype"):
            table.case(op, dtype, [i32([2, 4]), i64([3, 5])], dtype=dtype)
        table.case(op, "float32, int32 seed", [i64([5]), i32([-1, 7])], dtype="float32")
        table.case(op, "float32, large seed", [i32([3]), i64([2**60 + 1, -2**62])], dtype="float32")
        table.case(op, "float32, scalar", [i32([], [0]), i64([1, 2])], dtype="float32")
        table.case(op, "float32, empty", [i32([0, 2]), i64([1, 2])], dtype="float32")
        table.case(op, "float32, a seed of three", [i32([2]), i64([1, 2, 3])], dtype="float32", fails="INVALID_ARGUMENT")
    for dtype in kernel_types("StatelessRandomUniformFullInt", "dtype"):
        for seed in ("int32", "int64"):
            if seed == "int64" or dtype == "uint64":
                table.case("StatelessRandomUniformFullInt", f"{dtype}, {seed} seed", [i32([5]), tensor(seed, [3, 5])],
                           dtype=dtype)
    for dtype in kernel_types("StatelessRandomUniformInt", "dtype"):
        for low, high in ((-3, 10), (0, 2**31 - 1)):
            table.case("StatelessRandomUniformInt", f"{dtype}, {low} to {high}",
                       [i32([6]), i64([3, 5]), tensor(dtype, low), tensor(dtype, high)])
    table.case("StatelessRandomUniformInt", "int32, int32 seed", [i64([2, 2]), i32([3, 5]), i32(0), i32(100)])
    table.case("StatelessRandomUniformInt", "int32, an empty range", [i32([2]), i64([3, 5]), i32(4), i32(4)],
               fails="INVALID_ARGUMENT")
    for dtype in kernel_types("StatelessMultinomial"):
        table.case("StatelessMultinomial", dtype, [tensor(dtype, [[0, 1, -1], [2, -8, 1]]), i32(6), i64([3, 5])],
                   grad=False)
    table.case("StatelessMultinomial", "float32 to int32, int32 seed", [f32([[0, 1, -1]]), i32(6), i32([3, 5])],
               output_dtype="int32")


def with_keys(table):
    key, counter = tensor("uint64", [123456789012345678]), tensor("uint64", [7, 2**63])
    for op in STATELESS:
        op += "V2"
        for dtype in kernel_types(op, "dtype"):
            table.case(op, dtype, [i32([2, 4]), key, counter, i32(1)], dtype=dtype)
        table.case(op, "float32, algorithm of the device", [i64([5]), key, counter, i32(3)], dtype="float32")
        table.case(op, "float32, scalar", [i32([], [0]), key, counter, i32(1)], dtype="float32")
        table.case(op, "float32, no such algorithm", [i32([2]), key, counter, i32(9)], dtype="float32",
                   fails="INVALID_ARGUMENT")
    table.case("StatelessRandomUniformV2", "float32, the counter runs over",
               [i32([9]), key, tensor("uint64", [2**64 - 1, 5]), i32(1)], dtype="float32")
    for dtype in kernel_types("StatelessRandomUniformFullIntV2", "dtype"):
        table.case("StatelessRandomUniformFullIntV2", dtype, [i32([5]), key, counter, i32(1)], dtype=dtype)
    for dtype in kernel_types("StatelessRandomUniformIntV2", "dtype"):
        low = 0 if dtype.startswith("u") else -3
        table.case("StatelessRandomUniformIntV2", dtype,
                   [i32([5]), key, counter, i32(1), tensor(dtype, low), tensor(dtype, 10)])
    table.case("StatelessRandomUniformIntV2", "int32, an empty range", [i32([5]), key, counter, i32(1), i32(5), i32(4)],
               fails="INVALID_ARGUMENT")
    for op in ("StatelessRandomGetKeyCounter", "StatelessRandomGetKeyCounterAlg"):
        table.case(op, "int64", [i64([3, -5])])
        table.case(op, "int32", [i32([3, -5])])
        table.case(op, "int64, large", [i64([2**62 + 12345, 2**61])])
        table.case(op, "int64, a seed of one", [i64([3])], fails="INVALID_ARGUMENT")
    table.case("StatelessRandomGetAlg", "Philox", [])

"""Cases of the family State: variables, tables and accumulators."""
from cases import *
from tensorflow.python.framework import kernels
import tensorflow.compat.v1 as tf


def declare(table):
    reference_variables(table)
    resource_variables(table)
    counters(table)
    gathers(table)
    scatters(table)
    slice_scatters(table)
    strided_slices(table)
    immutable_tables(table)
    text_files(table)
    mutable_tables(table)
    accumulators(table)
    sparse_accumulators(table)


SOME = ["float32", "float16", "int32", "int64", "uint8", "complex64", "string"]
"""The types for the older variant of an op, which has the same kernels as the newer."""


def swept(op, attr="T"):
    """All types for an op on resources, some for an op on references."""
    return [dtype for dtype in kernel_types(op, attr) if op.startswith("Resource") or dtype in SOME]


# --- Variables -------------------------------------------------------------------------------------------------------

def reference(value, name="v", shape=None):
    """A reference variable and the node `<name>a` that sets it."""
    return [node(name, "VariableV2", dtype=value.dtype, shape=value.shape if shape is None else shape),
            const(name + "x", value), node(name + "a", "Assign", [name, name + "x"], T=value.dtype)]


def resource(value, name="v", shape=None):
    """A resource variable and the node `<name>a` that sets it."""
    return [node(name, "VarHandleOp", dtype=value.dtype, shape=value.shape if shape is None else shape),
            const(name + "x", value), node(name + "a", "AssignVariableOp", [name, name + "x"], dtype=value.dtype)]


def reference_variables(table):
    for op in ("VariableV2", "Variable"):
        for dtype in kernel_types("Assign"):
            if op == "Variable" and dtype not in ("float32", "int64", "string"):
                continue
            table.graph(op, dtype, [node("v", op, dtype=dtype, shape=[3]), const("x", numbers(dtype, 3)),
                                    node("a", "Assign", ["v", "x"], T=dtype), node("r", "Identity", ["v"], T=dtype)],
                        [run(fetch=["a:0"]), run(fetch=["r:0"])], also=["Assign"])
    value = f32([1, -2])
    table.graph("VariableV2", "read before it is set", [*reference(value), node("r", "Identity", ["v"], T="float32")],
                [run(fetch=["r:0"], fails="FAILED_PRECONDITION")])
    table.graph("VariableV2", "two nodes of one name",
                [node("v", "VariableV2", dtype="float32", shape=[2], shared_name="s", container="c"),
                 node("w", "VariableV2", dtype="float32", shape=[2], shared_name="s", container="c"),
                 node("u", "VariableV2", dtype="float32", shape=[2], shared_name="s"),
                 const("x", value), node("a", "Assign", ["v", "x"], T="float32"),
                 node("i", "IsVariableInitialized", ["u"], dtype="float32")],
                [run(target=["a"]), run(fetch=["w:0", "i:0"])], also=["IsVariableInitialized"])
    table.graph("IsVariableInitialized", "before and after",
                [*reference(value), node("i", "IsVariableInitialized", ["v"], dtype="float32")],
                [run(fetch=["i:0"]), run(target=["va"]), run(fetch=["i:0"])])
    table.graph("Assign", "another shape",
                [*reference(value), node("x", "Placeholder", dtype="float32"),
                 node("b", "Assign", ["v", "x"], T="float32"),
                 node("c", "Assign", ["v", "x"], T="float32", validate_shape=False, use_locking=False)],
                [run(target=["va"]), run(fetch=["b:0"], feed={"x:0": f32([1, 2, 3])}, fails="INVALID_ARGUMENT"),
                 run(fetch=["c:0"], feed={"x:0": f32([[1, 2, 3]])}), run(fetch=["v:0"])])
    for op in ("AssignAdd", "AssignSub"):
        for dtype in kernel_types(op):
            table.graph(op, dtype, [*reference(numbers(dtype, 3)), const("u", numbers(dtype, 3, start=5)),
                                    node("s", op, ["va", "u"], T=dtype)], [run(fetch=["s:0"])])
        table.graph(op, "float32, several steps",
                    [*reference(value), const("u", f32([0.5, 3])), node("s", op, ["v", "u"], T="float32", use_locking=True)],
                    [run(fetch=["s:0"], fails="FAILED_PRECONDITION"), run(target=["va"]), run(fetch=["s:0"]),
                     run(fetch=["s:0"]), run(fetch=["v:0"])])
        table.graph(op, "float32, another shape",
                    [*reference(value), node("u", "Placeholder", dtype="float32"), node("s", op, ["v", "u"], T="float32")],
                    [run(target=["va"]), run(fetch=["s:0"], feed={"u:0": f32([1, 2, 3])}, fails="INVALID_ARGUMENT")])
    for dtype in ("float32", "float64", "int32", "string", "complex64"):
        table.graph("TemporaryVariable", dtype,
                    [node("t", "TemporaryVariable", shape=[3], dtype=dtype, var_name="t"), const("x", numbers(dtype, 3)),
                     node("a", "Assign", ["t", "x"], T=dtype),
                     node("d", "DestroyTemporaryVariable", ["a"], T=dtype, var_name="t")],
                    [run(fetch=["d:0"]), run(fetch=["d:0"])], also=["DestroyTemporaryVariable"])
    table.graph("TemporaryVariable", "a sum in place",
                [node("t", "TemporaryVariable", shape=[2], dtype="float32", var_name="t"), const("x", value),
                 node("a", "Assign", ["t", "x"], T="float32"), const("u", f32([10, 20])),
                 node("b", "AssignAdd", ["a", "u"], T="float32"),
                 node("d", "DestroyTemporaryVariable", ["b"], T="float32", var_name="t")],
                [run(fetch=["d:0"])], also=["DestroyTemporaryVariable"])


def resource_variables(table):
    for dtype in kernel_types("AssignVariableOp", "dtype"):
        table.graph("VarHandleOp", dtype, [*resource(numbers(dtype, 3)), node("r", "ReadVariableOp", ["v"], dtype=dtype)],
                    [run(target=["va"]), run(fetch=["r:0"])], also=["AssignVariableOp", "ReadVariableOp"])
    value = f32([1, -2])
    table.graph("ReadVariableOp", "before it is set",
                [*resource(value), node("r", "ReadVariableOp", ["v"], dtype="float32"),
                 node("i", "VarIsInitializedOp", ["v"])],
                [run(fetch=["i:0"]), run(fetch=["r:0"], fails="FAILED_PRECONDITION"), run(target=["va"]),
                 run(fetch=["r:0", "i:0"])], also=["VarIsInitializedOp"])
    table.graph("ReadVariableOp", "a copy, whatever comes later",
                [*resource(value), node("r", "ReadVariableOp", ["v"], dtype="float32"), const("u", f32([10, 20])),
                 node("b", "AssignAddVariableOp", ["v", "u", "^r"], dtype="float32"),
                 node("n", "ReadVariableOp", ["v", "^b"], dtype="float32"),
                 node("y", "Identity", ["r", "^n"], T="float32")],
                [run(target=["va"]), run(fetch=["y:0", "n:0"]), run(fetch=["y:0", "n:0"])],
                also=["AssignAddVariableOp"])
    table.graph("VarHandleOp", "two nodes of one name",
                [*resource(value, shape=[None]), node("w", "VarHandleOp", dtype="float32", shape=[2], shared_name="v"),
                 node("r", "ReadVariableOp", ["w"], dtype="float32"),
                 node("u", "VarHandleOp", dtype="float32", shape=[2], shared_name="v", container="other"),
                 node("i", "VarIsInitializedOp", ["u"])],
                [run(target=["va"]), run(fetch=["r:0", "i:0"])], also=["VarIsInitializedOp"])
    table.graph("AssignVariableOp", "another shape",
                [*resource(value, shape="unknown"), const("y", f32([[3, 4, 5]])),
                 node("b", "AssignVariableOp", ["v", "y"], dtype="float32"), const("s", f32([1])),
                 node("c", "AssignVariableOp", ["v", "s"], dtype="float32", validate_shape=True),
                 node("r", "ReadVariableOp", ["v"], dtype="float32")],
                [run(target=["va"]), run(target=["b"]), run(fetch=["r:0"]), run(target=["c"], fails="INVALID_ARGUMENT"),
                 run(fetch=["r:0"])])
    for op in ("AssignAddVariableOp", "AssignSubVariableOp"):
        for dtype in kernel_types(op, "dtype"):
            table.graph(op, dtype, [*resource(numbers(dtype, 3)), const("u", numbers(dtype, 3, start=5)),
                                    node("s", op, ["v", "u", "^va"], dtype=dtype),
                                    node("r", "ReadVariableOp", ["v", "^s"], dtype=dtype)], [run(fetch=["r:0"])])
        table.graph(op, "float32, several steps",
                    [*resource(value, shape="unknown"), node("u", "Placeholder", dtype="float32"),
                     node("s", op, ["v", "u"], dtype="float32"), node("r", "ReadVariableOp", ["v"], dtype="float32")],
                    [run(target=["s"], feed={"u:0": value}, fails="NOT_FOUND"), run(target=["va"]),
                     run(target=["s"], feed={"u:0": f32([5, 6])}), run(target=["s"], feed={"u:0": f32([7, 9])}),
                     run(fetch=["r:0"]), run(target=["s"], feed={"u:0": f32([5, 6, 7])}, fails="INVALID_ARGUMENT")])
    for out_type in ("int32", "int64"):
        table.graph("VariableShape", out_type,
                    [*resource(numbers("float32", [2, 3]), shape=[None, None]),
                     node("s", "VariableShape", ["v"], out_type=out_type)], [run(target=["va"]), run(fetch=["s:0"])])
    table.graph("DestroyResourceOp", "twice",
                [*resource(value), node("d", "DestroyResourceOp", ["v"], ignore_lookup_error=False),
                 node("e", "DestroyResourceOp", ["v"]), node("i", "VarIsInitializedOp", ["v"])],
                [run(target=["va"]), run(fetch=["i:0"]), run(target=["d"]), run(fetch=["i:0"]),
                 run(target=["d"], fails="NOT_FOUND"), run(target=["e"])], also=["VarIsInitializedOp"])
    table.graph("DisableCopyOnRead", "the variable still reads",
                [*resource(value), node("d", "DisableCopyOnRead", ["v"]),
                 node("r", "ReadVariableOp", ["v", "^d"], dtype="float32")],
                [run(target=["va"]), run(fetch=["r:0"])])
    table.graph("IsResourceHandleRefCounting", "a table without a name, a variable",
                [node("t", "AnonymousMutableHashTable", key_dtype="int64", value_dtype="int64"),
                 node("v", "VarHandleOp", dtype="float32", shape=[]),
                 node("a", "IsResourceHandleRefCounting", ["t"]), node("b", "IsResourceHandleRefCounting", ["v"])],
                [run(fetch=["a:0", "b:0"])])
    table.graph("_ReadVariablesOp", "two variables",
                [*resource(value), *resource(text(["a", b"\xff", ""]), "w"),
                 node("r", "_ReadVariablesOp", ["v", "w"], N=2, dtypes=["float32", "string"])],
                [run(target=["va", "wa"]), run(fetch=["r:0", "r:1"])])
    table.graph("_VarHandlesOp", "two variables",
                [node("h", "_VarHandlesOp", containers=["", "c"], shared_names=["a", "b"], N=2,
                      dtypes=["float32", "int32"], shapes=[[2], []]),
                 const("x", value), const("y", i32(7)), node("s", "AssignVariableOp", ["h", "x"], dtype="float32"),
                 node("t", "AssignVariableOp", ["h:1", "y"], dtype="int32"),
                 node("v", "VarHandleOp", dtype="float32", shape=[2], shared_name="a"),
                 node("w", "VarHandleOp", dtype="int32", shape=[], shared_name="b", container="c"),
                 node("q", "ReadVariableOp", ["v"], dtype="float32"), node("r", "ReadVariableOp", ["w"], dtype="int32")],
                [run(target=["s", "t"]), run(fetch=["q:0", "r:0"])])


def counters(table):
    for dtype in ("int32", "int64"):
        value = tensor(dtype, 5)
        table.graph("CountUpTo", dtype, [*reference(value), node("c", "CountUpTo", ["v"], T=dtype, limit=7)],
                    [run(target=["va"]), run(fetch=["c:0"]), run(fetch=["c:0"]), run(fetch=["c:0"], fails="OUT_OF_RANGE"),
                     run(fetch=["v:0"])])
        table.graph("ResourceCountUpTo", dtype,
                    [*resource(value), node("c", "ResourceCountUpTo", ["v"], T=dtype, limit=7),
                     node("r", "ReadVariableOp", ["v"], dtype=dtype)],
                    [run(target=["va"]), run(fetch=["c:0"]), run(fetch=["c:0"]), run(fetch=["c:0"], fails="OUT_OF_RANGE"),
                     run(fetch=["r:0"])])


# --- Parts of variables ----------------------------------------------------------------------------------------------

def gathers(table):
    for op, indices in (("ResourceGather", i32([2, 0])), ("ResourceGatherNd", i32([[2, 1], [0, 0]]))):
        for dtype in kernel_types(op, "dtype"):
            table.graph(op, dtype, [*resource(numbers(dtype, [3, 2])), const("i", indices),
                                    node("g", op, ["v", "i", "^va"], dtype=dtype, Tindices="int32")],
                        [run(fetch=["g:0"])])
    cases = [("ResourceGather", "int64, matrix", [3, 2], i64([[2, 0], [1, 1]]), {}, None),
             ("ResourceGather", "scalar", [3, 2], i32(1), {}, None),
             ("ResourceGather", "batch dimensions", [2, 3], i32([[2, 0], [1, 1]]), {"batch_dims": 1}, None),
             ("ResourceGather", "out of range", [3, 2], i32([3]), {}, "INVALID_ARGUMENT"),
             ("ResourceGatherNd", "int64, rows", [3, 2], i64([[2], [0]]), {}, None),
             ("ResourceGatherNd", "out of range", [3, 2], i32([[0, 2]]), {}, "INVALID_ARGUMENT")]
    for op, name, shape, indices, attr, fails in cases:
        table.graph(op, "float32, " + name,
                    [*resource(numbers("float32", shape)), const("i", indices),
                     node("g", op, ["v", "i"], dtype="float32", Tindices=indices.dtype, **attr)],
                    [run(fetch=["g:0"], fails="NOT_FOUND"), run(target=["va"]), run(fetch=["g:0"], fails=fails)])


def updated(table, op, name, value, indices, updates, fails=None, **attr):
    """A variable and an op that updates some of its rows."""
    begin = [const("i", indices), const("u", updates)]
    dtype, index = value.dtype, indices.dtype
    by = "T" if not op.startswith("Resource") or "Nd" in op else "dtype"
    if op.startswith("Resource"):
        nodes = [*resource(value), *begin, node("s", op, ["v", "i", "u", "^va"], **{by: dtype}, Tindices=index, **attr),
                 node("r", "ReadVariableOp", ["v", "^s"], dtype=dtype)]
        table.graph(op, name, nodes, [run(fetch=["r:0"], fails=fails)])
    else:
        nodes = [*reference(value), *begin, node("s", op, ["va", "i", "u"], T=dtype, Tindices=index, **attr)]
        table.graph(op, name, nodes, [run(fetch=["s:0"], fails=fails)])


def scatters(table):
    for kind in ("Update", "Add", "Sub", "Mul", "Div", "Min", "Max"):
        for op in ("Scatter" + kind, "ResourceScatter" + kind):
            # One row twice, unless the order would matter.
            indices = i32([2, 0, 2] if kind != "Update" else [2, 0, 1])
            for dtype in swept(op, "dtype" if op.startswith("Resource") else "T"):
                updated(table, op, dtype, numbers(dtype, 3), indices, numbers(dtype, 3, start=4))
            matrix = numbers("float32", [3, 2])
            updated(table, op, "float32, int64, rows", matrix, i64([2, 0]), numbers("float32", [2, 2], start=4))
            updated(table, op, "float32, matrix of indices", matrix, i32([[2], [0]]),
                    numbers("float32", [2, 1, 2], start=4))
            updated(table, op, "float32, one value for all", matrix, i32([2, 0]), f32(3))
            updated(table, op, "float32, nothing", matrix, i32([], [0]), f32([], [0, 2]))
            updated(table, op, "float32, out of range", matrix, i32([3]), f32([[1, 2]]), fails="INVALID_ARGUMENT")


def slice_scatters(table):
    for kind in ("Update", "Add", "Sub", "Min", "Max"):
        for op in ("ScatterNd" + kind, "ResourceScatterNd" + kind):
            indices = i32([[2], [0], [2]] if kind != "Update" else [[2], [0], [1]])
            for dtype in swept(op):
                if dtype == "bool" and kind in ("Add", "Sub"):
                    continue  # no sums of bools
                updated(table, op, dtype, numbers(dtype, 3), indices, numbers(dtype, 3, start=4))
            matrix = numbers("float32", [3, 2])
            updated(table, op, "float32, int64, rows", matrix, i64([[2], [0]]), numbers("float32", [2, 2], start=4))
            updated(table, op, "float32, elements", matrix, i32([[2, 1], [0, 0]]), f32([7, -7]))
            updated(table, op, "float32, out of range", matrix, i32([[3]]), f32([[1, 2]]), fails="INVALID_ARGUMENT")
            updated(table, op, "float32, out of range ignored", matrix, i32([[3], [1]]), f32([[1, 2], [3, 4]]),
                    bad_indices_policy="IGNORE")


def strided_slices(table):
    for op in ("StridedSliceAssign", "ResourceStridedSliceAssign"):
        for dtype in swept(op):
            if dtype in QUANTIZED:
                continue
            sliced(table, op, dtype, numbers(dtype, 5), ([4], [0], [-2]), numbers(dtype, 2, start=5))
        matrix = numbers("float32", [3, 4])
        sliced(table, op, "float32, int64, strides", matrix, ([0, 1], [3, 4], [2, 2]), numbers("float32", [2, 2], start=6),
               index="int64")
        sliced(table, op, "float32, open ends", matrix, ([1, 2], [0, 2], [1, 1]), numbers("float32", [3, 2], start=6),
               begin_mask=1, end_mask=3)
        sliced(table, op, "float32, one row", matrix, ([-1, 0], [0, 4], [1, 1]), f32([9, 8, 7, 6]), shrink_axis_mask=1)
        sliced(table, op, "float32, ellipsis and new axis", matrix, ([0, 0, 1], [0, 0, 3], [1, 1, 1]),
               numbers("float32", [3, 1, 2], start=6), ellipsis_mask=1, new_axis_mask=2)
        sliced(table, op, "float32, wrong shape", matrix, ([0], [2], [1]), f32([1, 2, 3]), fails="INVALID_ARGUMENT")


def sliced(table, op, name, value, places, updates, index="int32", fails=None, **masks):
    dtype = value.dtype
    begin = [*[const(one, tensor(index, place)) for one, place in zip("bes", places)], const("u", updates)]
    attr = {"T": dtype, "Index": index, **masks}
    if op.startswith("Resource"):
        table.graph(op, name, [*resource(value), *begin, node("y", op, ["v", "b", "e", "s", "u", "^va"], **attr),
                               node("r", "ReadVariableOp", ["v", "^y"], dtype=dtype)], [run(fetch=["r:0"], fails=fails)])
    else:
        table.graph(op, name, [*reference(value), *begin, node("y", op, ["va", "b", "e", "s", "u"], **attr)],
                    [run(fetch=["y:0"], fails=fails)])


# --- Tables ----------------------------------------------------------------------------------------------------------

def table_types(op):
    """The type pairs with a CPU kernel for tables in TensorFlow; only some of them for tables with a reference."""
    pairs = set()
    for kernel in kernels.get_registered_kernels_for_op(op).kernel:
        types = {one.name: tf.as_dtype(one.allowed_values.list.type[0]).name for one in kernel.constraint}
        if kernel.device_type == "CPU":
            pairs.add((types["key_dtype"], types["value_dtype"]))
    some = {("string", "int64"), ("int64", "string"), ("int64", "float32")}
    return sorted(pair for pair in pairs
                  if pair[0] in ALL and pair[1] in ALL and (op.endswith("V2") or pair in some))


def find(name, handle, keys, default, version="V2", after=()):
    """The nodes that look keys up."""
    return [const(name + "k", keys), const(name + "d", default),
            node(name, "LookupTableFind" + version, [handle, name + "k", name + "d", *after], Tin=keys.dtype,
                 Tout=default.dtype)]


def immutable_tables(table):
    for op in ("HashTableV2", "HashTable"):
        version = op[len("HashTable"):]
        initialize, size = "InitializeTable" + version, "LookupTableSize" + version
        for key, value in table_types(op):
            table.graph(op, f"{key} to {value}",
                        [node("t", op, key_dtype=key, value_dtype=value), const("k", numbers(key, 3)),
                         const("x", numbers(value, 3, start=4)),
                         node("i", initialize, ["t", "k", "x"], Tkey=key, Tval=value),
                         *find("f", "t", numbers(key, [2, 2], start=1), numbers(value, [], start=9), version),
                         node("s", size, ["t"])],
                        [run(target=["i"]), run(fetch=["f:0", "s:0"])],
                        also=[initialize, size, "LookupTableFind" + version])
        strings = [node("t", op, key_dtype="string", value_dtype="int64"), const("k", text(["a", b"\xff", ""])),
                   const("x", i64([1, 2, 3])), node("i", initialize, ["t", "k", "x"], Tkey="string", Tval="int64")]
        table.graph(initialize, "before, once and twice",
                    [*strings, *find("f", "t", text(["", "a", "z"]), i64(-1), version)],
                    [run(fetch=["f:0"], fails="FAILED_PRECONDITION"), run(target=["i"]), run(fetch=["f:0"]),
                     run(target=["i"]), run(fetch=["f:0"])], also=["LookupTableFind" + version])
        table.graph(initialize, "other entries the second time",
                    [*strings, const("l", text(["b"])), const("y", i64([5])),
                     node("j", initialize, ["t", "l", "y"], Tkey="string", Tval="int64")],
                    [run(target=["i"]), run(target=["j"], fails="FAILED_PRECONDITION")])
        table.graph(initialize, "a key twice",
                    [node("t", op, key_dtype="int32", value_dtype="int32"), const("k", i32([1, 1])),
                     const("x", i32([2, 3])), node("i", initialize, ["t", "k", "x"], Tkey="int32", Tval="int32")],
                    [run(target=["i"], fails="FAILED_PRECONDITION")])
        table.graph("LookupTableExport" + version, "an immutable table of one entry",
                    [node("t", op, key_dtype="string", value_dtype="int64"), const("k", text(["\u00e9"])),
                     const("x", i64([7])), node("i", initialize, ["t", "k", "x"], Tkey="string", Tval="int64"),
                     node("e", "LookupTableExport" + version, ["t"], Tkeys="string", Tvalues="int64")],
                    [run(target=["i"]), run(fetch=["e:0", "e:1"])])
        table.graph(op, "two nodes of one name",
                    [node("t", op, key_dtype="int32", value_dtype="int32", shared_name="s"), const("k", i32([1])),
                     node("u", op, key_dtype="int32", value_dtype="int32", shared_name="s"), const("x", i32([2])),
                     node("i", initialize, ["t", "k", "x"], Tkey="int32", Tval="int32"),
                     *find("f", "u", i32([1, 2]), i32(-5), version)],
                    [run(target=["i"]), run(fetch=["f:0"])])
    for key, value in (("string", "int64"), ("int64", "string"), ("int32", "float32")):
        table.graph("AnonymousHashTable", f"{key} to {value}",
                    [node("t", "AnonymousHashTable", key_dtype=key, value_dtype=value), const("k", numbers(key, 3)),
                     const("x", numbers(value, 3, start=4)),
                     node("i", "InitializeTableV2", ["t", "k", "x"], Tkey=key, Tval=value),
                     *find("f", "t", numbers(key, 3, start=1), numbers(value, [], start=9), after=["^i"])],
                    [run(fetch=["f:0"]), run(fetch=["f:0"])], also=["InitializeTableV2", "LookupTableFindV2"])


def text_files(table):
    lines = "emerson,1,2.5\nlake,-3,0.25\n\u00e9,5,7\n"
    columns = [("line numbers", "string", "int64", -2, -1, ["lake,-3,0.25", "lake"], {}),
               ("keys by number", "int64", "string", -1, -2, [2, 5], {}),
               ("two columns", "string", "int64", 0, 1, ["\u00e9", "lake", "x"], {}),
               ("numbers to fractions", "int64", "float32", 1, 2, [5, -3, 0], {}),
               ("fewer lines", "string", "int64", 0, -1, ["emerson", "\u00e9"], {"vocab_size": 2}),
               ("an offset", "string", "int64", 0, -1, ["emerson", "lake", "\u00e9"], {"offset": 1})]
    for version in ("V2", ""):
        for name, key, value, at, of, keys, attr in columns:
            default = tensor(value, "none" if value == "string" else -9)
            table.graph("InitializeTableFromTextFile" + version, name,
                        [*written(lines), node("t", "HashTable" + version, key_dtype=key, value_dtype=value),
                         node("i", "InitializeTableFromTextFile" + version, ["t", "n"], key_index=at, value_index=of,
                              delimiter=",", **attr),
                         *find("f", "t", tensor(key, keys), default, version),
                         node("s", "LookupTableSize" + version, ["t"])],
                        [run(target=["w"]), run(target=["i"]), run(fetch=["f:0", "s:0"])])
        table.graph("InitializeTableFromTextFile" + version, "tabs",
                    [*written("a\t1\nb\t2\n"), node("t", "HashTable" + version, key_dtype="string", value_dtype="int64"),
                     node("i", "InitializeTableFromTextFile" + version, ["t", "n"], key_index=0, value_index=1),
                     *find("f", "t", text(["b", "a"]), i64(0), version)],
                    [run(target=["w"]), run(target=["i"]), run(fetch=["f:0"])])
        for name, content, at, of, attr, fails in (
                ("no such column", "a,1\n", 0, 2, {}, "INVALID_ARGUMENT"), ("no number", "a,b\n", 0, 1, {}, "INVALID_ARGUMENT"),
                ("a key twice", "a,1\na,2\n", 0, 1, {}, "FAILED_PRECONDITION"),
                ("fewer lines than said", "a,1\n", 0, 1, {"vocab_size": 3}, "INVALID_ARGUMENT")):
            table.graph("InitializeTableFromTextFile" + version, name,
                        [*written(content), node("t", "HashTable" + version, key_dtype="string", value_dtype="int64"),
                         node("i", "InitializeTableFromTextFile" + version, ["t", "n"], key_index=at, value_index=of,
                              delimiter=",", **attr)],
                        [run(target=["w"]), run(target=["i"], fails=fails)])
        table.graph("InitializeTableFromTextFile" + version, "no such file",
                    [const("n", text("{dir}/none")), node("t", "HashTable" + version, key_dtype="string", value_dtype="int64"),
                     node("i", "InitializeTableFromTextFile" + version, ["t", "n"], key_index=0, value_index=1)],
                    [run(target=["i"], fails="NOT_FOUND")])


def written(content):
    return [const("n", text("{dir}/words")), const("c", text(content)), node("w", "WriteFile", ["n", "c"])]


def mutable_tables(table):
    for op in ("MutableHashTableV2", "MutableHashTable", "MutableHashTableOfTensorsV2", "MutableHashTableOfTensors"):
        version = "V2" if op.endswith("V2") else ""
        row = [2] if "OfTensors" in op else []
        shape = {"value_shape": row} if row else {}
        insert, size, look = "LookupTableInsert" + version, "LookupTableSize" + version, "LookupTableFind" + version
        for key, value in table_types(op):
            table.graph(op, f"{key} to {value}",
                        [node("t", op, key_dtype=key, value_dtype=value, **shape), const("k", numbers(key, 3)),
                         const("x", numbers(value, [3, *row], start=4)),
                         node("i", insert, ["t", "k", "x"], Tin=key, Tout=value),
                         *find("f", "t", numbers(key, [2, 2], start=1), numbers(value, row, start=9), version),
                         node("s", size, ["t"])],
                        [run(fetch=["f:0", "s:0"]), run(target=["i"]), run(fetch=["f:0", "s:0"])], also=[insert, size, look])
        nodes = [node("t", op, key_dtype="int64", value_dtype="float32", **shape), const("k", i64([5, 6, 7])),
                 const("x", numbers("float32", [3, *row])), node("i", insert, ["t", "k", "x"], Tin="int64", Tout="float32"),
                 const("l", i64([6, 9])), const("y", numbers("float32", [2, *row], start=5)),
                 node("j", insert, ["t", "l", "y"], Tin="int64", Tout="float32"),
                 node("m", "LookupTableImport" + version, ["t", "l", "y"], Tin="int64", Tout="float32"),
                 *find("f", "t", i64([5, 6, 7, 9]), f32(-1, row), version), node("s", size, ["t"])]
        table.graph(insert, op + ", entries changed and added",
                    nodes, [run(target=["i"]), run(target=["j"]), run(fetch=["f:0", "s:0"])], also=[size, look])
        table.graph("LookupTableImport" + version, op + ", all entries replaced",
                    nodes, [run(target=["i"]), run(target=["m"]), run(fetch=["f:0", "s:0"])], also=[size, look])
        # The order of exported entries is not deterministic, so they are sorted by key.
        table.graph("LookupTableExport" + version, op + ", sorted by key",
                    [*nodes, node("e", "LookupTableExport" + version, ["t"], Tkeys="int64", Tvalues="float32"),
                     const("n", i32(3)), node("o", "TopKV2", ["e", "n"], T="int64"), const("z", i32(0)),
                     node("g", "GatherV2", ["e:1", "o:1", "z"], Tparams="float32", Tindices="int32", Taxis="int32")],
                    [run(target=["i"]), run(fetch=["o:0", "g:0"])])
        table.graph("LookupTableExport" + version, op + ", empty",
                    [node("t", op, key_dtype="int64", value_dtype="float32", **shape),
                     node("e", "LookupTableExport" + version, ["t"], Tkeys="int64", Tvalues="float32")],
                    [run(fetch=["e:0", "e:1"])])
        table.graph(insert, op + ", values of another shape",
                    [node("t", op, key_dtype="int64", value_dtype="float32", **shape), const("k", i64([5, 6])),
                     node("x", "Placeholder", dtype="float32"),
                     node("i", insert, ["t", "k", "x"], Tin="int64", Tout="float32")],
                    [run(target=["i"], feed={"x:0": f32([1, 2, 3])}, fails="INVALID_ARGUMENT")])
        if version:
            table.graph("LookupTableRemoveV2", op,
                        [*nodes, node("r", "LookupTableRemoveV2", ["t", "l"], Tin="int64")],
                        [run(target=["i"]), run(target=["r"]), run(fetch=["f:0", "s:0"])])
    table.graph("LookupTableFindV2", "a default for each key",
                [node("t", "MutableHashTableV2", key_dtype="string", value_dtype="int64"), const("k", text(["a", "b"])),
                 const("x", i64([1, 2])), node("i", "LookupTableInsertV2", ["t", "k", "x"], Tin="string", Tout="int64"),
                 *find("f", "t", text(["z", "b", "y"]), i64([-1, -2, -3]))],
                [run(target=["i"]), run(fetch=["f:0"])])
    for op in ("AnonymousMutableHashTable", "AnonymousMutableHashTableOfTensors"):
        row = [2] if "OfTensors" in op else []
        shape = {"value_shape": row} if row else {}
        for key, value in (("string", "int64"), ("int64", "float32")):
            table.graph(op, f"{key} to {value}",
                        [node("t", op, key_dtype=key, value_dtype=value, **shape), const("k", numbers(key, 3)),
                         const("x", numbers(value, [3, *row], start=4)),
                         node("i", "LookupTableInsertV2", ["t", "k", "x"], Tin=key, Tout=value),
                         *find("f", "t", numbers(key, 3, start=1), numbers(value, row, start=9), after=["^i"]),
                         node("s", "LookupTableSizeV2", ["t", "^i"])],
                        [run(fetch=["f:0", "s:0"]), run(fetch=["f:0", "s:0"])])


# --- Accumulators ----------------------------------------------------------------------------------------------------

def accumulator(prefix, dtype, **attr):
    """An accumulator and its ops; gradients and their number are fed."""
    return [node("q", prefix + "ConditionalAccumulator", dtype=dtype, **attr),
            node("g", "Placeholder", dtype=dtype), node("l", "Placeholder", dtype="int64"),
            node("a", prefix + "AccumulatorApplyGradient", ["q", "l", "g"], dtype=dtype),
            node("n", prefix + "AccumulatorNumAccumulated", ["q"]), node("k", "Placeholder", dtype="int32"),
            node("t", prefix + "AccumulatorTakeGradient", ["q", "k"], dtype=dtype),
            node("s", prefix + "AccumulatorSetGlobalStep", ["q", "l"])]


def accumulators(table):
    for prefix in ("", "Resource"):
        op = prefix + "ConditionalAccumulator"
        also = [prefix + "Accumulator" + one for one in ("ApplyGradient", "TakeGradient", "NumAccumulated")]

        def apply(gradient, step=0, fails=None):
            return run(target=["a"], feed={"l:0": i64(step), "g:0": gradient}, fails=fails)

        def take(count, fails=None):
            return run(fetch=["t:0"], feed={"k:0": i32(count)}, fails=fails)

        count = run(fetch=["n:0"])
        for dtype in kernel_types(op, "dtype"):
            for kind in ("MEAN", "SUM"):
                table.graph(op, f"{dtype}, {kind.lower()}", accumulator(prefix, dtype, shape=[2], reduction_type=kind),
                            [apply(tensor(dtype, [1, -2])), apply(tensor(dtype, [4, 5])), count, take(2), count,
                             apply(tensor(dtype, [3, 8]), 1), take(1)], also=also)
        table.graph(op, "more gradients than asked for", accumulator(prefix, "float32", shape=[]),
                    [apply(f32(1)), apply(f32(2)), apply(f32(6)), take(1), count], also=also)
        table.graph(prefix + "AccumulatorApplyGradient", "old gradients are dropped",
                    accumulator(prefix, "float32", shape=[]),
                    [apply(f32(1)), take(1), apply(f32(100), 0), count, apply(f32(7), 1), apply(f32(9), 5), count, take(2)],
                    also=also)
        table.graph(prefix + "AccumulatorSetGlobalStep", "later and earlier", accumulator(prefix, "float32", shape=[]),
                    [run(target=["s"], feed={"l:0": i64(3)}), apply(f32(100), 2), count, apply(f32(5), 3), count,
                     run(target=["s"], feed={"l:0": i64(1)}), apply(f32(100), 2), apply(f32(8), 3), count, take(1)],
                    also=also)
        table.graph(prefix + "AccumulatorApplyGradient", "another shape",
                    accumulator(prefix, "float32", shape=[None, 2]),
                    [apply(f32([1, 2]), fails="INVALID_ARGUMENT"), apply(f32([[1, 2]])),
                     apply(f32([[1, 2], [3, 4]]), fails="INVALID_ARGUMENT"), count, take(1)], also=also)
        table.graph(op, "two nodes of one name",
                    [*accumulator(prefix, "float32", shape=[], shared_name="s"),
                     node("p", op, dtype="float32", shape=[], shared_name="s"),
                     node("m", prefix + "AccumulatorNumAccumulated", ["p"])],
                    [apply(f32(1)), run(fetch=["m:0"])], also=also)


def sparse_accumulators(table):
    def nodes(dtype, known=True, **attr):
        return [node("q", "SparseConditionalAccumulator", dtype=dtype, **attr),
                *[node(name, "Placeholder", dtype=one) for name, one in
                  (("i", "int64"), ("v", dtype), ("h", "int64"), ("l", "int64"), ("k", "int32"))],
                node("a", "SparseAccumulatorApplyGradient", ["q", "l", "i", "v", "h"], dtype=dtype, has_known_shape=known),
                node("n", "AccumulatorNumAccumulated", ["q"]),
                node("t", "SparseAccumulatorTakeGradient", ["q", "k"], dtype=dtype),
                node("s", "AccumulatorSetGlobalStep", ["q", "l"])]

    def apply(rows, values, shape=(4, 2), step=0, fails=None):
        shape = i64(list(shape), [len(shape)])
        return run(target=["a"], feed={"i:0": i64(rows), "v:0": values, "h:0": shape, "l:0": i64(step)}, fails=fails)

    def take(count, fails=None):
        return run(fetch=["t:0", "t:1", "t:2"], feed={"k:0": i32(count)}, fails=fails)

    count = run(fetch=["n:0"])
    op, also = "SparseConditionalAccumulator", ["SparseAccumulatorApplyGradient", "SparseAccumulatorTakeGradient"]
    for dtype in kernel_types(op, "dtype"):
        for kind in ("MEAN", "SUM"):
            table.graph(op, f"{dtype}, {kind.lower()}", nodes(dtype, shape=[4, 2], reduction_type=kind),
                        [apply([0, 2], tensor(dtype, [[1, -2], [3, 4]])), apply([2, 3], tensor(dtype, [[5, 6], [7, 9]])),
                         count, take(2), count], also=also)
    table.graph(op, "float32, unknown shape", nodes("float32", known=False, shape="unknown"),
                [apply([1], f32([[1, 2]]), ()), apply([0], f32([[3, 5]]), ()), take(2)], also=also)
    table.graph(op, "float32, shape known to the gradients", nodes("float32", shape=[None, 2]),
                [apply([1], f32([[1, 2]])), apply([1], f32([[4, 5]])), take(1)], also=also)
    table.graph("SparseAccumulatorApplyGradient", "old gradients are dropped", nodes("float32", shape=[4, 2]),
                [apply([1], f32([[1, 2]])), take(1), apply([0], f32([[9, 9]]), step=0), count,
                 apply([3], f32([[5, 6]]), step=1), count, take(1)], also=also)
    table.graph("SparseAccumulatorApplyGradient", "rows and shapes that do not fit", nodes("float32", shape=[4, 2]),
                [apply([1, 2], f32([[1, 2]]), fails="INVALID_ARGUMENT"), apply([1], f32([[1, 2, 3]]), fails="INVALID_ARGUMENT"),
                 apply([1], f32([[1, 2]]), (5, 2), fails="INVALID_ARGUMENT"), count])

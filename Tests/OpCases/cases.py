"""Declarations of cases: typed tensors, cases of one node, cases of a graph, and the table of a family's cases.

A family file has one function `declare(table)`, which calls `table.case`, `table.types` and `table.graph`.
"""
import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.python.framework import kernels, op_def_registry

QUANTIZED = {"qint8": np.int8, "quint8": np.uint8, "qint16": np.int16, "quint16": np.uint16, "qint32": np.int32}
SIGNED = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
INTEGERS = SIGNED + UNSIGNED
REALS = ["float32", "float64", "float16", "bfloat16"]
COMPLEX = ["complex64", "complex128"]
NUMBERS = REALS + INTEGERS + COMPLEX
ALL = NUMBERS + ["bool", "string"] + list(QUANTIZED)
"""The types that are tried, in this order. The 4- and 8-bit floats and the 2- and 4-bit integers are not among them."""


class Tensor:
    """A dense tensor: the name of its type and an array, which has integers for a quantized type and bytes for strings."""

    def __init__(self, dtype, array):
        self.dtype, self.array = dtype, array

    @property
    def shape(self):
        return list(self.array.shape)

    def fed(self):
        """The array to feed: a copy, because in-place ops write to fed arrays."""
        if self.dtype in QUANTIZED:
            return self.array.astype(tf.as_dtype(self.dtype).as_numpy_dtype)
        return self.array.copy()


def tensor(dtype, values, shape=None):
    """A tensor from nested lists, or from a flat list and a shape. A single value fills the shape."""
    if dtype == "string":
        flat = np.array(values, dtype=object)
        array = np.empty(flat.shape, dtype=object)
        for index in np.ndindex(*flat.shape):
            text = flat[index]
            array[index] = text if isinstance(text, bytes) else text.encode("utf-8")
    elif dtype in QUANTIZED:
        array = np.array(values, dtype=QUANTIZED[dtype])
    else:
        array = np.array(values).astype(tf.as_dtype(dtype).as_numpy_dtype) if dtype in REALS + COMPLEX \
            else np.array(values, dtype=tf.as_dtype(dtype).as_numpy_dtype)
    if shape is not None:
        array = np.full(shape, array.ravel()[0], dtype=array.dtype) if array.size == 1 else array.reshape(shape)
    return Tensor(dtype, array)


def f32(values, shape=None):
    return tensor("float32", values, shape)


def f64(values, shape=None):
    return tensor("float64", values, shape)


def i32(values, shape=None):
    return tensor("int32", values, shape)


def i64(values, shape=None):
    return tensor("int64", values, shape)


def text(values, shape=None):
    return tensor("string", values, shape)


def boolean(values, shape=None):
    return tensor("bool", values, shape)


SERIES = [1, 3, 2, 5, 4, 7, 6, 9, 8, 11, 12, 10]


def numbers(dtype, shape, start=0):
    """Small distinct values for any type, some negative and some with fractions if the type has them. Another `start`
    gives other values."""
    shape = [shape] if isinstance(shape, int) else list(shape)
    count = int(np.prod(shape))
    series = [SERIES[(index + start) % len(SERIES)] for index in range(count)]
    if dtype == "bool":
        return boolean([value % 3 != 0 for value in series], shape) if count else boolean([], shape)
    if dtype == "string":
        words = ["a", "", "bc", "\u00e9t\u00e9", b"\xff\x00z", "de f"]
        return text([words[value % len(words)] for value in series], shape)
    signs = [-1 if (index + start) % 3 == 1 else 1 for index in range(count)]
    if dtype in UNSIGNED or dtype in ("quint8", "quint16"):
        return tensor(dtype, series, shape)
    if dtype in SIGNED or dtype in QUANTIZED:
        return tensor(dtype, [value * sign for value, sign in zip(series, signs)], shape)
    halves = [value * sign / 2 for value, sign in zip(series, signs)]
    if dtype in COMPLEX:
        return tensor(dtype, [complex(half, 1 - index / 2) for index, half in enumerate(halves)], shape)
    return tensor(dtype, halves, shape)


class Case:
    """A case of one node with dense inputs."""

    def __init__(self, op, name, inputs, attr, dy, grad, rtol, any, fails, instead):
        self.op, self.name, self.inputs, self.attr = op, name, inputs, attr
        self.dy, self.grad, self.rtol, self.any, self.fails, self.instead = dy, grad, rtol, any, fails, instead


class GraphCase:
    """A case of several nodes, with one or more steps in one session."""

    def __init__(self, op, name, nodes, runs, also, library, rtol):
        self.op, self.name, self.nodes, self.runs = op, name, nodes, runs
        self.also, self.library, self.rtol = also, library, rtol


def node(name, op, inputs=(), device=None, **attr):
    """A node of a graph case. Inputs are written as in a GraphDef: "x", "x:1", "^x". A Tensor is an attribute's value."""
    if op == "VarHandleOp":
        attr.setdefault("shared_name", name)  # Without it all variables of a session would be the same.
    return {"name": name, "op": op, "input": list(inputs), "device": device, "attr": attr}


def const(name, value):
    """A constant of a graph case."""
    return node(name, "Const", dtype=value.dtype, value=value)


def run(fetch=(), target=(), feed=None, fails=None, any=False):
    """One run of a graph case: tensors to fetch ("x:0"), nodes to run without fetching, tensors to feed."""
    return {"fetch": list(fetch), "target": list(target), "feed": feed or {}, "fails": fails, "any": any}


def function(name, inputs, outputs, nodes, returns, **attr):
    """A function of a graph case's library. Arguments are pairs of name and type; in the nodes an input is an argument's
    name or "node:output_arg:0"; `returns` maps each output to such a name."""
    return {"name": name, "in": inputs, "out": outputs, "nodes": nodes, "ret": returns, "attr": attr}


HIDDEN = ["_Arg", "_Retval"]
"""Ops that are in no graph: a function's arguments and results are made of them."""


def needed(nodes, runs):
    """The nodes that the runs feed, fetch or have as targets, and all their ancestors."""
    def node_of(name):
        return name.lstrip("^").split(":")[0]
    inputs = {one["name"]: [node_of(name) for name in one["input"]] for one in nodes}
    found, open_names = set(), [node_of(name) for one in runs for name in [*one["feed"], *one["fetch"], *one["target"]]]
    while open_names:
        name = open_names.pop()
        if name not in found:
            found.add(name)
            open_names += inputs[name]
    return [one for one in nodes if one["name"] in found]


def kernel_types(op, attr="T"):
    """The types of `ALL` for which TensorFlow has a CPU kernel of the op, by one of its type attributes."""
    allowed = None
    definition = op_def_registry.get(op)
    if definition is None:
        raise LookupError(f"TensorFlow has no op {op}")
    for one in definition.attr:
        if one.name == attr:
            allowed = {tf.as_dtype(value).name for value in one.allowed_values.list.type} or set(ALL)
    if allowed is None:
        raise LookupError(f"{op} has no attribute {attr}")
    found = set()
    for kernel in kernels.get_registered_kernels_for_op(op).kernel:
        if kernel.device_type in ("CPU", "DEFAULT"):
            types = [constraint.allowed_values.list.type for constraint in kernel.constraint if constraint.name == attr]
            found |= {tf.as_dtype(value).name for value in types[0]} if types else allowed
    return [dtype for dtype in ALL if dtype in found and dtype in allowed]


class Table:
    """The cases of a family, in the order of their declaration."""

    def __init__(self):
        self.cases = []
        self._names = set()

    def case(self, op, name, inputs, dy=None, grad=True, rtol=None, any=False, fails=None, instead=None,
             **attr):
        """Adds a case of one node with dense inputs. Type attributes are inferred from the inputs. `any` is True, or the
        indices of the outputs whose values are not deterministic. `instead` is for an op without a working CPU kernel in
        TensorFlow: equivalent nodes, with inputs x0, x1 …, and the names of their tensors that are the op's outputs."""
        self._add(Case(op, name, list(inputs), attr, dy, grad, rtol, any, fails, instead))

    def types(self, op, inputs, by="T", without=(), only=None, name="{}", **options):
        """Adds a case for each type that TensorFlow has a CPU kernel for. `inputs` makes the inputs for a type; a value of
        `options` may also be a function of the type."""
        for dtype in kernel_types(op, by):
            if dtype in without or (only is not None and dtype not in only):
                continue
            values = {key: value(dtype) if callable(value) else value for key, value in options.items()}
            values.setdefault(by, dtype)
            self.case(op, name.format(dtype), inputs(dtype), **values)

    def graph(self, op, name, nodes, runs, also=(), library=(), rtol=None):
        """Adds a case of several nodes and their runs. Nodes that no run needs are left out, also from `also`."""
        nodes = needed(nodes, runs)
        ops = {one["op"] for one in [*nodes, *[one for body in library for one in body["nodes"]]]}
        also = sorted(one for one in {*also} - {op} if one in ops or one in HIDDEN)
        self._add(GraphCase(op, name, nodes, runs, also, list(library), rtol))

    def _add(self, case):
        if (case.op, case.name) in self._names:
            raise ValueError(f"there are two cases {case.op}: {case.name}")
        self._names.add((case.op, case.name))
        self.cases.append(case)

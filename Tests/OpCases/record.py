"""Records the table of op cases from TensorFlow.

record.py [--family NAME]            runs the cases in TensorFlow and writes <family>.jsonl next to this file
record.py --check OPS.txt            prints the ops of a list (one name a line) that have no recorded case
record.py --against grpc://HOST:PORT runs the recorded cases' graphs on a server and prints every difference
README.md describes the format.
"""
import argparse, functools, importlib, json, os, sys, tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # oneDNN's results depend on the processor.

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "Interop"))  # After this folder, which has its own `cases`.
from servers import quietly

with quietly():
    import numpy as np
    import tensorflow.compat.v1 as tf
    from tensorflow.core.framework import function_pb2, graph_pb2, node_def_pb2
    from tensorflow.core.protobuf import rewriter_config_pb2
    from tensorflow.python.framework import op_def_registry
    from cases import ALL, COMPLEX, QUANTIZED, REALS, Case, Table, Tensor

FAMILIES = ["array", "control", "io", "linear", "math", "nn", "queue", "random", "state", "strings", "training"]
PRODUCER = 1882  # The graphs' producer version, unless an op needs an older one.
CODES = ["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
         "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
         "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"]
TOLERANCE = {"float32": 1e-5, "complex64": 1e-5, "float64": 1e-12, "complex128": 1e-12, "float16": 2e-3,
             "bfloat16": 1.6e-2}


# --- Writing tensors -------------------------------------------------------------------------------------------------

def float_text(value, dtype):
    """The shortest decimal that reads back to the value."""
    if value != value:
        return '"nan"'
    if value in (float("inf"), float("-inf")):
        return '"inf"' if value > 0 else '"-inf"'
    if dtype is np.float64:
        digits = repr(float(value))
    else:
        with np.errstate(over="ignore"):
            digits = next(digits for places in range(1, 18) for digits in [f"{float(value):.{places}g}"]
                          if dtype(float(digits)) == value)
    if float(digits) == 0:
        return "-0.0" if np.signbit(value) else "0"
    if float(digits).is_integer() and abs(float(digits)) < 1e6:
        return str(int(float(digits)))
    mantissa, _, exponent = digits.partition("e")
    if mantissa.endswith(".0"):
        mantissa = mantissa[:-2]
    return mantissa + ("e" + str(int(exponent)) if exponent else "")


def value_text(value, dtype):
    """A value of a tensor as JSON; a complex value is its two parts."""
    if dtype == "string":
        return json.dumps(value.decode("latin-1"))
    if dtype in COMPLEX:
        part = np.float32 if dtype == "complex64" else np.float64
        return float_text(part(value.real), part) + "," + float_text(part(value.imag), part)
    if dtype in REALS:
        return float_text(value, tf.as_dtype(dtype).as_numpy_dtype)
    return str(int(value))


def tensor_text(tensor, values=True):
    """A tensor as [dtype, shape, values]: a single value if all are equal, none if they are not deterministic."""
    texts = [value_text(value, tensor.dtype) for value in tensor.array.ravel()] if values else []
    if len(set(texts)) == 1:
        texts = texts[:1]
    return f'["{tensor.dtype}",{json.dumps(tensor.shape, separators=(",", ":"))},[{",".join(texts)}]]'


def json_text(value):
    """A value of a case as JSON without spaces. Tensors are written as above."""
    if isinstance(value, Tensor):
        return tensor_text(value)
    if isinstance(value, bytes):
        return json.dumps(value.decode("latin-1"))
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{json_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(json_text(one) for one in value) + "]"
    if isinstance(value, float):
        return float_text(value, np.float64)
    if isinstance(value, str):
        return json.dumps(value.encode("utf-8").decode("latin-1"))
    return json.dumps(value)


# --- Making graphs ---------------------------------------------------------------------------------------------------

def definition(op):
    found = op_def_registry.get(op)
    if found is None:
        raise LookupError(f"TensorFlow has no op {op}")
    return found


DEVICE = [""]
"""The device that {device} stands for now."""


@functools.cache
def device_of(target):
    """The name of the device that a session runs nodes on."""
    with tf.Session(target) as session:
        return next(one.name for one in session.list_devices() if one.device_type == "CPU")


def in_folder(value, folder):
    """The value with {dir} and {device} replaced by the names of the folder and the device."""
    if isinstance(value, str):
        return value.replace("{dir}", folder).replace("{device}", DEVICE[0])
    if isinstance(value, bytes):
        return value.replace(b"{dir}", folder.encode()).replace(b"{device}", DEVICE[0].encode())
    if isinstance(value, Tensor) and value.dtype == "string":
        array = np.empty(value.array.shape, dtype=object)
        for index in np.ndindex(*array.shape):
            array[index] = in_folder(value.array[index], folder)
        return Tensor("string", array)
    return value


def tensor_proto(value):
    return tf.make_tensor_proto(value.fed(), dtype=tf.as_dtype(value.dtype), shape=value.shape)


def set_shape(proto, shape):
    if shape == "unknown":
        proto.unknown_rank = True
        return
    proto.SetInParent()
    for size in shape:
        proto.dim.add().size = -1 if size is None else size


def set_function(proto, value, folder):
    if isinstance(value, str):
        value = {"name": value}
    proto.name = value["name"]
    for name, attr in value.get("attr", {}).items():
        set_attribute(proto.attr[name], kind_of(attr), attr, folder)


def kind_of(value):
    """The kind of an attribute that is not in a schema."""
    if isinstance(value, (list, tuple)):
        return "list(" + (kind_of(value[0]) if value else "int") + ")"
    if isinstance(value, Tensor):
        return "tensor"
    if isinstance(value, dict):
        return "func"
    if isinstance(value, str):
        return "type" if value in ALL + ["resource", "variant"] else "string"
    return {bool: "bool", int: "int", float: "float", bytes: "string"}[type(value)]


def set_attribute(proto, kind, value, folder):
    """Sets an AttrValue. The kinds are those of a schema: "int", "list(type)", "func" …"""
    if kind.startswith("list("):
        proto.list.SetInParent()
        for one in value:
            item = kind[5:-1]
            if item == "shape":
                set_shape(proto.list.shape.add(), one)
            elif item == "func":
                set_function(proto.list.func.add(), one, folder)
            elif item == "tensor":
                proto.list.tensor.add().CopyFrom(tensor_proto(in_folder(one, folder)))
            elif item == "type":
                proto.list.type.append(tf.as_dtype(one).as_datatype_enum)
            elif item == "string":
                proto.list.s.append(as_bytes(in_folder(one, folder)))
            else:
                getattr(proto.list, item[0]).append(one)
    elif kind == "shape":
        set_shape(proto.shape, value)
    elif kind == "func":
        set_function(proto.func, value, folder)
    elif kind == "tensor":
        proto.tensor.CopyFrom(tensor_proto(in_folder(value, folder)))
    elif kind == "type":
        proto.type = tf.as_dtype(value).as_datatype_enum
    elif kind == "string":
        proto.s = as_bytes(in_folder(value, folder))
    else:
        setattr(proto, kind[0], value)


def as_bytes(value):
    """A string attribute's bytes: the characters of a str are UTF-8."""
    return value if isinstance(value, bytes) else value.encode("utf-8")


def node_def(name, op, inputs, attr, folder, device=None, functions=()):
    """A NodeDef with all attributes of its schema."""
    proto = node_def_pb2.NodeDef(name=name, op=op, input=inputs, device=device or "")
    kinds = {}
    if op not in functions:
        schema = definition(op)
        kinds = {one.name: one.type for one in schema.attr}
        for one in schema.attr:
            if one.HasField("default_value") and one.name not in attr:
                proto.attr[one.name].CopyFrom(one.default_value)
    for key, value in attr.items():
        set_attribute(proto.attr[key], kinds.get(key) or kind_of(value), value, folder)
    return proto


def function_def(function, folder, functions):
    proto = function_pb2.FunctionDef()
    proto.signature.name = function["name"]
    for name, dtype in function["in"]:
        proto.signature.input_arg.add(name=name, type=tf.as_dtype(dtype).as_datatype_enum)
    for name, dtype in function["out"]:
        proto.signature.output_arg.add(name=name, type=tf.as_dtype(dtype).as_datatype_enum)
    for node in function["nodes"]:
        if not node.get("op"):
            raise ValueError(f"a node of {function['name']} has no op")
        proto.node_def.append(node_def(node["name"], node["op"], node["input"], node["attr"], folder,
                                       node.get("device"), functions))
    for node in proto.node_def:
        schema = op_def_registry.get(node.op)
        if schema is not None and schema.is_stateful:
            proto.signature.is_stateful = True
    for key, value in function["ret"].items():
        proto.ret[key] = value
    for key, value in function.get("attr", {}).items():
        set_attribute(proto.attr[key], kind_of(value), value, folder)
    return proto


def inferred(case):
    """The case's attributes with the types and counts inferred from its inputs."""
    schema = definition(case.op)
    attr = dict(case.attr)
    variadic = [arg for arg in schema.input_arg if arg.number_attr or arg.type_list_attr]
    rest = len(case.inputs) - (len(schema.input_arg) - len(variadic))
    at = 0
    for arg in schema.input_arg:
        count = 1
        if arg.number_attr:
            count = attr.setdefault(arg.number_attr, rest // len(variadic))
        elif arg.type_list_attr:
            given = attr.get(arg.type_list_attr)
            count = len(given) if given is not None else rest // len(variadic)
            attr.setdefault(arg.type_list_attr, [one.dtype for one in case.inputs[at:at + count]])
        if arg.type_attr and at < len(case.inputs) and count:
            attr.setdefault(arg.type_attr, case.inputs[at].dtype)
        at += count
    if at != len(case.inputs):
        raise ValueError(f"{case.op} takes {at} inputs with these attributes, the case has {len(case.inputs)}")
    order = {one.name: index for index, one in enumerate(schema.attr)}
    return dict(sorted(attr.items(), key=lambda item: (order.get(item[0], 99), item[0])))


# --- Running ---------------------------------------------------------------------------------------------------------

def session_config():
    """One thread and no optimizer, so that the op's own kernel computes every node."""
    config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=2)
    config.operation_timeout_in_ms = 20_000  # A case that waits forever is a mistake.
    options = config.graph_options
    options.optimizer_options.opt_level = tf.OptimizerOptions.L0
    options.optimizer_options.do_common_subexpression_elimination = False
    options.optimizer_options.do_constant_folding = False
    options.optimizer_options.do_function_inlining = False
    options.rewrite_options.disable_meta_optimizer = True
    options.rewrite_options.constant_folding = rewriter_config_pb2.RewriterConfig.OFF
    return config


def fetched(value, dtype, folder):
    """What a session returned, as a tensor."""
    name = tf.as_dtype(dtype).base_dtype.name
    # Numpy would drop the zero bytes at the end of a string.
    array = np.asarray(value, dtype=object) if name == "string" else np.asarray(value)
    if name in QUANTIZED:
        array = array.astype(QUANTIZED[name])
    if name == "string":
        old, array = array, np.empty(array.shape, dtype=object)
        for index in np.ndindex(*array.shape):
            array[index] = as_bytes(old[index]).replace(folder.encode(), b"{dir}")
    return Tensor(name, array)


def code_of(error):
    """The name of an error's code; INVALID_ARGUMENT for errors while a graph is made."""
    return CODES[error.error_code] if isinstance(error, tf.errors.OpError) else "INVALID_ARGUMENT"


def gradient_values(shape, dtype, start):
    """The incoming gradient of an output: distinct values."""
    series = [0.5, -1, 2, 1.5, -0.25, 3, -2, 0.75]
    count = int(np.prod(shape))
    array = np.array([series[(index + start) % len(series)] for index in range(count)]).reshape(shape)
    if dtype in COMPLEX:
        array = array + 1j * array[..., ::-1] / 2 if array.ndim else array + 0.5j
    return Tensor(dtype, array.astype(tf.as_dtype(dtype).as_numpy_dtype))


def wants_gradient(case, outputs):
    kinds = {one.dtype for one in case.inputs} & {"float32", "float64", "complex64"}
    return case.grad and not case.fails and case.any is not True and bool(kinds) and \
        any(one.dtype in ("float32", "float64", "complex64") for one in outputs)


def simple_graph(case, attr, target, folder):
    """The graph of a case of one node, "n", with inputs x0, x1, … For TensorFlow, `instead` may replace the node."""
    graph_def = graph_pb2.GraphDef()
    for index, one in enumerate(case.inputs):
        given = {"dtype": one.dtype, "shape": "unknown"} if case.fails else {"dtype": one.dtype, "value": one}
        graph_def.node.append(node_def(f"x{index}", "Placeholder" if case.fails else "Const", [], given, folder))
    names = [f"x{index}" for index in range(len(case.inputs))]
    if case.instead and not target:
        for node in case.instead[0]:
            graph_def.node.append(node_def(node["name"], node["op"], node["input"], node["attr"], folder))
    else:
        graph_def.node.append(node_def("n", case.op, names, attr, folder))
    return graph_def


def run_simple(case, target, folder):
    """The case's record: the contents of its line."""
    attr = inferred(case)
    record = {"op": case.op, "case": case.name, "attr": attr, "in": case.inputs}
    try:
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(simple_graph(case, attr, target, folder), name="")
            other = case.instead and not target
            node = None if other else graph.get_operation_by_name("n")
            ys = [graph.get_tensor_by_name(name) for name in case.instead[1]] if other else list(node.outputs)
            xs = [graph.get_tensor_by_name(f"x{index}:0") for index in range(len(case.inputs))]
            feed = {x: in_folder(one, folder).fed() for x, one in zip(xs, case.inputs)}
            with tf.Session(target, config=session_config()) as session:
                values = session.run(ys or node, feed)
                outputs = [fetched(value, one.dtype, folder) for value, one in zip(values or [], ys)]
                record["out"] = outputs
                if wants_gradient(case, outputs):
                    record_gradient(case, record, session, ys, xs, feed, outputs, folder)
    except (tf.errors.OpError, ValueError, TypeError) as error:
        if case.fails and code_of(error) == case.fails:
            record["fails"] = case.fails
            return record
        raise
    if case.fails:
        raise ValueError(f"the case does not fail with {case.fails}")
    if case.any:
        record["any"] = case.any
    return record


def record_gradient(case, record, session, outs, xs, feed, outputs, folder):
    """Adds TensorFlow's gradient of the node, if there is one."""
    given = [gradient_values(one.shape, one.dtype, index) if one.dtype in REALS + COMPLEX else None
             for index, one in enumerate(outputs)]
    if case.dy is not None:
        given = case.dy
    ys = [(y, dy) for y, dy in zip(outs, given) if dy is not None]
    try:
        gradients = tf.gradients([y for y, _ in ys], xs, [tf.constant(dy.fed()) for _, dy in ys])
    except LookupError:
        return
    gradients = [None if one is None else tf.convert_to_tensor(one) for one in gradients]
    if all(one is None for one in gradients):
        return
    # TensorFlow forbids feeding an input whose value was read while the gradient was built; that input is a constant.
    feed = {x: value for x, value in feed.items() if x.graph.is_feedable(x)}
    values = iter(session.run([one for one in gradients if one is not None], feed))
    record["dy"] = given
    record["dx"] = [None if one is None else fetched(next(values), one.dtype, folder) for one in gradients]


def producer_of(case):
    """The newest producer version that still has all ops of the case."""
    ops = {node["op"] for one in [{"nodes": case.nodes}, *case.library] for node in one["nodes"]}
    schemas = [schema for schema in map(op_def_registry.get, ops) if schema is not None]
    return min([PRODUCER] + [one.deprecation.version - 1 for one in schemas if one.HasField("deprecation")])


def run_graph(case, target, folder):
    """The record of a case of several nodes."""
    functions = {one["name"] for one in case.library}
    graph_def = graph_pb2.GraphDef()
    for node in case.nodes:
        graph_def.node.append(node_def(node["name"], node["op"], node["input"], node["attr"], folder, node["device"],
                                       functions))
    for function in case.library:
        graph_def.library.function.append(function_def(function, folder, functions))
    graph_def.versions.producer = producer_of(case)
    record = {"op": case.op, "case": case.name}
    if graph_def.versions.producer != PRODUCER:
        record["producer"] = graph_def.versions.producer
    if case.also:
        record["also"] = case.also
    constants = {node["name"]: node["attr"]["value"] for node in case.nodes if is_plain_constant(node)}
    if constants:
        record["const"] = constants
    record["graph"] = [compact_node(node) for node in case.nodes if not is_plain_constant(node)]
    if case.library:
        record["library"] = [compact_function(function) for function in case.library]
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        with tf.Session(target, config=session_config()) as session:
            record["runs"] = [run_once(one, graph, session, folder) for one in case.runs]
    return record


def run_once(one, graph, session, folder):
    record = {key: one[key] for key in ("feed", "fetch", "target") if one[key]}
    feed = {name: in_folder(value, folder).fed() for name, value in one["feed"].items()}
    targets = [graph.get_operation_by_name(name) for name in one["target"]]
    try:
        values = session.run(one["fetch"] + targets, feed)
    except tf.errors.OpError as error:
        if code_of(error) != one["fails"]:
            raise
        record["fails"] = one["fails"]
        return record
    if one["fails"]:
        raise ValueError(f"a run does not fail with {one['fails']}")
    if one["any"]:
        record["any"] = one["any"]
    if one["fetch"]:
        types = [graph.get_tensor_by_name(name).dtype for name in one["fetch"]]
        record["out"] = [fetched(value, dtype, folder) for value, dtype in zip(values, types)]
    return record


def is_plain_constant(node):
    """Whether a node is a constant with only a name and a value, which goes into the line's list `const`."""
    return node["op"] == "Const" and not node["input"] and not node["device"] and set(node["attr"]) == {"dtype", "value"}


def compact_node(node):
    record = {"name": node["name"], "op": node["op"]}
    for key in ("input", "device", "attr"):
        if node[key]:
            record[key] = node[key]
    return record


def compact_function(function):
    record = {key: function[key] for key in ("name", "in", "out")}
    record["nodes"] = [compact_node(node) for node in function["nodes"]]
    record["ret"] = function["ret"]
    if function.get("attr"):
        record["attr"] = function["attr"]
    return record


def record_of(case, target=""):
    """Runs the case in a temporary folder."""
    DEVICE[0] = device_of(target)
    with tempfile.TemporaryDirectory() as folder:
        record = (run_simple if isinstance(case, Case) else run_graph)(case, target, folder)
    if case.rtol is not None:
        record["rtol"] = case.rtol
    return record


def is_any(record, index):
    """Whether the values of an output are not deterministic."""
    return record["any"] is True or index in record["any"]


def without_values(record):
    """The record without the values of nondeterministic outputs."""
    def emptied(one):
        if one.get("any") and "out" in one:
            return {**one, "out": [RawText(tensor_text(tensor, values=False)) if is_any(one, index) else tensor
                                   for index, tensor in enumerate(one["out"])]}
        return one
    record = emptied(record)
    if "runs" in record:
        record = {**record, "runs": [emptied(one) for one in record["runs"]]}
    return record


class RawText(Tensor):
    """A tensor as finished JSON text."""

    def __init__(self, text):
        self.text = text


def line_of(record):
    return json_text_of(without_values(record))


def json_text_of(value):
    if isinstance(value, RawText):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{json_text_of(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(json_text_of(one) for one in value) + "]"
    return json_text(value)


# --- Commands --------------------------------------------------------------------------------------------------------

def cases_of(family):
    table = Table()
    importlib.import_module("families." + family).declare(table)
    return sorted(table.cases, key=lambda case: case.op)


def families(name):
    return [name] if name else [one for one in FAMILIES if os.path.exists(f"{HERE}/families/{one}.py")]


def selected(cases, op):
    return [case for case in cases if not op or case.op == op]


def record_families(name, op, show):
    refused = 0
    for family in families(name):
        lines = []
        for case in selected(cases_of(family), op):
            try:
                lines.append(line_of(record_of(case)))
            except Exception as error:
                refused += 1
                message = " ".join(str(error).split())[:400]
                print(f"{family}: {case.op}: {case.name}: {type(error).__name__}: {message}", file=sys.stderr)
        if show:
            print("\n".join(lines))
        elif not refused:
            with open(f"{HERE}/{family}.jsonl", "w") as file:
                file.writelines(line + "\n" for line in lines)
            print(f"{family}: {len(lines)} cases, {os.path.getsize(f'{HERE}/{family}.jsonl') // 1024} KB")
    if refused:
        sys.exit(f"{refused} cases were refused: a family with a refused case is not written")


def check(path):
    tried = set()
    for family in families(None):
        if os.path.exists(f"{HERE}/{family}.jsonl"):
            for line in open(f"{HERE}/{family}.jsonl"):
                record = json.loads(line)
                tried |= {record["op"], *record.get("also", [])}
    for op in open(path).read().split():
        if op not in tried:
            print(op)


def differs(expected, found, rtol):
    """Whether a tensor differs from the expected one."""
    if expected is None or found is None:
        return (expected is None) != (found is None)
    if expected.dtype != found.dtype or expected.shape != found.shape:
        return True
    if expected.dtype not in TOLERANCE:
        return not np.array_equal(expected.array, found.array)
    kind = np.complex128 if expected.dtype in COMPLEX else np.float64
    left, right = expected.array.astype(kind), found.array.astype(kind)
    if kind == np.complex128:
        left, right = left.view(np.float64) if left.ndim else left, right.view(np.float64) if right.ndim else right
        if not left.ndim:
            left, right = np.array([left.real, left.imag]), np.array([right.real, right.imag])
    finite = np.isfinite(left)
    if not np.array_equal(left[~finite], right[~finite], equal_nan=True):
        return True
    largest = np.max(np.abs(left[finite]), initial=0)
    tolerance = (TOLERANCE[expected.dtype] if rtol is None else rtol) * largest
    return bool(np.any(~(np.abs(left[finite] - right[finite]) <= tolerance)))


def differences(expected, found):
    """Descriptions of the differences between two records."""
    rtol = expected.get("rtol")
    pairs = [(f"run {index}", left, right) for index, (left, right) in enumerate(zip(expected["runs"], found["runs"]))] \
        if "runs" in expected else [("", expected, found)]
    for where, left, right in pairs:
        for key in ("out", "dx"):
            for index, one in enumerate(left.get(key, [])):
                other = right[key][index] if index < len(right.get(key, [])) else None
                if left.get("any") and key == "out" and is_any(left, index) and other is not None:
                    if one.dtype == other.dtype and one.shape == other.shape:
                        continue
                elif not differs(one, other, rtol):
                    continue
                yield f"{where} {key}[{index}]: expected {json_text(one)}, found {json_text(other)}".strip()


def compare(name, op, target):
    """Records the cases in TensorFlow and on the server, and prints the differences."""
    count = internal = 0
    for family in families(name):
        for case in selected(cases_of(family), op):
            try:
                expected = record_of(case)
            except Exception as error:
                print(f"{family}: {case.op}: {case.name}: TensorFlow refuses: {error}")
                continue
            try:
                tf.Session.reset(target)
                found = list(differences(expected, record_of(case, target)))
            except Exception as error:
                if "is internal and may not be sent by a client" in str(error):
                    internal += 1
                    continue
                found = [f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"]
            count += 1
            for one in found:
                print(f"{family}: {case.op}: {case.name}: {one}", flush=True)
    print(f"{count} cases compared, {internal} more have ops that no client may send")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=FAMILIES)
    parser.add_argument("--op", help="only this op's cases; with --show")
    parser.add_argument("--show", action="store_true", help="print the lines instead of writing them")
    parser.add_argument("--check", metavar="OPS.txt")
    parser.add_argument("--against", metavar="grpc://HOST:PORT")
    arguments = parser.parse_args()
    tf.disable_eager_execution()
    tf.logging.set_verbosity(tf.logging.ERROR)
    if arguments.check:
        check(arguments.check)
    elif arguments.against:
        compare(arguments.family, arguments.op, arguments.against)
    elif arguments.op and not arguments.show:
        parser.error("--op needs --show: a family is written as a whole")
    else:
        record_families(arguments.family, arguments.op, arguments.show)


if __name__ == "__main__":
    main()

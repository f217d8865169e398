#!/usr/bin/env python3
"""Compares the schema of each of Weir's ops, as `weir ops NAME` prints it, with that of TensorFlow's op.

Compares inputs, outputs, attributes with their types, defaults, allowed values and minimums, and statefulness. Types that
Weir does not have are removed from TensorFlow's allowed types. Exit status 1 if something differs.
"""
import argparse
import concurrent.futures
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import servers

HERE = Path(__file__).resolve().parent


def weirs_schema(weir, name):
    lines = subprocess.run([weir, "ops", name], stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout
    head, *rest = re.split(r"\n  (?=[\w]+: )", "\n" + lines.strip("\n"))
    schema = {"stateful": head.strip().endswith("(stateful)"), "inputs": [], "outputs": [], "attributes": {}}
    for line in rest:
        key, text = line.split(": ", 1)
        if key in ("inputs", "outputs") and "attributes" in schema and not schema["attributes"]:
            schema[key] = [tuple(argument.split(": ")) for argument in text.split(", ")]
        elif key == "kernel" or key == "gradient" and text in ("yes", "no"):
            continue
        else:
            schema["attributes"][key] = attribute_of_text(text)
    return schema


def attribute_of_text(text):
    """`type in {a, b} >= 1 = type(a)`, each part but the first optional."""
    found = re.fullmatch(r"(?P<kind>[\w()]+)(?: in \{(?P<allowed>.*?)\})?(?: >= (?P<minimum>-?\d+))?(?: = (?P<default>.*))?",
                         text, re.S)
    allowed = found["allowed"]
    return {"type": found["kind"], "allowed": set(allowed.split(", ")) if allowed is not None else None,
            "minimum": int(found["minimum"]) if found["minimum"] else None, "default": found["default"]}


def tensorflows_schema(op, type_names, known_types):
    def argument(arg):
        text = arg.type_list_attr or arg.type_attr or type_names[arg.type]
        text = f"{arg.number_attr} * {text}" if arg.number_attr else text
        return arg.name, f"Ref({text})" if arg.is_ref else text
    schema = {"stateful": op.is_stateful, "inputs": [argument(arg) for arg in op.input_arg],
              "outputs": [argument(arg) for arg in op.output_arg], "attributes": {}}
    for attribute in op.attr:
        allowed = None
        if attribute.HasField("allowed_values"):
            types = {type_names[number] for number in attribute.allowed_values.list.type}
            strings = {text.decode() for text in attribute.allowed_values.list.s}
            allowed = types & known_types if types else strings
        schema["attributes"][attribute.name] = {
            "type": attribute.type, "allowed": allowed, "minimum": attribute.minimum if attribute.has_minimum else None,
            "default": default_text(attribute.default_value, type_names) if attribute.HasField("default_value") else None}
    return schema


def default_text(value, type_names):
    """A default value as `weir ops` prints it."""
    kind = value.WhichOneof("value")
    if kind == "list":
        one, content = next(((field.name, content) for field, content in value.list.ListFields()), ("", []))
        words = [type_names[each] if one == "type" else quoted(each) if one == "s" else str(each) for each in content]
        return f"[{', '.join(words)}]"
    if kind == "shape":
        shape = value.shape
        return "<unknown>" if shape.unknown_rank else "[" + ",".join(str(dim.size) for dim in shape.dim) + "]"
    if kind == "tensor":
        # The only op with such a default has a vector of bytes.
        shape = ",".join(str(dim.size) for dim in value.tensor.tensor_shape.dim)
        return f"{type_names[value.tensor.dtype]}[{shape}] [{', '.join(str(each) for each in value.tensor.int_val)}]"
    return {"b": lambda: str(value.b).lower(), "i": lambda: str(value.i), "f": lambda: str(value.f),
            "s": lambda: quoted(value.s), "type": lambda: type_names[value.type]}[kind]()


def quoted(text):
    return json.dumps(text.decode())


def same_default(ours, theirs, kind):
    if kind == "float" and ours is not None and theirs is not None:
        return math.isclose(float(ours), float(theirs), rel_tol=1e-6)
    return ours == theirs


def differences(ours, theirs):
    for what in ("stateful", "inputs", "outputs"):
        if ours[what] != theirs[what]:
            yield f"{what}: {ours[what]}, TensorFlow's {theirs[what]}"
    for name in sorted(ours["attributes"].keys() | theirs["attributes"].keys()):
        one, other = ours["attributes"].get(name), theirs["attributes"].get(name)
        if one is None or other is None:
            yield f"attribute {name}: {'only TensorFlow' if one is None else 'only Weir'} has it"
            continue
        for what in ("type", "minimum"):
            if one[what] != other[what]:
                yield f"attribute {name}: {what} {one[what]}, TensorFlow's {other[what]}"
        if one["allowed"] != other["allowed"]:
            ours_only = sorted((one["allowed"] or set()) - (other["allowed"] or set()))
            theirs_only = sorted((other["allowed"] or set()) - (one["allowed"] or set()))
            yield f"attribute {name}: allows {ours_only} more and {theirs_only} less than TensorFlow's"
        if not same_default(one["default"], other["default"], one["type"]):
            yield f"attribute {name}: default {one['default']}, TensorFlow's {other['default']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weir", type=Path, default=HERE.parent.parent / ".build/release/weir")
    weir = str(parser.parse_args().weir.resolve())
    with servers.quietly():
        import tensorflow as tf
        from tensorflow.python.framework import op_def_registry
    type_names = names_of_types()
    names = subprocess.run([weir, "ops"], stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout.split()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        schemas = dict(zip(names, pool.map(lambda name: weirs_schema(weir, name), names)))
    # Weir's types are those that its ops name.
    known = {name for schema in schemas.values() for attribute in schema["attributes"].values() if attribute["type"] == "type"
             for name in attribute["allowed"] or ()} | {"string", "bool", "resource", "variant"}
    differing = 0
    for name, ours in schemas.items():
        op = op_def_registry.get(name)
        if op is None:
            found = ["TensorFlow has no such op"]
        else:
            found = list(differences(ours, tensorflows_schema(op, type_names, known)))
        for each in found:
            print(f"{name}: {each}")
        differing += bool(found)
    print(f"{len(schemas)} ops compared with TensorFlow's {tf.__version__}: {differing} differ", flush=True)
    return 1 if differing else 0


def names_of_types():
    """TensorFlow's type numbers, with the names that its op registrations use."""
    from tensorflow.core.framework import types_pb2
    return {number: name.removeprefix("DT_").lower() for name, number in types_pb2.DataType.items()}


if __name__ == "__main__":
    sys.exit(main())

"""Cases of the family Control: control flow, function calls, transfers, stacks, tensor arrays, lists and optionals."""
from cases import *


def declare(table):
    orderings(table)
    messages(table)
    branches(table)
    loops(table)
    reference_flow(table)
    transfers(table)
    calls(table)
    function_loops(table)
    truth(table)
    stacks(table)
    for version in ("V3", "V2", ""):
        arrays(table, version)
    lists(table)
    list_failures(table)
    optionals(table)
    collectives(table)


def spread(*nodes):
    """The nodes, with a constant for each input that is a tensor."""
    made = []
    for one in nodes:
        inputs = []
        for index, value in enumerate(one["input"]):
            if isinstance(value, Tensor):
                made.append(const(f"{one['name']}_{index}", value))
                value = f"{one['name']}_{index}"
            inputs.append(value)
        made.append({**one, "input": inputs})
    return made


def fed(name, dtype):
    return node(name, "Placeholder", dtype=dtype)


# --- Order and messages ----------------------------------------------------------------------------------------------

def orderings(table):
    variable = [node("v", "VarHandleOp", dtype="int32", shape=[])]
    for op in ("NoOp", "ControlTrigger"):
        table.graph(op, "what comes before it", spread(
            *variable, node("a", "AssignVariableOp", ["v", i32(7)], dtype="int32"), node("n", op, ["^a"]),
            node("r", "ReadVariableOp", ["v", "^n"], dtype="int32")), [run(fetch=["r:0"])])
    table.graph("ControlTrigger", "runs after a branch not taken", spread(
        fed("p", "bool"), node("s", "Switch", [f32(1), "p"], T="float32"), node("i", "Identity", ["s:1"], T="float32"),
        node("c", "ControlTrigger", ["^i"]), node("y", "Const", ["^c"], dtype="int32", value=i32(5)),
        node("n", "NoOp", ["^i"]), node("z", "Const", ["^n"], dtype="int32", value=i32(6))),
        [run(fetch=["y:0"], feed={"p:0": boolean(False)}),
         run(fetch=["y:0", "z:0"], feed={"p:0": boolean(True)})], also=["NoOp", "Switch"])
    # `Abort` in a taken branch would end the process.
    table.graph("Abort", "on a branch not taken", spread(
        node("s", "Switch", [f32(1), boolean(False)], T="float32"), node("i", "Identity", ["s:1"], T="float32"),
        node("a", "Abort", ["^i"], error_msg="not here"), node("c", "ControlTrigger", ["^a"]),
        node("y", "Const", ["^c"], dtype="int32", value=i32(5))), [run(fetch=["y:0"])])
    table.graph("Timestamp", "a time", [node("t", "Timestamp")], [run(fetch=["t:0"], any=True)])
    table.graph("Timestamp", "after 2020, and later later", spread(
        node("t", "Timestamp"), node("u", "Timestamp", ["^t"]), node("g", "Greater", ["t", f64(1577836800)], T="float64"),
        node("h", "GreaterEqual", ["u", "t"], T="float64")), [run(fetch=["g:0", "h:0"])])


def messages(table):
    table.graph("Assert", "true and false", spread(
        fed("p", "bool"), node("a", "Assert", ["p", text(["why", "not"]), f32([1, 2, 3, 4, 5])], T=["string", "float32"],
                               summarize=2),
        node("y", "Const", ["^a"], dtype="int32", value=i32(5))),
        [run(fetch=["y:0"], feed={"p:0": boolean(True)}),
         run(fetch=["y:0"], feed={"p:0": boolean(False)}, fails="INVALID_ARGUMENT"),
         run(target=["a"], feed={"p:0": boolean([True, True])}, fails="INVALID_ARGUMENT")])
    for dtype in ALL:
        table.graph("Print", dtype, spread(node("y", "Print", [numbers(dtype, 3), numbers(dtype, 4)], T=dtype, U=[dtype],
                                                message="values: ", first_n=1)), [run(fetch=["y:0"]), run(fetch=["y:0"])])
    table.graph("Print", "no values", spread(node("y", "Print", [f32([1, 2])], T="float32", U=[])), [run(fetch=["y:0"])])
    for name, attr in (("a line each", {}), ("another end", {"end": "|"})):
        table.graph("PrintV2", name, spread(
            fed("x", "string"), node("p", "PrintV2", ["x"], output_stream="file://{dir}/log", **attr),
            node("r", "ReadFile", [text("{dir}/log")])),
            [run(target=["p"], feed={"x:0": text("first \u00e9")}), run(target=["p"], feed={"x:0": text("second")}),
             run(fetch=["r:0"]), run(target=["p"], feed={"x:0": text(["a vector"])}, fails="INVALID_ARGUMENT")])
    for stream in ("stderr", "log(info)"):
        table.graph("PrintV2", "to " + stream, spread(
            node("p", "PrintV2", [text("a line of a case")], output_stream=stream),
            node("y", "Const", ["^p"], dtype="int32", value=i32(5))), [run(fetch=["y:0"])])


# --- Branches --------------------------------------------------------------------------------------------------------

def branches(table):
    for dtype in kernel_types("Switch"):
        table.graph("Switch", dtype, spread(
            fed("p", "bool"), node("s", "Switch", [numbers(dtype, 3), "p"], T=dtype),
            node("t", "Identity", ["s:1"], T=dtype), node("m", "Merge", ["s", "t"], N=2, T=dtype)),
            [run(fetch=["m:0", "m:1"], feed={"p:0": boolean(False)}),
             run(fetch=["m:0", "m:1"], feed={"p:0": boolean(True)})], also=["Merge"])
    table.graph("Switch", "the branch not taken", spread(
        fed("p", "bool"), node("s", "Switch", [f32([1, 2]), "p"], T="float32"), node("n", "Neg", ["s"], T="float32"),
        node("q", "Square", ["s:1"], T="float32")),
        [run(fetch=["n:0"], feed={"p:0": boolean(False)}), run(fetch=["q:0"], feed={"p:0": boolean(True)}),
         run(fetch=["n:0"], feed={"p:0": boolean([True, False])}, fails="INVALID_ARGUMENT")])
    table.graph("Merge", "three inputs, one alive", spread(
        fed("p", "bool"), fed("q", "bool"), node("s", "Switch", [f32(1), "p"], T="float32"),
        node("t", "Switch", ["s:1", "q"], T="float32"), node("a", "Neg", ["t"], T="float32"),
        node("b", "AddV2", ["t:1", f32(10)], T="float32"), node("m", "Merge", ["s", "a", "b"], N=3, T="float32")),
        [run(fetch=["m:0", "m:1"], feed={"p:0": boolean(p), "q:0": boolean(q)})
         for p, q in ((False, True), (True, False), (True, True))], also=["Switch"])
    for dtype in ("float32", "int32", "bool", "string", "complex64"):
        outputs = [node(f"y{index}", "Identity", [f"s:{index}"], T=dtype) for index in range(3)]
        table.graph("_SwitchN", dtype, spread(
            fed("i", "int32"), node("s", "_SwitchN", [numbers(dtype, 2), "i"], T=dtype, num_outs=3), *outputs,
            node("m", "Merge", ["y0", "y1", "y2"], N=3, T=dtype)),
            [run(fetch=["m:0", "m:1"], feed={"i:0": i32(index)}) for index in (0, 1, 2, 3, -1)], also=["Merge"])


# --- Loops -----------------------------------------------------------------------------------------------------------

def loop(name, begin, condition, body, parallel=10, constants=()):
    """The nodes of a while loop. `begin` maps each variable to a tensor and its type; `condition` makes nodes, the last of
    them `<name>_more`; `body` makes nodes, the last of them the new values `<name>_new_<variable>`."""
    made = []
    for variable, (source, dtype) in begin.items():
        at = f"{name}_{variable}"
        made += [node(at + "_enter", "Enter", [source], T=dtype, frame_name=name, parallel_iterations=parallel),
                 node(at + "_merge", "Merge", [at + "_enter", at + "_next"], T=dtype, N=2),
                 node(at + "_switch", "Switch", [at + "_merge", name + "_cond"], T=dtype),
                 node(at + "_in", "Identity", [at + "_switch:1"], T=dtype),
                 node(at + "_next", "NextIteration", [f"{name}_new_{variable}"], T=dtype),
                 node(at + "_exit", "Exit", [at + "_switch"], T=dtype)]
    for constant, (source, dtype) in dict(constants).items():
        made.append(node(f"{name}_{constant}", "Enter", [source], T=dtype, frame_name=name, is_constant=True,
                         parallel_iterations=parallel))
    return [*made, *condition, node(name + "_cond", "LoopCond", [name + "_more"]), *body]


def loops(table):
    also = ["Exit", "NextIteration", "LoopCond", "Merge", "Switch"]
    for dtype in ALL:
        table.graph("Enter", dtype, spread(
            node("e", "Enter", [numbers(dtype, 3)], T=dtype, frame_name="f"), node("x", "Exit", ["e"], T=dtype)),
            [run(fetch=["x:0"])], also=["Exit"])
    counting = {"i": (i32(0), "int32")}
    for parallel in (1, 10):
        table.graph("Enter", f"factorial and powers, {parallel} iterations at once", spread(
            fed("n", "int32"),
            *loop("w", {**counting, "f": (i64(1), "int64"), "s": (f32([1, 2]), "float32")},
                  [node("w_more", "Less", ["w_i_merge", "w_n"], T="int32")],
                  [node("w_new_i", "AddV2", ["w_i_in", "w_one"], T="int32"),
                   node("w_wide", "Cast", ["w_new_i"], SrcT="int32", DstT="int64"),
                   node("w_new_f", "Mul", ["w_f_in", "w_wide"], T="int64"),
                   node("w_new_s", "Mul", ["w_s_in", "w_factor"], T="float32")], parallel,
                  {"n": ("n", "int32"), "one": (i32(1), "int32"), "factor": (f32([3, -2]), "float32")})),
            [run(fetch=["w_i_exit:0", "w_f_exit:0", "w_s_exit:0"], feed={"n:0": i32(n)}) for n in (0, 1, 7, 15)], also=also)
    for dtype in ("float64", "string", "bool", "complex64", "int8"):
        table.graph("NextIteration", dtype + ", three times round", spread(
            *loop("w", {**counting, "a": (numbers(dtype, 2), dtype), "b": (numbers(dtype, 2, start=3), dtype)},
                  [node("w_more", "Less", ["w_i_merge", "w_n"], T="int32")],
                  [node("w_new_i", "AddV2", ["w_i_in", "w_one"], T="int32"), node("w_new_a", "Identity", ["w_b_in"], T=dtype),
                   node("w_new_b", "Identity", ["w_a_in"], T=dtype)], constants={"n": (i32(3), "int32"), "one": (i32(1), "int32")})),
            [run(fetch=["w_a_exit:0", "w_b_exit:0"])], also=["Enter", *also])
    table.graph("Enter", "a loop in a loop", spread(
        *loop("w", {**counting, "t": (i32(0), "int32")}, [node("w_more", "Less", ["w_i_merge", "w_n"], T="int32")],
              [node("w_new_i", "AddV2", ["w_i_in", "w_one"], T="int32"),
               *loop("u", {"j": ("w_zero", "int32"), "t": ("w_t_in", "int32")},
                     [node("u_more", "LessEqual", ["u_j_merge", "u_i"], T="int32")],
                     [node("u_new_j", "AddV2", ["u_j_in", "u_one"], T="int32"),
                      node("u_product", "Mul", ["u_j_in", "u_i"], T="int32"),
                      node("u_new_t", "AddV2", ["u_t_in", "u_product"], T="int32")],
                     constants={"i": ("w_i_in", "int32"), "one": ("w_one", "int32")}),
               node("w_new_t", "Identity", ["u_t_exit"], T="int32")],
              constants={"n": (i32(4), "int32"), "one": (i32(1), "int32"), "zero": (i32(0), "int32")})),
        [run(fetch=["w_t_exit:0"])], also=also)


def reference_flow(table):
    def variable(name, value):
        return [node(name, "VariableV2", dtype=value.dtype, shape=value.shape),
                node(name + "a", "Assign", [name, value], T=value.dtype)]

    for dtype in ("float32", "int32", "string", "complex128"):
        value, other = numbers(dtype, 2), numbers(dtype, 2, start=5)
        read = [node("r", "Identity", ["v"], T=dtype), node("q", "Identity", ["w"], T=dtype)]
        begin = [*variable("v", value), *variable("w", numbers(dtype, 2, start=9)), *read]
        both = run(target=["va", "wa"])
        table.graph("RefSwitch", dtype, spread(
            *begin, fed("p", "bool"), node("s", "RefSwitch", ["v", "p"], T=dtype),
            node("f", "Assign", ["s", other], T=dtype), node("t", "Identity", ["s:1"], T=dtype),
            node("m", "Merge", ["f", "t"], T=dtype, N=2)),
            [run(target=["va"]), run(fetch=["m:0", "m:1"], feed={"p:0": boolean(True)}), run(fetch=["r:0"]),
             run(fetch=["m:0", "m:1"], feed={"p:0": boolean(False)}), run(fetch=["r:0"])])
        table.graph("RefMerge", dtype, spread(
            *begin, fed("p", "bool"), node("s", "RefSwitch", ["v", "p"], T=dtype),
            node("t", "RefSwitch", ["w", "p"], T=dtype), node("m", "RefMerge", ["s", "t:1"], T=dtype, N=2),
            node("f", "Assign", ["m", other], T=dtype)),
            [both, run(fetch=["f:0", "m:1"], feed={"p:0": boolean(True)}), run(fetch=["r:0", "q:0"]),
             run(fetch=["f:0", "m:1"], feed={"p:0": boolean(False)}), run(fetch=["r:0", "q:0"])], also=["RefSwitch"])
        table.graph("RefSelect", dtype, spread(
            *begin, fed("i", "int32"), node("s", "RefSelect", ["i", "v", "w"], T=dtype, N=2),
            node("f", "Assign", ["s", other], T=dtype)),
            [both, run(fetch=["f:0"], feed={"i:0": i32(1)}), run(fetch=["r:0", "q:0"]),
             run(fetch=["f:0"], feed={"i:0": i32(2)}, fails="INVALID_ARGUMENT")])
        table.graph("RefEnter", dtype, spread(
            *begin, node("e", "RefEnter", ["v"], T=dtype, frame_name="f"), node("x", "RefExit", ["e"], T=dtype),
            node("f", "Assign", ["x", other], T=dtype)),
            [run(target=["va"]), run(fetch=["f:0"]), run(fetch=["r:0"])], also=["RefExit"])
    table.graph("RefNextIteration", "a variable goes round", spread(
        *variable("v", f32([1, 2])), node("r", "Identity", ["v"], T="float32"),
        node("ie", "Enter", [i32(0)], T="int32", frame_name="f"), node("im", "Merge", ["ie", "in"], T="int32", N=2),
        node("n", "Enter", [i32(3)], T="int32", frame_name="f", is_constant=True),
        node("one", "Enter", [i32(1)], T="int32", frame_name="f", is_constant=True),
        node("u", "Enter", [f32([10, 20])], T="float32", frame_name="f", is_constant=True),
        node("less", "Less", ["im", "n"], T="int32"), node("c", "LoopCond", ["less"]),
        node("is", "Switch", ["im", "c"], T="int32"), node("i1", "AddV2", ["is:1", "one"], T="int32"),
        node("in", "NextIteration", ["i1"], T="int32"),
        node("ve", "RefEnter", ["v"], T="float32", frame_name="f"),
        node("vm", "RefMerge", ["ve", "vn"], T="float32", N=2), node("vs", "RefSwitch", ["vm", "c"], T="float32"),
        node("add", "AssignAdd", ["vs:1", "u"], T="float32"), node("vn", "RefNextIteration", ["add"], T="float32"),
        node("vx", "RefExit", ["vs"], T="float32"), node("y", "Identity", ["vx"], T="float32")),
        [run(target=["va"]), run(fetch=["y:0"]), run(fetch=["r:0"])], also=["RefEnter", "RefMerge", "RefSwitch", "RefExit"])


# --- Transfers -------------------------------------------------------------------------------------------------------

def transfers(table):
    here = "{device}"
    for send, receive in (("_Send", "_Recv"), ("_HostSend", "_HostRecv"), ("Send", "Recv")):
        for dtype in ALL if send == "_Send" else ("float32", "int32", "string"):
            key = {"tensor_name": "edge", "send_device": here, "send_device_incarnation": 1, "recv_device": here}
            table.graph(receive, dtype, spread(
                node("s", send, [numbers(dtype, 3)], T=dtype, **key), node("r", receive, tensor_type=dtype, **key),
                node("y", "Identity", ["r"], T=dtype)),
                [run(fetch=["y:0"], target=["s"])], also=[send])
        key = {"send_device": here, "send_device_incarnation": 1, "recv_device": here}
        table.graph(receive, "two names, crosswise", spread(
            node("s", send, [f32(1)], T="float32", tensor_name="a", **key),
            node("t", send, [f32(2)], T="float32", tensor_name="b", **key),
            node("r", receive, tensor_type="float32", tensor_name="b", **key),
            node("q", receive, tensor_type="float32", tensor_name="a", **key),
            node("y", "Identity", ["r"], T="float32"), node("z", "Identity", ["q"], T="float32")),
            [run(fetch=["y:0", "z:0"], target=["s", "t"])], also=[send])
        if send == "Send":  # TensorFlow sends nothing in this case.
            continue
        table.graph(receive, "from a branch not taken", spread(
            fed("p", "bool"), node("b", "Switch", [f32(3), "p"], T="float32"),
            node("s", send, ["b:1"], T="float32", tensor_name="a", **key),
            node("r", receive, tensor_type="float32", tensor_name="a", **key),
            node("y", "Merge", ["r", "b"], N=2, T="float32")),
            [run(fetch=["y:0", "y:1"], target=["s"], feed={"p:0": boolean(one)}) for one in (False, True)], also=[send])


# --- Functions -------------------------------------------------------------------------------------------------------

LIBRARY = [
    function("double", [["x", "float32"]], [["y", "float32"]], [node("a", "AddV2", ["x", "x"], T="float32")], {"y": "a:z:0"}),
    function("negate", [["x", "float32"]], [["y", "float32"]], [node("n", "Neg", ["x"], T="float32")], {"y": "n:y:0"}),
    function("square", [["x", "float32"]], [["y", "float32"]], [node("s", "Square", ["x"], T="float32")], {"y": "s:y:0"}),
]
"""Functions of one number."""

MIXED = function("mixed", [["a", "float32"], ["b", "string"], ["c", "int32"]],
                 [["x", "int32"], ["y", "string"], ["z", "float32"]],
                 [node("j", "StringJoin", ["b", "b"], N=2, separator="+"), node("n", "Neg", ["a"], T="float32")],
                 {"x": "c", "y": "j:output:0", "z": "n:y:0"})
COUNT = function("count", [["v", "resource"], ["x", "float32"]], [["y", "float32"]],
                 [node("a", "AssignAddVariableOp", ["v", "x"], dtype="float32"),
                  node("r", "ReadVariableOp", ["v", "^a"], dtype="float32")], {"y": "r:value:0"})
NESTED = function("nested", [["x", "float32"]], [["y", "float32"]],
                  [node("d", "PartitionedCall", ["x"], Tin=["float32"], Tout=["float32"], f="double"),
                   node("n", "StatefulPartitionedCall", ["d:output:0"], Tin=["float32"], Tout=["float32"], f="negate")],
                  {"y": "n:output:0"})
GENERIC = function("choose", [["x", "float32"], ["y", "float32"]], [["big", "float32"], ["small", "float32"]],
                   [node("a", "Maximum", ["x", "y"], T="float32"), node("i", "Minimum", ["x", "y"], T="float32")],
                   {"big": "a:z:0", "small": "i:z:0"})


def called(name, op, function, inputs, types, results, **attr):
    return node(name, op, inputs, Tin=types, Tout=results, f=function, **attr)


def calls(table):
    hidden = ["_Arg", "_Retval"]
    for op in ("PartitionedCall", "StatefulPartitionedCall"):
        table.graph(op, "one argument", spread(called("c", op, "negate", [f32([1, -2])], ["float32"], ["float32"])),
                    [run(fetch=["c:0"])], also=hidden, library=LIBRARY)
        table.graph(op, "arguments of several types", spread(
            called("c", op, "mixed", [f32([1, -2]), text(["a", "\u00e9"]), i32(7)], ["float32", "string", "int32"],
                   ["int32", "string", "float32"])), [run(fetch=["c:0", "c:1", "c:2"])], also=hidden, library=[MIXED])
        table.graph(op, "calls in calls", spread(called("c", op, "nested", [f32([1, -2])], ["float32"], ["float32"])),
                    [run(fetch=["c:0"])], also=hidden, library=[*LIBRARY, NESTED])
        table.graph(op, "two results", spread(
            called("c", op, "choose", [f32([1, 5]), f32([2, 3])], ["float32"] * 2, ["float32"] * 2)),
            [run(fetch=["c:1", "c:0"])], also=hidden, library=[GENERIC])
    for dtype in ALL:
        same = function("same", [["x", dtype]], [["y", dtype]], [node("i", "Identity", ["x"], T=dtype)], {"y": "i:output:0"})
        table.graph("_Arg", dtype, spread(called("c", "PartitionedCall", "same", [numbers(dtype, 2)], [dtype], [dtype])),
                    [run(fetch=["c:0"])], also=["PartitionedCall", "_Retval"], library=[same])
    for op in ("_Arg", "_DeviceArg"):
        body = function("second", [["x", "float32"], ["w", "float32"]], [["y", "float32"]],
                        [node("d", op, T="float32", index=1), node("n", "Neg", ["d:output:0"], T="float32")], {"y": "n:y:0"})
        table.graph(op, "a node of the body", spread(
            called("c", "PartitionedCall", "second", [f32([1, 2]), f32([3, -4])], ["float32"] * 2, ["float32"])),
            [run(fetch=["c:0"])], library=[body])
    table.graph("StatefulPartitionedCall", "a variable", spread(
        node("v", "VarHandleOp", dtype="float32", shape=[]), node("a", "AssignVariableOp", ["v", f32(10)], dtype="float32"),
        fed("x", "float32"), called("c", "StatefulPartitionedCall", "count", ["v", "x"], ["resource", "float32"], ["float32"])),
        [run(target=["a"]), run(fetch=["c:0"], feed={"x:0": f32(1)}), run(fetch=["c:0"], feed={"x:0": f32(2.5)})],
        library=[COUNT])
    failing = function("failing", [["x", "float32"]], [["y", "float32"]],
                       [node("n", "CheckNumerics", ["x"], T="float32", message="checked")], {"y": "n:output:0"})
    table.graph("PartitionedCall", "a failure inside", spread(
        fed("x", "float32"), called("c", "PartitionedCall", "failing", ["x"], ["float32"], ["float32"])),
        [run(fetch=["c:0"], feed={"x:0": f32(1)}), run(fetch=["c:0"], feed={"x:0": f32(float("nan"))}, fails="INVALID_ARGUMENT")],
        library=[failing])
    table.graph("RemoteCall", "on the device of its node", spread(
        called("c", "RemoteCall", "choose", [text("{device}"), f32([1, 5]), f32([2, 3])], ["float32"] * 2, ["float32"] * 2)),
        [run(fetch=["c:0", "c:1"])], library=[GENERIC])
    gradients(table)
    conditionals(table)


def gradients(table):
    for name, (nodes, result) in {
            "squares": ([node("s", "Square", ["x"], T="float32"), node("m", "Mul", ["s:y:0", "y"], T="float32")], "m:z:0"),
            "a product of matrices": ([node("m", "MatMul", ["x", "y"], T="float32")], "m:product:0"),
            "functions of one number": ([node("t", "Tanh", ["x"], T="float32"), node("e", "Exp", ["y"], T="float32"),
                                         node("s", "Sub", ["t:y:0", "e:y:0"], T="float32")], "s:z:0")}.items():
        body = function("f", [["x", "float32"], ["y", "float32"]], [["z", "float32"]], nodes, {"z": result})
        table.graph("SymbolicGradient", name, spread(
            node("g", "SymbolicGradient", [f32([[1, -2], [0.5, 3]]), f32([[2, 1], [-1, 0.25]]), f32([[1, 2], [3, -4]])],
                 Tin=["float32"] * 3, Tout=["float32"] * 2, f="f")), [run(fetch=["g:0", "g:1"])], library=[body])


def conditionals(table):
    for op in ("If", "StatelessIf"):
        for name, value in (("bool", boolean(True)), ("bool, false", boolean(False)), ("number", f32(-0.5)), ("zero", i32(0)),
                            ("text", text("no")), ("empty text", text("")), ("one element", f32([0])), ("no elements", i32([], [0]))):
            table.graph(op, "condition: " + name, spread(
                node("c", op, [value, f32([1, -2])], Tcond=value.dtype, Tin=["float32"], Tout=["float32"],
                     then_branch="double", else_branch="negate", output_shapes=[[2]])),
                [run(fetch=["c:0"])], library=LIBRARY[:2])
    for op in ("Case", "StatelessCase"):
        table.graph(op, "each branch and none of them", spread(
            fed("i", "int32"), node("c", op, ["i", f32([1, -3])], Tin=["float32"], Tout=["float32"],
                                    branches=["double", "negate", "square"])),
            [run(fetch=["c:0"], feed={"i:0": i32(index)}) for index in (0, 1, 2, 3, -1)], library=LIBRARY)
    count = [COUNT, function("keep", [["v", "resource"], ["x", "float32"]], [["y", "float32"]],
                             [node("r", "ReadVariableOp", ["v"], dtype="float32")], {"y": "r:value:0"})]
    begin = [node("v", "VarHandleOp", dtype="float32", shape=[]), node("a", "AssignVariableOp", ["v", f32(10)], dtype="float32")]
    types = {"Tin": ["resource", "float32"], "Tout": ["float32"]}
    table.graph("If", "a variable", spread(
        *begin, fed("p", "bool"), node("c", "If", ["p", "v", f32(3)], Tcond="bool", then_branch="count", else_branch="keep", **types)),
        [run(target=["a"]), *[run(fetch=["c:0"], feed={"p:0": boolean(one)}) for one in (True, False, True)]], library=count)
    table.graph("Case", "a variable", spread(
        *begin, fed("i", "int32"), node("c", "Case", ["i", "v", f32(3)], branches=["keep", "count"], **types)),
        [run(target=["a"]), *[run(fetch=["c:0"], feed={"i:0": i32(one)}) for one in (1, 0, 1)]], library=count)


def function_loops(table):
    arguments = [["i", "int32"], ["n", "int32"], ["s", "float32"]]
    condition = function("more", arguments, [["p", "bool"]], [node("l", "Less", ["i", "n"], T="int32")], {"p": "l:z:0"})
    body = function("step", arguments, [["ri", "int32"], ["rn", "int32"], ["rs", "float32"]],
                    [node("one", "Const", dtype="int32", value=i32(1)),
                     node("a", "AddV2", ["i", "one:output:0"], T="int32"), node("w", "Cast", ["i"], SrcT="int32", DstT="float32"),
                     node("d", "Mul", ["s", "s"], T="float32"), node("b", "Sub", ["d:z:0", "w:y:0"], T="float32")],
                    {"ri": "a:z:0", "rn": "n", "rs": "b:z:0"})
    for op in ("While", "StatelessWhile"):
        for parallel in (1, 10):
            table.graph(op, f"squares, {parallel} iterations at once", spread(
                fed("n", "int32"), node("w", op, [i32(0), "n", f32([1.5, -1])], T=["int32", "int32", "float32"], cond="more",
                                        body="step", parallel_iterations=parallel)),
                [run(fetch=["w:0", "w:1", "w:2"], feed={"n:0": i32(n)}) for n in (0, 1, 4)], library=[condition, body])
        small = function("small", [["x", "float32"]], [["p", "float32"]],
                         [node("c", "Const", dtype="float32", value=f32(100)),
                          node("f", "Sub", ["c:output:0", "x"], T="float32"), node("r", "Relu", ["f:z:0"], T="float32")],
                         {"p": "r:activations:0"})
        table.graph(op, "the condition is a number", spread(
            node("w", op, [f32(3)], T=["float32"], cond="small", body="double")),
            [run(fetch=["w:0"])], library=[small, LIBRARY[0]])
    pair = [["v", "resource"], ["i", "int32"]]
    table.graph("While", "a variable", spread(
        node("v", "VarHandleOp", dtype="float32", shape=[]), node("a", "AssignVariableOp", ["v", f32(1)], dtype="float32"),
        node("w", "While", ["v", i32(0)], T=["resource", "int32"], cond="more", body="grow"),
        node("r", "ReadVariableOp", ["v", "^w"], dtype="float32")),
        [run(target=["a"]), run(fetch=["w:1", "r:0"]), run(fetch=["r:0"])],
        library=[function("more", pair, [["p", "bool"]],
                          [node("c", "Const", dtype="int32", value=i32(3)), node("l", "Less", ["i", "c:output:0"], T="int32")],
                          {"p": "l:z:0"}),
                 function("grow", pair, [["rv", "resource"], ["ri", "int32"]],
                          [node("one", "Const", dtype="int32", value=i32(1)), node("x", "Const", dtype="float32", value=f32(0.5)),
                           node("a", "AssignAddVariableOp", ["v", "x:output:0"], dtype="float32"),
                           node("n", "AddV2", ["i", "one:output:0", "^a"], T="int32")], {"rv": "v", "ri": "n:z:0"})])


def truth(table):
    for dtype in ("float32", "float64", *SIGNED, "uint8", "bool", "string"):
        for name, value in (("zero or nothing", tensor(dtype, "" if dtype == "string" else 0)),
                            ("one or something", tensor(dtype, "x" if dtype == "string" else 1))):
            table.case("ToBool", f"{dtype}, {name}", [value])
    for dtype in ("float16", "bfloat16", "uint16", "uint32", "uint64", "complex64"):
        table.case("ToBool", dtype, [tensor(dtype, 1)], fails="INVALID_ARGUMENT")
    table.case("ToBool", "float32, no elements", [f32([], [0])])
    table.case("ToBool", "float32, one zero in a vector", [f32([0])])
    table.case("ToBool", "float32, not a number", [f32(float("nan"))])


# --- Stacks ----------------------------------------------------------------------------------------------------------

def stacks(table):
    for version in ("V2", ""):
        push, pop, close = "StackPush" + version, "StackPop" + version, "StackClose" + version
        def stack(dtype, size=-1, **attr):
            return node("s", "Stack" + version, [i32(size)] if version else [], elem_type=dtype, **attr)
        for dtype in ALL:
            table.graph("Stack" + version, dtype, spread(
                stack(dtype), node("a", push, ["s", numbers(dtype, 2)], T=dtype),
                node("b", push, ["s", numbers(dtype, [], start=4), "^a"], T=dtype, swap_memory=True),
                node("x", pop, ["s", "^b"], elem_type=dtype), node("y", pop, ["s", "^x"], elem_type=dtype)),
                [run(fetch=["x:0", "y:0", "b:0"])], also=[push, pop])
        table.graph(pop, "an empty stack", spread(stack("float32"), node("x", pop, ["s"], elem_type="float32")),
                    [run(fetch=["x:0"], fails="INVALID_ARGUMENT")])
        table.graph(close, "a closed stack", spread(
            stack("float32"), node("a", push, ["s", f32(1)], T="float32"), node("c", close, ["s", "^a"]),
            node("x", pop, ["s", "^c"], elem_type="float32")),
            [run(target=["c"]), run(fetch=["x:0"], fails="INVALID_ARGUMENT")])
        table.graph(push, "another type", spread(stack("float32"), node("a", push, ["s", i32(1)], T="int32")),
                    [run(fetch=["a:0"], fails="INVALID_ARGUMENT")])
    table.graph("StackPushV2", "a full stack", spread(
        node("s", "StackV2", [i32(1)], elem_type="float32"), node("a", "StackPushV2", ["s", f32(1)], T="float32"),
        node("b", "StackPushV2", ["s", f32(2), "^a"], T="float32")),
        [run(fetch=["a:0"]), run(fetch=["b:0"], fails="INVALID_ARGUMENT")])


# --- Tensor arrays ---------------------------------------------------------------------------------------------------

def arrays(table, version):
    third = version == "V3"
    flow = "a:1" if third else f32(0)

    def op(name):
        return "TensorArray" + name + version

    def array(size, dtype, name="a", **attr):
        return node(name, "TensorArray" + version, [i32(size)], dtype=dtype, **attr)

    def write(name, index, value, after=flow, handle="a"):
        return node(name, op("Write"), [handle, i32(index), value, after], T=value.dtype)

    def gather(name, indices, after, dtype, handle="a", **attr):
        return node(name, op("Gather"), [handle, i32(indices), after], dtype=dtype, **attr)

    used = [op(one) for one in ("Write", "Read", "Gather", "Scatter", "Size", "Concat", "Split")]
    every = kernel_types("TensorArrayWriteV3") if third else ["float32", "int64", "string"]
    for dtype in every:
        table.graph("TensorArray" + version, dtype, spread(
            array(3, dtype, clear_after_read=False), write("w", 1, numbers(dtype, 2)), write("u", 0, numbers(dtype, 2, start=3), "w"),
            write("v", 2, numbers(dtype, 2, start=7), "u"), node("r", op("Read"), ["a", i32(1), "v"], dtype=dtype),
            gather("g", [2, 0], "v", dtype), node("s", op("Size"), ["a", "v"])),
            [run(fetch=["r:0", "g:0", "s:0"])], also=used)
        rows = numbers(dtype, [3, 2])
        table.graph(op("Scatter"), dtype, spread(
            array(3, dtype), node("w", op("Scatter"), ["a", i32([2, 0, 1]), rows, flow], T=dtype),
            gather("g", [0, 1, 2], "w", dtype)), [run(fetch=["g:0"])], also=used)
        table.graph(op("Split"), dtype, spread(
            array(2, dtype), node("w", op("Split"), ["a", rows, i64([1, 2]), flow], T=dtype),
            node("c", op("Concat"), ["a", "w"], dtype=dtype)), [run(fetch=["c:0", "c:1"])], also=used)
        if not version:
            table.graph("TensorArrayUnpack", dtype, spread(
                array(3, dtype), node("w", "TensorArrayUnpack", ["a", rows, flow], T=dtype),
                node("g", "TensorArrayPack", ["a", "w"], dtype=dtype)), [run(fetch=["g:0"])], also=["TensorArrayPack"])
    table.graph(op("Size"), "it grows", spread(
        array(0, "float32", dynamic_size=True), write("w", 0, f32([1, 2])), write("u", 3, f32([3, 4]), "w"),
        node("s", op("Size"), ["a", "u"]), node("r", op("Read"), ["a", i32(3), "u"], dtype="float32")),
        [run(fetch=["s:0", "r:0"])], also=used)
    table.graph(op("Write"), "out of range, twice, another shape", spread(
        array(2, "float32", element_shape=[2]), write("w", 2, f32([1, 2])), write("u", 0, f32([1, 2])),
        write("v", 0, f32([3, 4]), "u"), fed("f", "float32"),
        node("x", op("Write"), ["a", i32(1), "f", flow], T="float32")),
        [run(fetch=["w:0"], fails="INVALID_ARGUMENT"), run(fetch=["v:0"], fails="INVALID_ARGUMENT"),
         run(fetch=["x:0"], feed={"f:0": f32([1, 2, 3])}, fails="INVALID_ARGUMENT")])
    table.graph(op("Read"), "not written, read twice", spread(
        array(2, "float32", clear_after_read=True), write("w", 0, f32([1, 2])), node("r", op("Read"), ["a", i32(0), "w"], dtype="float32"),
        node("s", op("Read"), ["a", i32(0), "w", "^r"], dtype="float32"), node("t", op("Read"), ["a", i32(1), "w"], dtype="float32")),
        [run(fetch=["r:0"]), run(fetch=["s:0"], fails="INVALID_ARGUMENT"), run(fetch=["t:0"], fails="INVALID_ARGUMENT")])
    if third:
        table.graph(op("Read"), "not written, of a known shape", spread(
            array(2, "float32", element_shape=[2]), node("t", op("Read"), ["a", i32(1), flow], dtype="float32")),
            [run(fetch=["t:0"])])
    table.graph(op("Concat"), "parts of different sizes", spread(
        array(2, "float32"), write("w", 0, f32([1, 2, 3])), write("u", 1, f32([4]), "w"),
        node("c", op("Concat"), ["a", "u"], dtype="float32")), [run(fetch=["c:0", "c:1"])], also=used)
    table.graph(op("Gather"), "no indices", spread(
        array(2, "float32", element_shape=[2]), write("w", 0, f32([1, 2])),
        node("g", op("Gather"), ["a", i32([], [0]), "w"], dtype="float32", element_shape=[2])), [run(fetch=["g:0"])])
    table.graph(op("Close"), "a closed array", spread(
        array(1, "float32"), write("w", 0, f32(1)), node("c", op("Close"), ["a", "^w"]),
        node("r", op("Read"), ["a", i32(0), "w", "^c"], dtype="float32")),
        [run(target=["c"]), run(fetch=["r:0"], fails="INVALID_ARGUMENT")])
    # The gradient's array sums the values written to one index.
    graded = "g:1" if third else f32(0)
    table.graph(op("Grad"), "sums, and two sources", spread(
        array(2, "float32"), write("w", 0, f32([1, 2])), write("u", 1, f32([3, 4]), "w"),
        node("g", op("Grad"), ["a", "u"], source="first"), node("h", op("Grad"), ["a", "u"], source="second"),
        write("x", 0, f32([10, 20]), graded, "g"), write("y", 0, f32([5, 7]), "x", "g"), write("z", 1, f32([8, 9]), "y", "g"),
        write("t", 0, f32([-1, -2]), "h:1" if third else f32(0), "h"), gather("r", [0, 1], "z", "float32", "g"),
        node("s", op("Read"), ["h", i32(0), "t"], dtype="float32")),
        [run(fetch=["r:0", "s:0"])], also=used)
    if third:
        table.graph("TensorArrayGradWithShape", "one more dimension", spread(
            array(2, "float32"), write("w", 0, f32([1, 2])), write("u", 1, f32([3, 4]), "w"),
            node("g", "TensorArrayGradWithShape", ["a", "u", i32([3])], source="x"),
            write("x", 0, numbers("float32", [3, 2]), "g:1", "g"), write("y", 1, numbers("float32", [3, 2], start=5), "x", "g"),
            gather("r", [1, 0], "y", "float32", "g")), [run(fetch=["r:0"])], also=used)
        table.graph("TensorArrayGatherV3", "elements of different shapes", spread(
            array(2, "float32"), write("w", 0, f32([1, 2])), write("u", 1, f32([3]), "w"), gather("g", [0, 1], "u", "float32")),
            [run(fetch=["g:0"], fails="INVALID_ARGUMENT")])
        table.graph("TensorArrayV3", "identical shapes", spread(
            array(2, "float32", identical_element_shapes=True), write("w", 0, f32([1, 2])), write("u", 1, f32([3]), "w")),
            [run(fetch=["w:0"]), run(fetch=["u:0"], fails="INVALID_ARGUMENT")])


# --- Lists -----------------------------------------------------------------------------------------------------------

def from_tensor(name, value, shape=None):
    rest = value.shape[1:] if shape is None else shape
    return node(name, "TensorListFromTensor", [value, i32(rest, [len(rest)])], element_dtype=value.dtype, shape_type="int32")


def stack(name, handle, dtype, shape, **attr):
    return node(name, "TensorListStack", [handle, i32(shape, [len(shape)])], element_dtype=dtype, **attr)


def lists(table):
    for dtype in ALL:
        each = {"element_dtype": dtype}
        table.graph("TensorListPushBack", dtype, spread(
            node("e", "EmptyTensorList", [i32([-1]), i32(-1)], shape_type="int32", **each),
            node("a", "TensorListPushBack", ["e", numbers(dtype, 2)], **each),
            node("b", "TensorListPushBack", ["a", numbers(dtype, 2, start=3)], **each), stack("s", "b", dtype, [-1]),
            node("p", "TensorListPopBack", ["b", i32([-1])], **each), node("n", "TensorListLength", ["p"])),
            [run(fetch=["s:0", "p:1", "n:0"])],
            also=["EmptyTensorList", "TensorListStack", "TensorListPopBack", "TensorListLength"])
        table.graph("TensorListSetItem", dtype, spread(
            from_tensor("l", numbers(dtype, [3, 2])),
            node("t", "TensorListSetItem", ["l", i32(1), numbers(dtype, 2, start=5)], **each), stack("s", "t", dtype, [2]),
            node("g", "TensorListGetItem", ["l", i32(1), i32([2])], **each)),
            [run(fetch=["s:0", "g:0"])], also=["TensorListFromTensor", "TensorListStack", "TensorListGetItem"])
        table.graph("TensorListGather", dtype, spread(
            node("l", "TensorListScatterV2", [numbers(dtype, [2, 2]), i32([2, 0]), i32([2]), i32(3)], shape_type="int32", **each),
            node("g", "TensorListGather", ["l", i32([0, 2, 0]), i32([2])], **each)),
            [run(fetch=["g:0"])], also=["TensorListScatterV2"])
        table.graph("TensorListConcatV2", dtype, spread(
            node("l", "TensorListSplit", [numbers(dtype, [3, 2]), i32([-1, 2]), i64([1, 2])], shape_type="int32", **each),
            node("c", "TensorListConcatV2", ["l", i32([-1, 2]), i64([], [0])], shape_type="int32", **each)),
            [run(fetch=["c:0", "c:1"])], also=["TensorListSplit"])
    each = {"element_dtype": "float32"}
    table.graph("TensorListReserve", "what is not set is zero", spread(
        node("l", "TensorListReserve", [i32([2]), i32(3)], shape_type="int32", **each),
        node("t", "TensorListSetItem", ["l", i32(1), f32([1, 2])], **each), stack("s", "t", "float32", [2]),
        node("n", "TensorListLength", ["l"]), node("g", "TensorListGetItem", ["l", i32(0), i32([2])], **each)),
        [run(fetch=["s:0", "n:0", "g:0"])], also=["TensorListLength", "TensorListGetItem", "TensorListSetItem"])
    for shape_type in ("int32", "int64"):
        index = i32 if shape_type == "int32" else i64
        kind = {"shape_type": shape_type}
        table.graph("TensorListElementShape", shape_type, spread(
            node("l", "TensorListReserve", [index([-1, 3]), i32(2)], **kind, **each),
            node("m", "EmptyTensorList", [index(-1), i32(9)], **kind, **each),
            node("s", "TensorListElementShape", ["l"], **kind), node("t", "TensorListElementShape", ["m"], **kind)),
            [run(fetch=["s:0", "t:0"])], also=["TensorListReserve", "EmptyTensorList"])
        table.graph("TensorListFromTensor", shape_type + " shape", spread(
            node("l", "TensorListFromTensor", [numbers("float32", [2, 3]), index([-1])], **kind, **each),
            node("n", "TensorListLength", ["l"]), stack("s", "l", "float32", [3], num_elements=2)),
            [run(fetch=["n:0", "s:0"])], also=["TensorListStack", "TensorListLength"])
        table.graph("TensorListGetItem", shape_type + " lengths of the other ops", spread(
            node("l", "TensorListSplit", [f32([1, 2, 3]), index([-1]), i64([2, 1])], **kind, **each),
            node("g", "TensorListGetItem", ["l", i32(0), i32([-1])], **each),
            node("c", "TensorListConcatV2", ["l", index([-1]), i64([9])], **kind, **each)),
            [run(fetch=["g:0", "c:0", "c:1"])], also=["TensorListSplit", "TensorListConcatV2"])
        table.graph("TensorListScatter", shape_type, spread(
            node("l", "TensorListScatter", [f32([[1, 2], [3, 4]]), i32([2, 0]), index([2])], **kind, **each),
            stack("s", "l", "float32", [2]), node("n", "TensorListLength", ["l"])),
            [run(fetch=["s:0", "n:0"])], also=["TensorListStack"])
        table.graph("TensorListScatterV2", shape_type + ", more elements", spread(
            node("l", "TensorListScatterV2", [f32([[1, 2], [3, 4]]), i32([2, 0]), index([2]), i32(4)], **kind, **each),
            stack("s", "l", "float32", [2])), [run(fetch=["s:0"])], also=["TensorListStack"])
    table.graph("TensorListScatterIntoExistingList", "some set again", spread(
        from_tensor("l", f32([[1, 2], [3, 4], [5, 6]])),
        node("t", "TensorListScatterIntoExistingList", ["l", f32([[9, 8], [7, 6]]), i32([2, 0])], **each),
        stack("s", "t", "float32", [2]), stack("u", "l", "float32", [2])), [run(fetch=["s:0", "u:0"])])
    for size in (1, 2, 4):
        table.graph("TensorListResize", f"2 to {size}", spread(
            from_tensor("l", f32([[1, 2], [3, 4]])), node("t", "TensorListResize", ["l", i32(size)]), stack("s", "t", "float32", [2]),
            node("n", "TensorListLength", ["t"])), [run(fetch=["s:0", "n:0"])])
    table.graph("TensorListSetItem", "grows", spread(
        from_tensor("l", f32([[1, 2]])),
        node("t", "TensorListSetItem", ["l", i32(2), f32([5, 6])], resize_if_index_out_of_bounds=True, **each),
        stack("s", "t", "float32", [2])), [run(fetch=["s:0"])])
    table.graph("TensorListConcat", "parts of different sizes", spread(
        node("e", "EmptyTensorList", [i32([-1, 2]), i32(-1)], shape_type="int32", **each),
        node("a", "TensorListPushBack", ["e", f32([[1, 2]])], **each),
        node("b", "TensorListPushBack", ["a", f32([[3, 4], [5, 6]])], **each),
        node("c", "TensorListConcat", ["b"], element_shape=[None, 2], **each)), [run(fetch=["c:0", "c:1"])])
    table.graph("TensorListConcatV2", "the size of what is not set", spread(
        node("l", "TensorListReserve", [i32([-1, 2]), i32(2)], shape_type="int32", **each),
        node("t", "TensorListSetItem", ["l", i32(1), f32([[1, 2]])], **each),
        node("c", "TensorListConcatV2", ["t", i32([-1, 2]), i64([2, 1])], shape_type="int32", **each)),
        [run(fetch=["c:0", "c:1"])])
    table.graph("TensorListConcatLists", "one after another", spread(
        from_tensor("l", f32([[1, 2], [3, 4]])), from_tensor("m", f32([[5, 6]])),
        node("c", "TensorListConcatLists", ["l", "m"], **each), stack("s", "c", "float32", [2])), [run(fetch=["s:0"])])
    table.graph("TensorListPushBackBatch", "two lists", spread(
        from_tensor("l", f32([[1, 2]])), from_tensor("m", f32([[5, 6], [7, 8]])),
        node("p", "Pack", ["l", "m"], N=2, T="variant"),
        node("b", "TensorListPushBackBatch", ["p", f32([[10, 20], [30, 40]])], **each),
        node("u", "Unpack", ["b"], num=2, T="variant"), stack("s", "u", "float32", [2]), stack("t", "u:1", "float32", [2])),
        [run(fetch=["s:0", "t:0"])])
    table.graph("TensorListPopBack", "the list stays as it was", spread(
        from_tensor("l", f32([[1, 2], [3, 4]])), node("p", "TensorListPopBack", ["l", i32([2])], **each),
        stack("s", "p", "float32", [2]), stack("t", "l", "float32", [2])), [run(fetch=["p:1", "s:0", "t:0"])])
    table.graph("TensorListStack", "no elements", spread(
        node("e", "EmptyTensorList", [i32([2]), i32(-1)], shape_type="int32", **each), stack("s", "e", "float32", [2])),
        [run(fetch=["s:0"])])
    table.graph("TensorListFromTensor", "lists in a list", spread(
        from_tensor("l", f32([1, 2])), node("e", "EmptyTensorList", [i32([], [0]), i32(-1)], shape_type="int32", element_dtype="variant"),
        node("a", "TensorListPushBack", ["e", "l"], element_dtype="variant"),
        node("g", "TensorListGetItem", ["a", i32(0), i32([], [0])], element_dtype="variant"), stack("s", "g", "float32", [])),
        [run(fetch=["s:0"])])
    table.graph("TensorListStack", "lists are added", spread(
        from_tensor("l", f32([1, 2])), from_tensor("m", f32([10, 20])), node("a", "AddN", ["l", "m"], N=2, T="variant"),
        node("z", "ZerosLike", ["l"], T="variant"), stack("s", "a", "float32", []), stack("t", "z", "float32", [])),
        [run(fetch=["s:0", "t:0"])])


def list_failures(table):
    each = {"element_dtype": "float32"}
    small = from_tensor("l", f32([[1, 2], [3, 4]]))
    for op, name, nodes, fetch in (
            ("TensorListGetItem", "out of range", [node("y", "TensorListGetItem", ["l", i32(2), i32([2])], **each)], "y:0"),
            ("TensorListSetItem", "out of range",
             [node("t", "TensorListSetItem", ["l", i32(5), f32([1, 2])], **each), node("y", "TensorListLength", ["t"])], "y:0"),
            ("TensorListPushBack", "another shape",
             [node("t", "TensorListPushBack", ["l", f32([1, 2, 3])], **each), node("y", "TensorListLength", ["t"])], "y:0"),
            ("TensorListStack", "another number", [stack("y", "l", "float32", [2], num_elements=3)], "y:0"),
            ("TensorListGather", "out of range", [node("y", "TensorListGather", ["l", i32([2]), i32([2])], **each)], "y:0")):
        table.graph(op, name, spread(small, *nodes), [run(fetch=[fetch], fails="INVALID_ARGUMENT")])
    table.graph("TensorListPopBack", "an empty list", spread(
        node("e", "EmptyTensorList", [i32([2]), i32(-1)], shape_type="int32", **each),
        node("p", "TensorListPopBack", ["e", i32([2])], **each)), [run(fetch=["p:1"], fails="INVALID_ARGUMENT")])
    table.graph("EmptyTensorList", "more elements than allowed", spread(
        node("e", "EmptyTensorList", [i32([2]), i32(1)], shape_type="int32", **each),
        node("a", "TensorListPushBack", ["e", f32([1, 2])], **each), node("b", "TensorListPushBack", ["a", f32([1, 2])], **each),
        node("m", "TensorListLength", ["a"]), node("n", "TensorListLength", ["b"])),
        [run(fetch=["m:0"]), run(fetch=["n:0"], fails="INVALID_ARGUMENT")])


def optionals(table):
    for dtype in ALL:
        table.graph("OptionalFromValue", dtype, spread(
            node("o", "OptionalFromValue", [numbers(dtype, 2), numbers(dtype, [], start=3)], Toutput_types=[dtype, dtype]),
            node("h", "OptionalHasValue", ["o"]),
            node("g", "OptionalGetValue", ["o"], output_types=[dtype, dtype], output_shapes=[[2], []])),
            [run(fetch=["h:0", "g:0", "g:1"])], also=["OptionalHasValue", "OptionalGetValue"])
    table.graph("OptionalNone", "no value", [
        node("o", "OptionalNone"), node("h", "OptionalHasValue", ["o"]),
        node("g", "OptionalGetValue", ["o"], output_types=["float32"], output_shapes=[[2]])],
        [run(fetch=["h:0"]), run(fetch=["g:0"], fails="INVALID_ARGUMENT")], also=["OptionalHasValue"])
    table.graph("OptionalGetValue", "another type, another shape", spread(
        node("o", "OptionalFromValue", [f32([1, 2])], Toutput_types=["float32"]),
        node("g", "OptionalGetValue", ["o"], output_types=["int32"], output_shapes=[[2]]),
        node("h", "OptionalGetValue", ["o"], output_types=["float32"], output_shapes=[[3]])),
        [run(fetch=["g:0"], fails="INVALID_ARGUMENT"), run(fetch=["h:0"], fails="INVALID_ARGUMENT")])


# --- Collective operations -------------------------------------------------------------------------------------------

def collectives(table):
    """Groups of one member: a case has one device. What needs more members is in CollectiveOpsTests."""
    key = dict(group_size=1, group_key=1, instance_key=1, grad=False)
    reduced = ["bfloat16", "float16", "float32", "float64", "int32", "int64"]
    v2 = [i32(1), i32(1), i32(1)]
    for dtype in reduced:
        for merge, final in (("Add", "Id"), ("Max", "Div")):
            table.case("CollectiveReduce", f"{dtype}, {merge}, {final}", [numbers(dtype, [2, 3])], merge_op=merge, final_op=final,
                       subdiv_offsets=[0], **key)
            table.case("CollectiveReduceV2", f"{dtype}, {merge}, {final}", [numbers(dtype, [2, 3]), *v2], merge_op=merge, final_op=final,
                       grad=False)
    for dtype in reduced[1:]:
        table.case("CollectiveGather", dtype, [numbers(dtype, [2, 3])], shape=[2, 3], **key)
        table.case("CollectiveGatherV2", dtype, [numbers(dtype, [2, 3]), *v2], grad=False)
    for dtype in ["bool"] + reduced[1:]:
        table.case("CollectiveBcastSend", dtype, [numbers(dtype, [2, 3])], shape=[2, 3], **key)
        table.case("CollectiveBcastSendV2", dtype, [numbers(dtype, [2, 3]), *v2], grad=False)
    table.case("CollectiveReduce", "no member", [f32([1, 2])], merge_op="Add", final_op="Id", subdiv_offsets=[0],
               fails="INVALID_ARGUMENT", **{**key, "group_size": 0})
    table.case("CollectiveGather", "a scalar", [f32(1)], shape=[1], fails="INVALID_ARGUMENT", **key)
    for name, group in (("no member", [i32(0), i32(1), i32(1)]), ("a vector as size", [i32([1]), i32(1), i32(1)])):
        table.case("CollectiveReduceV2", name, [f32([1, 2]), *group], merge_op="Add", final_op="Id", grad=False, fails="INVALID_ARGUMENT")
        table.case("CollectiveBcastSendV2", name, [f32([1, 2]), *group], grad=False, fails="INVALID_ARGUMENT")
    groups = i32([[0, 3, 1], [2, 4, 5]])
    for device, base in ((1, 5), (4, 5), (0, -7)):
        table.case("CollectiveAssignGroupV2", f"device {device} from {base}", [groups, i32(device), i32(base)], grad=False)
    for name, inputs in (("no such device", [groups, i32(6), i32(5)]), ("key 0", [groups, i32(2), i32(-1)]),
                         ("not a matrix", [i32([0, 1]), i32(1), i32(5)]), ("outside", [i32([[0, 7]]), i32(7), i32(5)])):
        table.case("CollectiveAssignGroupV2", name, inputs, grad=False, fails="INVALID_ARGUMENT")

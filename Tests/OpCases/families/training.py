"""Cases of the family Training: the optimizers' updates of variables, dense and sparse, of both kinds of variables.

Every case is made from the op's schema: the names of its inputs tell its variables and numbers. The update runs twice, so
that the second starts from the slot values of the first.
"""
from cases import const, i32, i64, kernel_types, node, run, tensor
from tensorflow.python.framework import op_def_registry

DENSE = ["AdaMax", "Adadelta", "Adagrad", "AdagradDA", "AdagradV2", "Adam", "AddSign", "CenteredRMSProp", "Ftrl", "FtrlV2",
         "GradientDescent", "Momentum", "PowerSign", "ProximalAdagrad", "ProximalGradientDescent", "RMSProp"]
SPARSE = ["Adadelta", "Adagrad", "AdagradDA", "AdagradV2", "CenteredRMSProp", "Ftrl", "FtrlV2", "Momentum",
          "ProximalAdagrad", "ProximalGradientDescent", "RMSProp"]
OPS = ["Apply" + one for one in DENSE] + ["SparseApply" + one for one in SPARSE] + \
      ["ResourceApply" + one for one in DENSE + ["AdamWithAmsgrad", "KerasMomentum"]] + \
      ["ResourceSparseApply" + one for one in SPARSE + ["KerasMomentum"]]

# The initial values of each variable: six, of which a vector has the first four.
VARIABLES = {
    "var": [1, -2, 0.5, 4, -0.25, 3], "m": [0.5, 0.25, -1, 2, -0.5, 1], "v": [0.25, 1, 2, 0.5, 4, 0.125],
    "vhat": [0.5, 0.75, 3, 0.25, 1, 2], "accum": [0.5, 2, 0.25, 1, 4, 0.125], "accum_update": [0.25, 1, 0.5, 2, 0.125, 4],
    "linear": [0.25, -0.5, 1, -2, 0.75, -0.125], "ms": [0.5, 2, 4, 1, 3, 0.75], "mg": [0.25, -0.5, 1, 0.125, -1, 0.5],
    "mom": [0.125, -1, 0.5, 2, -0.25, 1], "gradient_accumulator": [0.5, -2, 1, -0.25, 4, -1],
    "gradient_squared_accumulator": [0.5, 2, 0.25, 1, 4, 0.125],
}
GRADIENT = [0.5, -1, 2, -0.25, 0.75, -3]
NUMBERS = {
    "lr": 0.25, "rho": 0.875, "epsilon": 0.125, "momentum": 0.75, "beta1": 0.75, "beta2": 0.875, "beta1_power": 0.5,
    "beta2_power": 0.25, "alpha": 0.5, "sign_decay": 0.75, "beta": 0.5, "logbase": 1.5, "l1": 0.0625, "l2": 0.125,
    "l2_shrinkage": 0.25, "lr_power": -0.5, "global_step": 3,
}
TYPES = ["float32", "float64", "float16", "bfloat16"]
"""TensorFlow's kernels of some of these ops take complex numbers too: no optimizer of TensorFlow's uses them."""


def declare(table):
    for op in OPS:
        for dtype in [one for one in kernel_types(op) if one in TYPES]:
            update(table, op, dtype, dtype)
        attributes(table, op)
        if "Sparse" in op:
            update(table, op, "float32, a row twice, indices of 64 bits", indices=i64([2, 0, 2]))
    failures(table)


def attributes(table, op):
    """The variants of the update by attributes and special values of the numbers."""
    names = {one.name for one in op_def_registry.get(op).attr}
    inputs = {one.name for one in op_def_registry.get(op).input_arg}
    for name, value in (("use_nesterov", True), ("update_slots", False), ("multiply_linear_by_lr", True)):
        if name in names:
            update(table, op, f"float32, {name} {value}", **{name: value})
    if not op.startswith("Resource"):
        return  # The reference op's update is the same.
    if "lr_power" in inputs:
        update(table, op, "float32, another power", numbers={"lr_power": -0.75})
    if "l1" in inputs:
        update(table, op, "float32, l1 is 0", numbers={"l1": 0})
        update(table, op, "float32, large l1", numbers={"l1": 2})
    if op == "ResourceApplyMomentum":
        update(table, op, "float32, use_locking True", use_locking=True)


def update(table, op, name, dtype="float32", indices=None, numbers=None, **attr):
    """A case that initializes variables, updates them twice, and reads them."""
    nodes, variables = graph(op, dtype, indices, numbers or {}, attr)
    reads = [f"r{index}:0" for index in range(len(variables))]
    again = run(fetch=["n:0"]) if dtype == "float32" and not op.startswith("Resource") else run(target=["n"])
    # Ftrl's powers and quotients are rounded to 11 bits at each step, in an order that the op does not specify.
    rtol = 1e-2 if dtype == "float16" and "Ftrl" in op else None
    table.graph(op, name, nodes, [run(target=[f"i{index}" for index in range(len(variables))]), again, again,
                                  run(fetch=reads)], rtol=rtol)


def graph(op, dtype, indices, numbers, attr, gradient=None):
    """The nodes of an update "n", and for each variable its initial value, initializer i0 … and read r0 …"""
    sparse, resource = "Sparse" in op, op.startswith("Resource")
    shape, rows = ([3, 2], [2, 0]) if sparse else ([4], None)
    rows = indices or i32(rows) if sparse else None
    nodes, variables, inputs = [], [], []
    for arg in op_def_registry.get(op).input_arg:
        name = arg.name
        inputs.append(name)
        if name in VARIABLES:
            nodes += variable(name, tensor(dtype, VARIABLES[name][:6 if sparse else 4], shape), len(variables), resource)
            variables.append(name)
        elif name == "indices":
            nodes.append(const(name, rows))
        elif name in ("grad", "delta"):
            count = rows.shape[0] if sparse else None
            values = tensor(dtype, GRADIENT[:2 * count], [count, 2]) if sparse else tensor(dtype, GRADIENT[:4])
            nodes.append(const(name, gradient or values))
        elif name == "global_step":
            nodes.append(const(name, i64(NUMBERS[name])))
        else:
            nodes.append(const(name, tensor(dtype, numbers.get(name, NUMBERS[name]))))
    types = {"T": dtype, "Tindices": rows.dtype} if sparse else {"T": dtype}
    nodes.append(node("n", op, inputs, **types, **attr))
    return nodes, variables


def variable(name, value, index, resource):
    """A variable, its initialization and a read of it."""
    dtype, first = value.dtype, const(f"x{index}", value)
    if resource:
        return [first, node(name, "VarHandleOp", dtype=dtype, shape=value.shape),
                node(f"i{index}", "AssignVariableOp", [name, f"x{index}"], dtype=dtype),
                node(f"r{index}", "ReadVariableOp", [name], dtype=dtype)]
    return [first, node(name, "VariableV2", dtype=dtype, shape=value.shape),
            node(f"i{index}", "Assign", [name, f"x{index}"], T=dtype), node(f"r{index}", "Identity", [name], T=dtype)]


def failures(table):
    """Wrong shapes of gradients, rows out of range, uninitialized variables."""
    for op in ("ApplyAdam", "ResourceApplyAdam", "ApplyFtrl", "ResourceApplyFtrl", "ResourceApplyGradientDescent"):
        nodes, variables = graph(op, "float32", None, {}, {}, gradient=tensor("float32", [1, 2, 3]))
        nodes = unknown_shape(nodes)
        fails(table, op, "float32, a gradient of another shape", nodes, variables, "INVALID_ARGUMENT",
              {"grad:0" if "Descent" not in op else "delta:0": tensor("float32", [1, 2, 3])})
    for op in ("SparseApplyAdagrad", "ResourceSparseApplyAdagrad", "ResourceSparseApplyMomentum"):
        nodes, variables = graph(op, "float32", i32([3, 0]), {}, {})
        fails(table, op, "float32, index out of range", nodes, variables, "INVALID_ARGUMENT", None)
    for op in ("ApplyMomentum", "ApplyAdam"):
        nodes, variables = graph(op, "float32", None, {}, {})
        table.graph(op, "float32, variables without values", nodes, [run(target=["n"], fails="FAILED_PRECONDITION")])


def unknown_shape(nodes):
    """The nodes with a placeholder for the gradient, so that only the update itself detects the wrong shape."""
    return [node(one["name"], "Placeholder", dtype="float32") if one["name"] in ("grad", "delta") else one for one in nodes]


def fails(table, op, name, nodes, variables, code, feed):
    """An update that fails and leaves the variables unchanged."""
    table.graph(op, name, nodes, [run(target=[f"i{index}" for index in range(len(variables))]),
                                  run(target=["n"], feed=feed, fails=code),
                                  run(fetch=[f"r{index}:0" for index in range(len(variables))])])

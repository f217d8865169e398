"""The kinds of statements: each takes a `Statement` and adds the values it makes."""
import tensorflow.compat.v1 as tf

from fuzzing.program import FLOATS, INTS, LARGEST
from fuzzing import control, state


def choose(statement):
    """Chooses a kind by weight. The first statements are always inputs."""
    if statement.block.depth == 0 and int(statement.path) < 3:
        return placeholder
    kinds = INSIDE if statement.block.depth else OUTSIDE
    if statement.program.may_fail and statement.block.depth == 0:
        kinds = [(kind, weight) for kind, weight in kinds if kind not in state.KINDS]
    names, weights = zip(*kinds)
    return statement.choices.choices(names, weights)[0]


def placeholder(s):
    dtype = s.choices.choice(
        [tf.float32] * 5 + [tf.float64, tf.float64, tf.int32, tf.int32, tf.int64, tf.bool, tf.bool, tf.string])
    shape = s.choices.choice([[], [2], [3], [2, 3], [3, 2], [2, 2], [1, 3], [4], [2, 1, 3], [0], [0, 2]])
    smooth = dtype in FLOATS and s.choices.random() < 0.5
    with s.device():
        if s.choices.random() < 0.2:
            value = s.constant(dtype, shape)
            tensor, optional = tf.placeholder_with_default(value.tensor, shape), True
            smooth = False
        else:
            tensor, optional = tf.placeholder(dtype, shape), False
    value = s.add(tensor, None if smooth else 4, 4, f"placeholder{' with default' if optional else ''}")
    s.program.placeholders.append((value, optional))
    if dtype in FLOATS:
        s.program.differentiable.append(value.tensor)


def unknown_shape(s):
    """A placeholder of unknown shape, an op, and a result with a known shape again."""
    dtype = s.choices.choice([tf.float32, tf.int32, tf.float64])
    with s.device():
        tensor = tf.placeholder(dtype, [None, 3])
    fed = s.add(tensor, 4, 4, "placeholder")
    s.block.values.pop()
    s.program.placeholders.append((fed, False))
    fed.fed_shape = (2, 3)
    with s.device():
        doubled = tensor + tensor
    with s.device():
        s.add(tf.reshape(doubled, s.choices.choice([[2, 3], [6], [3, 2]])), 5, 8, f"reshape of the sum of {fed.key}")


SMOOTH = {"tanh": tf.tanh, "sigmoid": tf.sigmoid, "sin": tf.sin, "cos": tf.cos, "erf": tf.math.erf, "softsign": tf.nn.softsign}


def unary(s):
    a = s.number()
    with s.device():
        if a.dtype in INTS:
            name = s.choices.choice(["negative", "abs", "sign", "square"])
            s.add(getattr(tf, name)(a.tensor), 0, 0, f"{name} {a.key}")
        elif s.choices.random() < 0.4:
            name = s.choices.choice(["negative", "abs", "nn.relu", "square", "identity", "stop_gradient"])
            function = tf.nn.relu if name == "nn.relu" else getattr(tf, name)
            squared = name == "square"
            s.add(function(a.tensor), a.bits and a.bits * (2 if squared else 1), a.bound ** (2 if squared else 1),
                  f"{name} {a.key}")
        else:
            name = s.choices.choice([*SMOOTH, "softplus", "elu", "sqrt", "log1p", "reciprocal", "exp of tanh", "softmax"])
            x, bound = a.tensor, a.bound + 1
            if name in SMOOTH:
                made, bound = SMOOTH[name](x), 1
            elif name in ("softplus", "elu"):
                made = getattr(tf.nn, name)(x)
            elif name == "softmax" and len(a.shape) > 0:
                made, bound = tf.nn.softmax(x), 1
            else:
                made = {"sqrt": lambda: tf.sqrt(tf.abs(x) + 1), "log1p": lambda: tf.log1p(tf.abs(x)),
                        "exp of tanh": lambda: tf.exp(tf.tanh(x))}.get(name, lambda: 1 / (tf.abs(x) + 1))()
            s.add(made, None, bound, f"{name} {a.key}")


def binary(s):
    a = s.number()
    b = s.like(a)
    if s.choices.random() < 0.3 and len(a.shape) > 0:
        b = s.constant(a.dtype, s.choices.choice([[], [1], [a.shape[-1]]]))
    name = s.choices.choice(["add", "subtract", "multiply", "maximum", "minimum", "squared_difference", "floormod", "divide"])
    with s.device():
        if name == "divide" and a.dtype in FLOATS:
            s.add(a.tensor / (tf.abs(b.tensor) + 1), None, a.bound, f"divide {a.key} {b.key}")
            return
        if name in ("floormod", "divide"):
            if a.dtype in FLOATS and not (a.is_exact and b.is_exact):
                name = "add"
            else:
                function = tf.floormod if name == "floormod" else tf.floordiv
                s.add(function(a.tensor, tf.abs(b.tensor) % 5 + 1), a.bits, 5 + a.bound, f"{name} {a.key} {b.key}")
                return
        bits = None
        if a.is_exact and b.is_exact:
            bits = (a.bits + b.bits if name == "multiply" else 2 * max(a.bits, b.bits) + 2 if name == "squared_difference"
                    else max(a.bits, b.bits) + 1)
            bits = 0 if a.dtype in INTS else bits
        bound = (a.bound * b.bound if name == "multiply" else (a.bound + b.bound) ** 2 if name == "squared_difference"
                 else a.bound + b.bound)
        s.add(getattr(tf, name)(a.tensor, b.tensor), bits, bound, f"{name} {a.key} {b.key}")


def product(s):
    a = s.pick(lambda v: v.dtype in FLOATS + (tf.int32,) and 0 < v.size and v.shape) or s.constant(tf.float32, [2, 3])
    with s.device():
        rows = tf.reshape(a.tensor, [-1, a.shape[-1]])
    b = s.pick(lambda v: v.dtype == a.dtype and len(v.shape) == 2 and a.shape[-1] in v.shape)
    transposed = False
    if b is None:
        b = s.constant(a.dtype, [a.shape[-1], s.choices.randint(1, 3)])
    elif b.shape[0] != a.shape[-1]:
        transposed = True
    with s.device():
        bits = a.bits + b.bits + 3 if a.is_exact and b.is_exact else None
        s.add(tf.matmul(rows, b.tensor, transpose_b=transposed), bits, a.bound * b.bound * a.shape[-1], f"matmul {a.key} {b.key}")


def reduction(s):
    a = s.pick(lambda v: (v.is_number or v.dtype == tf.bool) and v.shape) or s.constant(tf.float32, [2, 3])
    axis = s.choices.choice([None, 0, -1])
    keep = s.choices.random() < 0.3
    with s.device():
        if a.dtype == tf.bool:
            name = s.choices.choice(["reduce_any", "reduce_all"])
            s.add(getattr(tf, name)(a.tensor, axis, keep), 1, 1, f"{name} {a.key} {axis}")
            return
        name = s.choices.choice(["reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "cumsum", "argmax"])
        empty = a.size == 0
        if name == "cumsum":
            s.add(tf.cumsum(a.tensor, -1), a.bits and a.bits + 3, a.bound * LARGEST, f"cumsum {a.key}")
        elif name == "argmax" and a.is_exact and not empty:
            s.add(tf.argmax(a.tensor, -1), 0, 0, f"argmax {a.key}")
        elif name == "reduce_mean" and a.dtype in FLOATS and not empty:
            s.add(tf.reduce_mean(a.tensor, axis, keep), None, a.bound, f"reduce_mean {a.key} {axis}")
        elif name in ("reduce_max", "reduce_min") and not empty:
            s.add(getattr(tf, name)(a.tensor, axis, keep), a.bits, a.bound, f"{name} {a.key} {axis}")
        else:
            s.add(tf.reduce_sum(a.tensor, axis, keep), a.bits and a.bits + 6, a.bound * LARGEST, f"reduce_sum {a.key} {axis}")


def shaping(s):
    a = s.pick(lambda v: v.size <= LARGEST) or s.constant(tf.float32, [2, 3])
    name = s.choices.choice(["reshape", "transpose", "expand_dims", "tile", "concat", "split", "slice", "gather", "stack",
                             "unstack", "reverse", "pad", "where", "zeros_like", "shape"])
    x, rank = a.tensor, len(a.shape)
    b = s.like(a) if name in ("concat", "stack", "where") else None
    numbers = a.dtype != tf.string
    with s.device():
        def keep(tensor, extra=""):
            return s.add(tensor, a.bits, a.bound, f"{name} {a.key} {extra}")
        if name == "reshape":
            keep(tf.reshape(x, [a.size] if s.choices.random() < 0.5 else [1, a.size]))
        elif name == "expand_dims":
            keep(tf.expand_dims(x, s.choices.choice([0, -1])))
        elif name == "shape":
            s.add(tf.shape(x, out_type=s.choices.choice(INTS)), 0, 0, f"shape {a.key}")
        elif name == "zeros_like" and numbers:
            s.add(tf.zeros_like(x), a.bits, a.bound, f"zeros_like {a.key}")
        elif name == "stack":
            s.add(tf.stack([x, b.tensor], s.choices.choice([0, -1])), both(a, b), a.bound + b.bound, f"stack {a.key} {b.key}")
        elif name == "where" and numbers:
            condition = s.pick(lambda v: v.dtype == tf.bool and v.shape == a.shape)
            if condition is not None:
                s.add(tf.where(condition.tensor, x, b.tensor), both(a, b), a.bound + b.bound,
                      f"where {condition.key} {a.key} {b.key}")
        elif rank == 0:
            keep(tf.identity(x))
        elif name == "transpose":
            keep(tf.transpose(x))
        elif name == "tile":
            keep(tf.tile(x, [2] + [1] * (rank - 1)))
        elif name == "concat":
            s.add(tf.concat([x, b.tensor], s.choices.choice([0, -1])), both(a, b), a.bound + b.bound,
                  f"concat {a.key} {b.key}")
        elif name == "split" and a.shape[-1] in (2, 4):
            for part in tf.split(x, 2, -1):
                keep(part)
        elif name == "unstack" and 0 < a.shape[0] <= 3:
            for part in tf.unstack(x):
                keep(part)
        elif name == "slice" and a.shape[0] > 1:
            keep(x[1:] if s.choices.random() < 0.5 else x[::2])
        elif name == "gather" and a.shape[0] > 0:
            index = s.pick(lambda v: v.dtype in INTS and v.size in range(1, 7))
            if index is not None:
                keep(tf.gather(x, tf.floormod(index.tensor, a.shape[0])), index.key)
        elif name == "reverse" and numbers:
            keep(tf.reverse(x, [0]))
        elif name == "pad" and numbers and a.dtype != tf.bool:
            keep(tf.pad(x, [[1, 0]] + [[0, 0]] * (rank - 1)))


def both(a, b):
    return max(a.bits, b.bits) if a.is_exact and b.is_exact else None


def comparison(s):
    if s.choices.random() < 0.3:
        a = s.pick(lambda v: v.dtype == tf.bool)
        if a is not None:
            b = s.like(a)
            name = s.choices.choice(["logical_and", "logical_or", "logical_xor"])
            with s.device():
                s.add(getattr(tf, name)(a.tensor, tf.logical_not(b.tensor)), 1, 1, f"{name} {a.key} not {b.key}")
            return
    a = s.number(exact=True)
    b = s.like(a, exact=True)
    name = s.choices.choice(["less", "greater_equal", "equal", "not_equal"])
    with s.device():
        s.add(getattr(tf, name)(a.tensor, b.tensor), 1, 1, f"{name} {a.key} {b.key}")


def cast(s):
    a = s.pick(lambda v: (v.is_number and v.is_exact) or v.dtype == tf.bool)
    if a is None:
        return
    kind = s.choices.choice(FLOATS + INTS)
    with s.device():
        if a.dtype in INTS and kind in FLOATS:
            s.add(tf.cast(tf.floormod(a.tensor, 64), kind), 6, 64, f"cast {a.key} mod 64")
        else:
            s.add(tf.cast(a.tensor, kind), a.bits if kind in FLOATS else 0, a.bound, f"cast {a.key}")


def strings(s):
    a = s.pick(lambda v: v.dtype == tf.string)
    if a is None or s.choices.random() < 0.4:
        number = s.pick(lambda v: v.dtype in INTS or v.dtype == tf.bool) or s.constant(tf.int32, [2])
        with s.device():
            s.add(tf.as_string(number.tensor), 0, 0, f"as_string {number.key}")
        return
    name = s.choices.choice(["join", "length", "hash", "substr", "upper", "equal"])
    b = s.like(a)
    with s.device():
        if name == "join":
            joined = tf.strings.join([a.tensor, b.tensor], "-")
            s.add(tf.strings.substr(joined, 0, tf.minimum(tf.strings.length(joined), 20)), 0, 0, f"join {a.key} {b.key}")
        elif name == "length":
            s.add(tf.strings.length(a.tensor), 0, 0, f"length {a.key}")
        elif name == "hash":
            s.add(tf.strings.to_hash_bucket_fast(a.tensor, 11), 0, 0, f"hash {a.key}")
        elif name == "substr":
            s.add(tf.strings.substr(tf.strings.join([a.tensor, "xyz"]), 1, 2), 0, 0, f"substr {a.key}")
        elif name == "upper":
            s.add(tf.strings.upper(a.tensor), 0, 0, f"upper {a.key}")
        else:
            s.add(tf.equal(a.tensor, b.tensor), 1, 1, f"equal {a.key} {b.key}")


def waits(s):
    """A value with control edges from values that it does not use."""
    others = [s.pick() for _ in range(s.choices.randint(1, 3))]
    a = s.pick()
    if a is None:
        return
    with s.device(), tf.control_dependencies([other.tensor for other in others if other is not None]):
        if s.choices.random() < 0.4:
            s.constant(a.dtype, s.choices.choice([[], [2]]))
        else:
            s.add(tf.identity(a.tensor), a.bits, a.bound, f"identity {a.key} after {[o.key for o in others if o]}")


def gradients(s):
    """Gradients of a value with respect to placeholders, variables and intermediate values."""
    y = s.pick(lambda v: v.dtype in FLOATS and not v.is_exact) or s.pick(lambda v: v.dtype in FLOATS)
    if y is None:
        return
    sources = [x for x in s.program.differentiable if x.dtype.base_dtype == y.dtype]
    between = s.pick(lambda v: v.dtype == y.dtype)
    if s.choices.random() < 0.4 and between is not None:
        sources.append(between.tensor)
    if not sources:
        return
    with s.device():
        made = tf.gradients(y.tensor, sources, colocate_gradients_with_ops=s.choices.random() < 0.3)
    for source, gradient in zip(sources, made):
        if gradient is not None:
            s.add(tf.convert_to_tensor(gradient), None, 100, f"gradient of {y.key} by {source.name}")


def culprit(s):
    """An op that fails for some feeds: then the step must fail with its error."""
    program = s.program
    if not program.may_fail or program.culprit:
        return
    index = tf.placeholder(tf.int32, [])
    fed = s.add(index, 3, 4, "placeholder of the culprit")
    s.block.values.pop()
    program.placeholders.append((fed, False))
    fed.is_culprit = True
    kind = s.choices.choice(["gather", "reshape", "assert", "divide", "check_numerics", "string", "slice", "concat", "split"])
    name = program.culprit = "culprit"
    with s.device():
        if kind == "gather":
            made = tf.gather(tf.constant([1.0, 2.0, 3.0, 4.0]), index, name=name)
        elif kind == "reshape":
            made = tf.reduce_sum(tf.reshape(tf.ones([6]), tf.stack([index, 2]), name=name))
        elif kind == "assert":
            with tf.control_dependencies([tf.Assert(tf.less(index, 4), ["as meant"], name=name)]):
                made = tf.cast(index, tf.float32)
        elif kind == "divide":
            made = tf.cast(tf.floordiv(7, 9 - index, name=name), tf.float32)
        elif kind == "check_numerics":
            made = tf.check_numerics(1 / tf.cast(9 - index, tf.float32), "as meant", name=name)
        elif kind == "string":
            made = tf.string_to_number(tf.where(tf.less(index, 4), "7.5", "seven"), name=name)
        elif kind == "slice":
            made = tf.reduce_sum(tf.slice(tf.ones([8]), [index], [3], name=name))
        elif kind == "concat":
            made = tf.reduce_sum(tf.concat([tf.ones([2, 3]), tf.ones(tf.stack([2, index]))], 0, name=name))
        else:
            made = tf.reduce_sum(tf.split(tf.ones([12]), tf.stack([index, 9]), num=2, name=name)[0])
    s.add(made, None, 10, f"{kind} that may fail, of {fed.key}")


COMMON = [(unary, 10), (binary, 12), (product, 5), (reduction, 6), (shaping, 12), (comparison, 5), (cast, 4), (strings, 4),
          (waits, 4)]
INSIDE = COMMON + [(control.conditional, 2), (control.loop, 2), (control.call, 1)]
OUTSIDE = COMMON + [(placeholder, 6), (unknown_shape, 1), (control.conditional, 6), (control.loop, 5), (control.call, 4),
                    (gradients, 6), (culprit, 6), (state.make_variable, 5), (state.update, 6), (state.read, 5),
                    (state.read_update_use, 2), (state.make_queue, 2), (state.queue, 4), (state.conditional_update, 2),
                    (state.loop_update, 1), (state.function_update, 2)]

"""Statements that contain blocks of statements: conditionals, loops, function calls."""
import tensorflow.compat.v1 as tf
from tensorflow.python.framework import function as defun

from cases import control_flow
from fuzzing.program import INTS, Block, Statement

DEEPEST = 3


def fill(block, count):
    """Makes `count` statements in a block."""
    from fuzzing import statements
    for number in range(count):
        statement = Statement(block, number)
        statements.choose(statement)(statement)


def too_deep(s):
    return s.block.depth >= DEEPEST


def outcome(s, block, dtype, shape):
    """The result of a block: a visible value of this type and shape, likely a late one, or a new constant."""
    value = s.__class__.pick(Statement(block, 900), lambda v: v.dtype == dtype and v.shape == shape)
    if value is None:
        value = Statement(block, 901).constant(dtype, shape)
    return value


def small(value):
    """The value, bounded so that a loop can carry it, and the bits that it needs."""
    if value.dtype in INTS:
        return tf.floormod(value.tensor, 17), 0
    if value.is_exact:
        return tf.floormod(tf.floor(value.tensor), 8), 3
    return tf.tanh(value.tensor), None


def conditional(s):
    if too_deep(s):
        return
    condition = s.condition()
    results = [s.pick(lambda v: v.is_number) or s.constant(tf.float32, []) for _ in range(s.choices.randint(1, 2))]
    exact, counts = [], [s.choices.randint(0, 4), s.choices.randint(0, 4)]

    def branch(which):
        def make():
            block = Block(s.program, f"{s.path}.{which}", s.block, s.block.depth + 1, plain=s.block.plain)
            fill(block, counts[which])
            with s.device():
                if s.choices.random() < 0.25:  # a constant: only its control edge ties it to the branch
                    made = [Statement(block, 800).constant(result.dtype, result.shape) for result in results]
                else:
                    made = [outcome(s, block, result.dtype, result.shape) for result in results]
                exact.append([value.is_exact for value in made])
                return [tf.identity(small(value)[0]) for value in made]
        return make
    with control_flow(s.choices.choice(s.program.versions)), s.device():
        made = tf.cond(condition.tensor, branch(0), branch(1))
    for number, tensor in enumerate(made if isinstance(made, (list, tuple)) else [made]):
        bits = 8 if all(each[number] for each in exact) else None
        tensor.set_shape(results[number].shape)
        s.add(tensor, bits, 17, f"cond {condition.key}")


def loop(s):
    if too_deep(s):
        return
    starts = [s.pick(lambda v: v.is_number and v.size <= 12) or s.constant(tf.float32, [])
              for _ in range(s.choices.randint(1, 2))]
    rounds = s.choices.randint(0, 4)
    count, parallel = s.choices.randint(1, 4), s.choices.choice([1, 2, 10])
    limit = s.pick(lambda v: v.dtype == tf.int32 and v.shape == ()) if s.choices.random() < 0.3 else None
    with s.device():
        limit_tensor = tf.floormod(limit.tensor, 5) if limit else tf.constant(rounds)
        first = [tf.identity(small(start)[0]) for start in starts]

    def body(i, *carried):
        block = Block(s.program, f"{s.path}.0", s.block, s.block.depth + 1, plain=s.block.plain)
        inside = Statement(block, 990)
        inside.add(i, 0, 0, "the count")
        for tensor, start in zip(carried, starts):
            inside.add(tensor, 4 if start.is_exact else None, 17, "carried")
        fill(block, count)
        following = []
        for number, start in enumerate(starts):
            # Exact loop variables depend only on exact values, so that rounding changes no condition.
            value = Statement(block, 910 + number).pick(
                lambda v: v.dtype == start.dtype and v.shape == start.shape and (v.is_exact or not start.is_exact)
                and v.block is block) or block.values[1 + number]
            if value.is_exact and not start.is_exact:
                following.append(tf.tanh(value.tensor))
            else:
                following.append(small(value)[0])
        return (i + 1, *following)
    with control_flow(s.choices.choice(s.program.versions)), s.device():
        made = tf.while_loop(lambda i, *_: i < limit_tensor, body, [tf.constant(0), *first], parallel_iterations=parallel)
    s.add(made[0], 0, 0, f"rounds of a loop to {limit.key if limit else rounds}")
    for tensor, start in zip(made[1:], starts):
        s.add(tensor, 5 if start.is_exact else None, 17, f"loop from {start.key}")


def call(s):
    """Calls a new function, or an earlier one, so that two calls share it."""
    if too_deep(s) or s.block.plain:
        return
    if s.program.functions and s.choices.random() < 0.4:
        function, arguments, exact, name = s.choices.choice(s.program.functions)
        given = [s.pick(lambda v: v.dtype == dtype and v.shape == shape and (v.is_exact or not needs))
                 for dtype, shape, needs in arguments]
        if any(each is None for each in given):
            return
    else:
        given = [s.pick(lambda v: v.is_number) or s.constant(tf.float32, [2]) for _ in range(s.choices.randint(1, 2))]
        arguments = [(value.dtype, value.shape, value.is_exact) for value in given]
        function, exact, name = make_function(s, arguments)
        if s.block.depth == 0:  # nested functions can only be called inside the outer one
            s.program.functions.append((function, arguments, exact, name))
    with s.device():
        made = function(*[value.tensor for value in given])
    made = list(made) if isinstance(made, (list, tuple)) else [made]
    for tensor, is_exact, shape in zip(made, exact[0], exact[1]):
        tensor.set_shape(shape)
        s.add(tensor, 5 if is_exact else None, 17, f"call of {name} with {[value.key for value in given]}")


def make_function(s, arguments):
    """A tf.function, which may capture outer values, or a Defun, whose body only has its arguments."""
    plain = s.choices.random() < 0.4
    count, noinline = s.choices.randint(1, 5), s.choices.random() < 0.5
    exact = [[], []]

    def body(*tensors):
        block = Block(s.program, f"{s.path}.0", s.block, s.block.depth + 1, sees_outer=not plain, plain=plain)
        inside = Statement(block, 990)
        for tensor, (dtype, shape, is_exact) in zip(tensors, arguments):
            tensor.set_shape(shape)
            inside.add(tensor, 4 if is_exact else None, 17, "argument")
        fill(block, count)
        exact[0][:], exact[1][:], made = [], [], []
        for number in range(s.choices.randint(1, 2)):
            value = Statement(block, 920 + number).pick(lambda v: v.is_number and v.block is block)
            with s.device():
                made.append(tf.identity(small(value)[0]))
            exact[0].append(value.is_exact)
            exact[1].append(value.shape)
        return made
    if plain:
        name = f"defun_{s.path.replace('.', '_')}"
        made = defun.Defun(*[dtype for dtype, _, _ in arguments], func_name=name, noinline=noinline)(body)
        return made, exact, f"{'noinline ' if noinline else ''}{name}"
    version = s.choices.choice(s.program.versions)

    def with_version(*tensors):
        with control_flow(version):
            return body(*tensors)
    attributes = {"experimental_attributes": {"_noinline": True}} if noinline else {}
    made = tf.function(with_version, autograph=False, **attributes)
    return made, exact, f"{'noinline ' if noinline else ''}function {s.path}"

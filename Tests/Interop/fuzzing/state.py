"""Statements that access state. Each waits for the one before, so that results are deterministic; a read value is copied
before the next statement may change it."""
import numpy as np
import tensorflow.compat.v1 as tf

from cases import control_flow
from fuzzing.program import FLOATS, INTS


class Variable:
    def __init__(self, name, variable, exact, device):
        self.name, self.variable, self.exact, self.device = name, variable, exact, device
        self.is_resource = not hasattr(variable, "_ref") or variable.dtype == variable.dtype.base_dtype

    dtype = property(lambda self: self.variable.dtype.base_dtype)
    shape = property(lambda self: tuple(self.variable.shape.as_list()))


def make_variable(s):
    dtype = s.choices.choice([tf.float32] * 4 + [tf.float64, tf.int32, tf.int64])
    shape = s.choices.choice([[], [2], [3], [2, 3], [4]])
    exact = dtype in INTS or s.choices.random() < 0.6
    start = np.random.RandomState(s.choices.randrange(1 << 30)).randint(-4, 5, size=shape)
    device = s.choices.choice(s.program.devices) if s.program.devices else None
    resource = s.choices.random() < 0.5
    with tf.device(device):
        v = tf.get_variable(f"variable_{s.path}", dtype=dtype, initializer=np.array(start, dtype.as_numpy_dtype),
                            use_resource=resource)
    s.program.inits.append(v.initializer)
    s.program.variables.append(Variable(s.path, v, exact, device))
    s.program.text.append(f"{s.path} = {'resource' if resource else 'reference'} variable {dtype.name} {shape} {device}")


def some_variable(s, suits=lambda v: True):
    found = [v for v in s.program.variables if suits(v)]
    return s.choices.choice(found) if found else None


def operand(s, v, shape=None):
    """A small value for an update of the variable: exact if the variable is."""
    shape = v.shape if shape is None else shape
    value = s.pick(lambda x: x.dtype == v.dtype and x.shape == shape and (x.is_exact or not v.exact))
    if value is None:
        return s.constant(v.dtype, shape).tensor
    if v.dtype in INTS:
        return value.tensor
    return tf.floormod(tf.floor(value.tensor), 8) if v.exact else tf.tanh(value.tensor)


def copied(s, v, read, text):
    """Adds a copy of the read value; the next access to state waits for the copy."""
    with s.device():
        copy = tf.negative(read)
    s.program.state = copy.op
    return s.add(copy, 12 if v.exact and v.dtype in FLOATS else 0 if v.exact else None, 1000, f"- {text} of variable {v.name}")


def update(s):
    v = some_variable(s)
    if v is None:
        return
    name = s.choices.choice(["assign", "assign_add", "assign_sub", "scatter_add"])
    if name == "scatter_add" and (not v.shape or v.dtype not in FLOATS):
        name = "assign_add"
    change = operand(s, v, (2,) + v.shape[1:] if name == "scatter_add" else None)
    with s.program.after_state():
        if name == "scatter_add":
            made = tf.scatter_add(v.variable, [0, v.shape[0] - 1], change)
        else:
            made = getattr(v.variable, name)(change)
    s.program.state = made.op if made.op is not None else made
    s.program.text.append(f"{s.path} = {name} of variable {v.name}")
    if s.choices.random() < 0.5:
        read(s, v)


def fresh_read(v):
    return v.variable.read_value() if v.is_resource else tf.identity(v.variable._ref())


def read(s, v=None):
    v = v or some_variable(s)
    if v is None:
        return
    with s.program.after_state(), tf.device(v.device):
        value = fresh_read(v)
    copied(s, v, value, "read")
    if v.dtype in FLOATS and not v.exact:
        s.program.differentiable.append(value)


def read_update_use(s):
    """A read of a reference variable, an update, then a use of the read, which must show the update: they share memory."""
    v = some_variable(s, lambda v: not v.is_resource)
    if v is None:
        return
    change = operand(s, v)
    with tf.device(v.device):
        with s.program.after_state():
            early = tf.identity(v.variable._ref())
        with tf.control_dependencies([early]):
            changed = v.variable.assign_add(change)
        with tf.control_dependencies([changed]):
            used = early * 1 if v.dtype in INTS else early * 0.5
    s.program.state = used.op
    s.add(used, 13 if v.exact and v.dtype in FLOATS else 0 if v.exact else None, 1000, f"early read of variable {v.name}")


def make_queue(s):
    dtype = s.choices.choice([tf.float32, tf.int32, tf.string])
    shape = s.choices.choice([[], [2]])
    with tf.device(s.choices.choice(s.program.devices) if s.program.devices else None):
        queue = tf.FIFOQueue(1000, [dtype], [shape], shared_name=f"queue_{s.path}", name=f"queue_{s.path}")
    s.program.queues.append([queue, dtype, tuple(shape), 0])
    s.program.text.append(f"{s.path} = queue {dtype.name} {shape}")


def queue(s):
    """Enqueues or dequeues; dequeues only elements that this step has certainly enqueued."""
    if not s.program.queues:
        return
    entry = s.choices.choice(s.program.queues)
    queue, dtype, shape, held = entry
    if held and s.choices.random() < 0.6:
        many = s.choices.randint(1, held)
        with s.program.after_state():
            taken = queue.dequeue() if many == 1 else queue.dequeue_many(many)
        entry[3] -= many
        s.program.state = taken.op
        s.add(taken, 4, 4, f"{many} taken from {queue.name}")
        return
    value = s.pick(lambda v: v.dtype == dtype and v.shape == shape and v.is_exact and (v.bits <= 4 or dtype in INTS))
    value = value or s.constant(dtype, shape)
    with s.program.after_state():
        put = queue.enqueue(value.tensor)
    entry[3] += 1
    s.program.state = put
    s.program.text.append(f"{s.path} = put {value.key} into {queue.name}")


def conditional_update(s):
    """Only the taken branch updates the variable."""
    v, condition = some_variable(s), s.condition()
    if v is None:
        return
    amounts = [operand(s, v), operand(s, v)]
    where = [s.choices.choice(s.program.devices) if s.program.devices else None for _ in range(2)]

    def branch(number):
        def make():
            with tf.device(where[number]):
                with tf.control_dependencies([v.variable.assign_add(amounts[number])]):
                    return tf.constant(number)
        return make
    with control_flow(s.choices.choice(s.program.versions)), s.program.after_state(), s.device():
        before = tf.identity(condition.tensor)
        made = tf.cond(before, branch(1), branch(0))
    s.program.state = made.op
    s.add(made, 0, 0, f"cond {condition.key} that changes variable {v.name}")
    read(s, v)


def loop_update(s):
    """A loop that updates the variable in every iteration."""
    v = some_variable(s, lambda v: v.is_resource)
    if v is None:
        return
    rounds, amount = s.choices.randint(0, 3), operand(s, v)

    def body(i):
        with tf.control_dependencies([v.variable.assign_add(amount * tf.cast(i + 1, v.dtype))]):
            return i + 1
    with control_flow(s.choices.choice(s.program.versions)), s.program.after_state(), s.device():
        made = tf.while_loop(lambda i: i < rounds, body, [tf.constant(0)], parallel_iterations=1)
        made = made[0] if isinstance(made, (list, tuple)) else made
    s.program.state = made.op
    s.add(made, 0, 0, f"loop that changes variable {v.name}")
    read(s, v)


def function_update(s):
    """A function that reads and updates a variable."""
    v = some_variable(s, lambda v: v.is_resource)
    if v is None:
        return
    inner = s.choices.choice(s.program.devices) if s.program.devices and s.choices.random() < 0.3 else None

    def body(amount):
        before = v.variable.read_value()
        with tf.control_dependencies([before]):
            changed = v.variable.assign_add(amount)
        with tf.control_dependencies([changed]):
            with tf.device(inner):
                return v.variable.read_value() + before
    change = operand(s, v)
    with s.program.after_state(), s.device():
        made = tf.function(body, autograph=False)(change)
    s.program.state = made.op
    made.set_shape(v.shape)
    s.add(made, 14 if v.exact and v.dtype in FLOATS else 0 if v.exact else None, 2000, f"call that changes variable {v.name}")


KINDS = {make_variable, update, read, read_update_use, make_queue, queue, conditional_update, loop_update, function_update}

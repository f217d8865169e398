"""A random TensorFlow graph, made statement by statement and determined by its seed.

Each statement has its own random generator (from the seed and its path), and chooses its inputs by a ranking that does
not depend on other statements. So leaving out a statement changes only the statements that used its values, and a finding
can be reduced by leaving out statements (`kept`).
"""
import contextlib
import random
import zlib

import numpy as np
import tensorflow.compat.v1 as tf

FLOATS, INTS = (tf.float32, tf.float64), (tf.int32, tf.int64)
# The most bits of a value that float32 holds exactly, whatever the order of operations.
EXACT_BITS = 20
LARGEST = 64  # elements of a tensor


class Value:
    """A tensor with the `bits` that hold it exactly (None: rounding may differ) and a `bound` on its magnitude."""

    def __init__(self, key, tensor, bits, bound, block):
        self.key, self.tensor, self.bits, self.bound, self.block = key, tensor, bits, bound, block

    dtype = property(lambda self: self.tensor.dtype.base_dtype)
    shape = property(lambda self: tuple(self.tensor.shape.as_list()))
    size = property(lambda self: int(np.prod(self.shape)))
    is_exact = property(lambda self: self.bits is not None)
    is_number = property(lambda self: self.dtype in FLOATS or self.dtype in INTS)


class Block:
    """A block of statements: the graph itself, a branch, a loop's body or a function."""

    def __init__(self, program, path, outer=None, depth=0, sees_outer=True, plain=False):
        self.program, self.path, self.outer, self.depth, self.sees_outer = program, path, outer, depth, sees_outer
        self.plain = plain  # a Defun's body, which does not allow every Python construct
        self.values = []

    def visible(self):
        return self.values + (self.outer.visible() if self.outer and self.sees_outer else [])


class Statement:
    """A statement under construction."""

    def __init__(self, block, number):
        self.block, self.program = block, block.program
        self.path = f"{block.path}.{number}" if block.path else str(number)
        self.choices = random.Random(f"{self.program.seed}|{self.path}")
        self._picks = self._made = 0

    def pick(self, suits=lambda value: True):
        """A suitable visible value, more likely a late one; None if there is none."""
        self._picks += 1

        def rank(value):
            chance = (zlib.crc32(f"{self.program.seed}|{self.path}|{self._picks}|{value.key}".encode()) + 1) / 2 ** 32
            return chance ** (1 / (1 + int(value.key.split(".")[0].split("/")[0]) / 8))
        suitable = [value for value in self.block.visible() if suits(value)]
        return max(suitable, key=rank) if suitable else None

    def number(self, exact=False, dtypes=FLOATS + INTS, **wanted):
        """A number, a new one if there is none."""
        return (self.pick(lambda v: v.dtype in dtypes and (v.is_exact or not exact) and v.size <= LARGEST)
                or self.constant(self.choices.choice(dtypes), [2]))

    def like(self, value, exact=False):
        """Another value of the same type and shape."""
        found = self.pick(lambda v: v.dtype == value.dtype and v.shape == value.shape and (v.is_exact or not exact))
        return found or self.constant(value.dtype, value.shape)

    def condition(self):
        """A boolean scalar."""
        found = self.pick(lambda v: v.dtype == tf.bool)
        if found is None:
            found = self.add(tf.less(self.constant(tf.int32, []).tensor, 2), 1, 1, "less 2")
        if found.shape == ():
            return found
        return self.add(tf.reduce_any(found.tensor), 1, 1, f"reduce_any {found.key}")

    def constant(self, dtype, shape):
        numbers = np.random.RandomState(self.choices.randrange(1 << 30))
        if dtype == tf.string:
            content, bits = np.array(numbers.choice(["a", "bc", "", "7"], size=shape), object), 0
        elif dtype == tf.bool:
            content, bits = numbers.rand(*shape) < 0.5, 1
        elif dtype in INTS:
            content, bits = numbers.randint(-3, 5, size=shape), 3
        else:
            content, bits = numbers.randint(-8, 9, size=shape) / 4.0, 4
        return self.add(tf.constant(content, dtype, shape), bits, 4, f"constant {dtype.name} {list(shape)}")

    def device(self):
        """The next op's device: mostly one of the program's, sometimes none."""
        devices = self.program.devices
        return tf.device(self.choices.choice(devices) if devices and self.choices.random() < 0.8 else None)

    def add(self, tensor, bits, bound, text):
        """Adds a value of the statement to its block. A number that is too large is scaled down."""
        if tensor.dtype.base_dtype in FLOATS:
            if bits is not None and bits > EXACT_BITS:
                bits = None
            if bound > 1e4:
                tensor, bits, bound, text = tf.tanh(tensor * 1e-2), None, 1, f"tanh({text} / 100)"
        value = Value(f"{self.path}/{self._made}", tensor, bits, bound, self.block)
        self._made += 1
        self.block.values.append(value)
        self.program.text.append(f"{'  ' * self.block.depth}{value.key} = {text}: {value.dtype.name} {list(value.shape)}"
                                 f"{' ' + tensor.device if tensor.device else ''}")
        return value


class Program:
    """`devices`: full names to choose from. `kept`: the statements to make, None for all. `container`: the resource
    container, so that graphs on one cluster do not share state."""

    def __init__(self, seed, devices, count, kept=None, container=""):
        self.seed, self.devices, self.kept = seed, devices, kept
        self.choices = random.Random(f"{seed}|program")
        self.graph, self.text = tf.Graph(), []
        self.placeholders, self.inits, self.functions, self.variables, self.queues = [], [], [], [], []
        self.differentiable = []  # possible targets of gradients: placeholders and variables of floats
        self.state = None  # the last op that accessed state: the next one waits for it
        self.uses_state, self.culprit = False, None
        self.versions = self.choices.choice([(1,), (2,), (1, 2)])
        self.may_fail = self.choices.random() < 0.12
        from fuzzing import statements
        self.block = Block(self, "")
        with self.graph.as_default(), tf.container(container):
            for number in range(count):
                if kept is None or number in kept:
                    self._make(statements, number)
        self.fetchable = [value for value in self.block.values if self.graph.is_fetchable(value.tensor)]

    def _make(self, statements, number):
        context = self.graph._get_control_flow_context()
        before = len(self.block.values), len(self.text)
        statement = Statement(self.block, number)
        try:
            statements.choose(statement)(statement)
        except (TypeError, ValueError, LookupError, NotImplementedError, AttributeError, RuntimeError,
                tf.errors.OpError) as error:
            # TensorFlow's Python API rejects some combinations; this is determined by the seed, too.
            self.graph._set_control_flow_context(context)
            del self.block.values[before[0]:]
            self.text[before[1]:] = [f"{number}: left out: {type(error).__name__}: {str(error)[:150]!r}"]

    @contextlib.contextmanager
    def after_state(self):
        """Ops made in the block run after all earlier accesses to state."""
        with tf.control_dependencies([self.state] if self.state is not None else []):
            yield
        self.uses_state = True

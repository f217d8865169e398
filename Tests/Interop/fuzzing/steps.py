"""Steps of a program: their fetches, feeds and results."""
import random

import numpy as np
import tensorflow.compat.v1 as tf

from fuzzing.program import INTS


class Step:
    """The names of fetches and targets, and the feeds by name."""

    def __init__(self, fetches, targets, feeds, smooth):
        self.fetches, self.targets, self.feeds, self.smooth = fetches, targets, feeds, smooth

    def run(self, session, nudge=0.0):
        """Runs the step; `nudge` is a relative change of smooth feeds, to see how much the results depend on them."""
        feeds = {name: fed * (1 + nudge) if nudge and name in self.smooth else fed for name, fed in self.feeds.items()}
        try:
            values = session.run(self.fetches + self.targets, feeds)
            return Outcome(values[:len(self.fetches)])
        except tf.errors.OpError as error:
            return Outcome(error=error)


class Outcome:
    def __init__(self, values=None, error=None):
        self.values, self.error = values, error

    @property
    def code(self):
        return None if self.error is None else type(self.error).__name__.removesuffix("Error")


def make_steps(program, seed):
    """Some different steps, and a sequence that runs them in varying order, each more than once."""
    choices = random.Random(f"{seed}|steps")
    if not program.fetchable:
        return []
    kinds = [make_step(program, random.Random(f"{seed}|step|{number}")) for number in range(choices.randint(2, 4))]
    order = [choices.randrange(len(kinds)) for _ in range(choices.randint(4, 9))]
    return [kinds[number](random.Random(f"{seed}|feed|{turn}")) for turn, number in enumerate(order)]


def make_step(program, choices):
    """Returns a function that makes the step with feeds from a random generator."""
    values = program.fetchable
    fetched = choices.sample(values, min(len(values), choices.choice([1, 1, 2, 3, 4])))
    targets = [program.state] if program.state is not None and choices.random() < 0.3 else []
    given = {value.tensor.name for value, _ in program.placeholders}
    other = [value for value in values if value.tensor.name not in given and value.tensor.op.type != "Const"
             and program.graph.is_feedable(value.tensor) and None not in value.shape]
    replaced = [choices.choice(other)] if other and choices.random() < 0.2 else []
    needed = tensors_needed([value.tensor for value in fetched], targets, {value.tensor.name for value in replaced})
    fed = [value for value, optional in program.placeholders
           if choices.random() < (0.5 if optional else 1.0 if value.tensor.name in needed else 0.2)]
    names = [value.tensor.name for value in fetched]

    def with_feeds(numbers):
        feeds = {value.tensor.name: feed_of(value, numbers) for value in fed + replaced}
        smooth = {value.tensor.name for value in fed + replaced if not value.is_exact}
        return Step(names, [op.name for op in targets], feeds, smooth)
    return with_feeds


def tensors_needed(tensors, ops, fed):
    """The names of the tensors that a step computes or needs as feeds."""
    needed, seen, waiting = set(), set(), [op for op in ops]

    def need(tensor):
        needed.add(tensor.name)
        if tensor.name not in fed:
            waiting.append(tensor.op)
    for tensor in tensors:
        need(tensor)
    while waiting:
        op = waiting.pop()
        if op.name in seen:
            continue
        seen.add(op.name)
        for tensor in op.inputs:
            need(tensor)
        waiting.extend(op.control_inputs)
        needed.update(tensor.name for tensor in op.outputs)
    return needed


def feed_of(value, choices):
    shape = getattr(value, "fed_shape", value.shape)
    if getattr(value, "is_culprit", False):
        return np.int32(choices.choice([3, 3, 9]))
    numbers = np.random.RandomState(choices.randrange(1 << 30))
    if value.dtype == tf.string:
        return np.array(numbers.choice(["", "x", "yz", "42", "longer text"], size=shape), object)
    if value.dtype == tf.bool:
        return numbers.rand(*shape) < 0.5
    if value.dtype in INTS:
        return np.array(numbers.randint(-4, 9, size=shape), value.dtype.as_numpy_dtype)
    if not value.is_exact:
        return np.array(numbers.uniform(-2, 2, size=shape), value.dtype.as_numpy_dtype)
    return np.array(numbers.randint(-7, 8, size=shape) / 4.0, value.dtype.as_numpy_dtype)


def difference(found, right):
    """The difference between two values of a tensor, or None. Floats may differ by rounding."""
    found, right = np.asarray(found), np.asarray(right)
    if found.dtype != right.dtype or found.shape != right.shape:
        return f"{found.dtype} {found.shape} instead of {right.dtype} {right.shape}"
    if right.dtype.kind != "f":
        return None if np.array_equal(found, right) else f"{shown(found)} instead of {shown(right)}"
    tolerance = 1e-4 if right.dtype == np.float32 else 1e-9
    scale = np.max(np.abs(right[np.isfinite(right)]), initial=0)
    if np.allclose(found, right, rtol=tolerance, atol=tolerance * max(scale, 0.01), equal_nan=True):
        return None
    return f"{shown(found)} instead of {shown(right)}"


def depends_on_rounding(found, right, nudged):
    """Whether a change of the feeds of the size of rounding explains the difference of the results."""
    found, right, nudged = (np.asarray(value, np.float64) for value in (found, right, nudged))
    if found.shape != right.shape or nudged.shape != right.shape:
        return False
    with np.errstate(invalid="ignore"):
        if not np.all(np.isfinite(right)):
            return not np.array_equal(right, nudged, equal_nan=True)
        return np.max(np.abs(found - right)) < 300 * np.max(np.abs(nudged - right))


def shown(value):
    text = np.array2string(value, precision=7, threshold=12, separator=",").replace("\n", "")
    return text if len(text) < 120 else text[:120] + "…"

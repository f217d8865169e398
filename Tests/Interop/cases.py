"""The parts of a case: its cluster, sessions with a deadline for each step, and comparisons with the right values."""
import os, re
from contextlib import contextmanager

import numpy as np

import servers

with servers.quietly():
    import tensorflow.compat.v1 as tf
    tf.disable_v2_behavior()
    tf.logging.set_verbosity(tf.logging.FATAL)

PS, WORKER0, WORKER1 = "/job:ps/task:0", "/job:worker/task:0", "/job:worker/task:1"
# A step that takes longer counts as hanging: steps have only milliseconds of work, but the machine may be busy.
STEP_SECONDS = 10
CASES = []


class CaseFailed(AssertionError):
    pass


class Case:
    def __init__(self, topic, name, function, options, arguments):
        self.topic, self.name, self.function, self.options, self.arguments = topic, name, function, options, arguments

    @property
    def full_name(self):
        return f"{self.topic}.{self.name}"

    def is_for(self, kind):
        """Whether the case suits this kind of server: TensorFlow's has no simulated GPUs; some cases are `weir_only`."""
        return kind == "weir" or not (self.options.get("weir_only") or self.options.get("gpus"))

    def run(self, weir, folder, kind, tensorflow):
        """Starts the case's cluster, runs the case there, and checks that all servers are still alive."""
        options = self.options
        arguments = ["--simulate-gpus", str(options["gpus"])] if options.get("gpus") else []
        tasks = {job: kinds if kind == "weir" or isinstance(kinds, int) else len(kinds)
                 for job, kinds in options["tasks"].items()}
        cluster = servers.Cluster(weir, os.path.join(folder, "cluster"), tasks, options.get("cpus", 1),
                                  arguments + options.get("arguments", []), kind, tensorflow)
        try:
            tf.reset_default_graph()
            self.function(cluster, **self.arguments)
            if dead := cluster.dead_tasks():
                raise CaseFailed(f"servers died: {', '.join(dead)}")
        finally:
            cluster.stop()


def case(each=None, seconds=90, cpus=1, gpus=0, weir_only=False, arguments=(), **tasks):
    """Makes a function a case, or, with `each` (arguments by label), one case for each label.

    Its argument is a cluster with the tasks of the keywords, `ps=1, worker=2`; a list such as
    `worker=["tensorflow", "weir"]` gives the kind of server of each task. `seconds` limits the whole case."""
    options = dict(tasks=tasks, seconds=seconds, cpus=cpus, gpus=gpus, weir_only=weir_only, arguments=list(arguments))

    def register(function):
        topic = function.__module__
        for label, values in (each or {"": {}}).items():
            CASES.append(Case(topic, function.__name__ + (f"[{label}]" if label else ""), function, options, values))
        return function
    return register


def session(cluster, job="worker", task=0, graph=None, seconds=STEP_SECONDS, **config):
    """A session whose steps, and whose creation, end with DEADLINE_EXCEEDED instead of hanging."""
    config = tf.ConfigProto(operation_timeout_in_ms=int(seconds * 1000), **config)
    return tf.Session(cluster.target(job, task), graph=graph, config=config)


def plain(value):
    """A fetched value as numbers, strings and lists of them."""
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def same(found, expected, tolerance):
    if isinstance(expected, (list, tuple)):
        return (isinstance(found, (list, tuple)) and len(found) == len(expected)
                and all(same(a, b, tolerance) for a, b in zip(found, expected)))
    if isinstance(expected, dict):
        return (isinstance(found, dict) and found.keys() == expected.keys()
                and all(same(found[key], expected[key], tolerance) for key in expected))
    if isinstance(expected, float):
        return isinstance(found, (int, float)) and bool(np.isclose(found, expected, rtol=tolerance, atol=tolerance,
                                                                   equal_nan=True))
    return found == expected


def expect(found, expected, what="value", tolerance=1e-5):
    found, expected = plain(found), plain(expected)
    if not same(found, expected, tolerance):
        raise CaseFailed(f"{what}: expected {expected}, found {found}")


def first_lines(error, count=3):
    """An error's message without the Python stacks that the client adds."""
    text = getattr(error, "message", None) or str(error)
    text = re.sub(r"Detected at node.*?\nNode: '[^\n]*\n", "", text, flags=re.S).replace("Graph execution error:", "")
    text = text.split("\n\nOriginal stack trace")[0].split("Detected at node")[0]
    return " | ".join(line.strip() for line in text.split("\n") if line.strip())[:200 * count]


@contextmanager
def expect_error(kind, *words, what="the step"):
    """The block must raise this class of error, with a message that matches each of the words (regular expressions)."""
    try:
        yield
    except kind as error:
        for word in words:
            if not re.search(word, str(error)):
                raise CaseFailed(f"{what}: expected an error that says {word!r}, found: {first_lines(error)}") from None
        return
    except tf.errors.OpError as error:
        raise CaseFailed(f"{what}: expected {kind.__name__}, found {type(error).__name__}: {first_lines(error)}") from None
    raise CaseFailed(f"{what}: expected {kind.__name__}, found no error")


@contextmanager
def control_flow(version):
    """Selects the version of conditionals and loops made in the block: 1 (Switch and Merge) or 2 (If and While)."""
    (tf.enable_control_flow_v2 if version == 2 else tf.disable_control_flow_v2)()
    try:
        yield
    finally:
        tf.disable_control_flow_v2()


def on(device, make):
    """The result of `make`, on a device."""
    with tf.device(device):
        return make()

"""A failed step must return the error of the op that failed, not an error that it caused elsewhere."""
import numpy as np
import tensorflow.compat.v1 as tf

from cases import PS, WORKER0, WORKER1, case, expect, expect_error, on, session


def busy_elsewhere():
    """Ops on all tasks that wait for each other, so that the failure interrupts every task."""
    x = on(PS, lambda: tf.random_uniform([50, 50]))
    for device in (WORKER0, WORKER1, PS, WORKER1, WORKER0):
        with tf.device(device):
            x = tf.tanh(tf.matmul(x, x))
    return on(WORKER0, lambda: tf.reduce_sum(x))


def bad_index():
    return tf.gather(tf.constant([1.0, 2.0]), tf.placeholder_with_default(tf.constant(7), []), name="culprit")


def bad_division():
    return tf.cast(tf.floordiv(tf.constant(3), tf.placeholder_with_default(tf.constant(0), []), name="culprit"), tf.float32)


def bad_assertion():
    never = tf.placeholder_with_default(tf.constant(False), [])
    with tf.control_dependencies([tf.Assert(never, ["not so"], name="culprit")]):
        return tf.constant(1.0)


def uninitialized():
    return tf.identity(tf.get_variable("never", [], initializer=tf.zeros_initializer(), use_resource=False))


def closed_queue():
    queue = tf.FIFOQueue(3, [tf.float32], [[]], shared_name="closed")
    tf.add_to_collection("before", queue.close())
    return queue.dequeue(name="culprit")


def bad_number():
    return tf.string_to_number(tf.placeholder_with_default(tf.constant("seven"), []), name="culprit")


FAULTS = {"a bad index": (bad_index, tf.errors.InvalidArgumentError, "culprit.*"),
          "a division by zero": (bad_division, tf.errors.InvalidArgumentError, "(?i)division by zero"),
          "an assertion": (bad_assertion, tf.errors.InvalidArgumentError, "not so"),
          "an uninitialized variable": (uninitialized, tf.errors.FailedPreconditionError, "uninitialized.*never"),
          "a closed queue": (closed_queue, tf.errors.OutOfRangeError, "closed"),
          "a text that is no number": (bad_number, tf.errors.InvalidArgumentError, "seven")}
DEVICES = {"on a parameter server": PS, "on the other worker": WORKER1, "on the master's task": WORKER0}


@case(ps=1, worker=2, each={f"{what}, {where}": dict(make=make, kind=kind, word=word, device=device)
                            for what, (make, kind, word) in FAULTS.items() for where, device in DEVICES.items()})
def the_root_cause_reaches_the_client(cluster, make, kind, word, device):
    fault = on(device, make)
    fetches = [busy_elsewhere(), on(WORKER0, lambda: fault * 2.0), on(WORKER1, lambda: fault * 3.0), on(PS, lambda: fault * 4.0)]
    for _ in range(3):
        with session(cluster, isolate_session_state=True) as s:
            s.run(tf.get_collection("before"))
            for repeat in range(4):
                with expect_error(kind, word, what=f"time {repeat}"):
                    s.run(fetches)
            expect(np.isfinite(s.run(fetches[0])), True, "a good step afterwards")


@case(ps=1, worker=2, each={"in a loop": dict(looping=True), "in a branch": dict(looping=False)})
def the_root_cause_inside_control_flow_reaches_the_client(cluster, looping):
    index = tf.placeholder(tf.int32, [])

    def taken(i):
        return on(WORKER1, lambda: tf.gather(tf.constant([1.0, 2.0]), i, name="culprit"))
    with tf.device(WORKER0):
        if looping:
            y = tf.while_loop(lambda i, a: i < index, lambda i, a: (i + 1, a + taken(i)), [0, 0.0])[1]
        else:
            y = tf.cond(index > 0, lambda: taken(index), lambda: on(PS, lambda: tf.constant(0.0)))
    with session(cluster) as s:
        good, bad, value = (2, 5, 3.0) if looping else (1, 5, 2.0)
        for _ in range(4):
            expect(s.run(y, {index: good}), value)
            with expect_error(tf.errors.InvalidArgumentError, "culprit"):
                s.run([y, busy_elsewhere_once()], {index: bad})


def busy_elsewhere_once(made=[]):
    if not made or made[0].graph is not tf.get_default_graph():
        made[:] = [busy_elsewhere()]
    return made[0]


@case(ps=1, worker=2, weir_only=True)
def a_tensor_inside_a_loop_cannot_be_fetched(cluster):
    """TensorFlow's servers wait for it until the step's deadline."""
    seen = []

    def body(i, a):
        seen.append(on(WORKER1, lambda: a * 2.0))
        return i + 1, seen[0]
    y = tf.while_loop(lambda i, a: i < 3, body, [0, 1.0])[1]
    tf.get_default_graph()._unfetchable_ops.clear()  # otherwise the Python client would reject it
    with session(cluster) as s:
        with expect_error(tf.errors.InvalidArgumentError, "(?i)frame|loop|fetch"):
            s.run(seen[0])
        expect(s.run(y), 8.0, "afterwards")


@case(ps=1, worker=2)
def the_clients_text_shows_the_node_once(cluster):
    fault = on(WORKER1, bad_index)
    with session(cluster) as s:
        try:
            s.run(on(PS, lambda: fault + 1.0))
        except tf.errors.InvalidArgumentError as error:
            expect(str(error).count("Detected at node") <= 1, True, f"one Python stack: {error}")


@case(ps=1, worker=2, weir_only=True)
def a_server_that_dies_is_named(cluster):
    with tf.device(PS):
        v = tf.get_variable("v", [2], initializer=tf.ones_initializer())
    y = on(WORKER1, lambda: v * 2.0)
    with session(cluster) as s:
        s.run(v.initializer)
        expect(s.run(y), [2.0, 2.0])
        cluster.kill("ps", 0)
        with expect_error((tf.errors.UnavailableError, tf.errors.AbortedError), "/job:ps/(replica:0/)?task:0"):
            s.run(y)
    cluster.pids.pop(("ps", 0))


@case(ps=1, worker=1)
def a_reference_variable_that_is_fetched_before_it_has_a_value(cluster):
    with tf.device(WORKER0):
        variable = tf.get_variable("never", [], initializer=tf.zeros_initializer(), use_resource=False)
    with session(cluster) as s:
        # The client looks up the node that the message names.
        with expect_error(tf.errors.FailedPreconditionError, "uninitialized value never"):
            s.run(variable)

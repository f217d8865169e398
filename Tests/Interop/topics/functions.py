"""Functions whose bodies use other tasks, are deeply nested, or are recursive; gradients through them."""
import sys

import tensorflow.compat.v1 as tf
from tensorflow.python.framework import function
from tensorflow.python.ops import functional_ops

from cases import PS, WORKER0, WORKER1, case, control_flow, expect, expect_error, on, session


def variable(value, device=PS):
    with tf.device(device):
        return tf.get_variable("w", initializer=tf.constant(value), use_resource=True)


def reads():
    w = variable([[1.0, 2.0], [3.0, 4.0]])
    return on(WORKER0, lambda: tf.function(lambda a: tf.matmul(a, w))(tf.ones([1, 2]))), [[[4.0, 6.0]]] * 3


def assigns():
    w = variable(1.0)

    @tf.function
    def f(a):
        return w.assign_add(a).read_value()
    return on(WORKER0, lambda: tf.identity(f(tf.constant(1.0)))), [2.0, 3.0, 4.0]


def runs_on_two_workers():
    @tf.function
    def f(a):
        b = on(WORKER0, lambda: a * 2)
        return on(WORKER1, lambda: b + 1)
    return on(WORKER0, lambda: f(tf.constant(1.0))), [3.0] * 3


def reads_where_the_variable_is():
    w = variable(3.0, WORKER1)
    return on(WORKER1, lambda: tf.function(lambda a: a * w)(tf.constant(2.0))), [6.0] * 3


def calls_another_that_touches_a_third_task():
    w = variable(3.0)

    @tf.function
    def inner(a):
        return on(WORKER1, lambda: a * 2.0) + w

    @tf.function
    def outer(a):
        return inner(a) * on(PS, lambda: tf.constant(10.0))
    return on(WORKER0, lambda: outer(tf.constant(1.0))), [50.0] * 3


def a_conditional_reads():
    w = variable(3.0)
    with control_flow(2), tf.device(WORKER0):
        return tf.cond(tf.random.uniform([]) < 2, lambda: w * 2, lambda: w * 3), [6.0] * 3


def a_conditional_with_branches_elsewhere():
    w = variable(3.0)
    with control_flow(2), tf.device(WORKER0):
        taken = tf.placeholder_with_default(False, [])
        return tf.cond(taken, lambda: on(WORKER1, lambda: w * 2), lambda: on(PS, lambda: w * 3)), [9.0] * 3


def a_loop_reads():
    w = variable(3.0)
    with control_flow(2), tf.device(WORKER0):
        return tf.while_loop(lambda i, x: i < 4, lambda i, x: (i + 1, x + w), [0, 0.0])[1], [12.0] * 3


def a_loop_assigns():
    w = variable(0.0)
    with control_flow(2), tf.device(WORKER0):
        def body(i):
            with tf.control_dependencies([w.assign_add(1.0)]):
                return i + 1
        with tf.control_dependencies([tf.while_loop(lambda i: i < 4, body, [0])]):
            return w.read_value(), [4.0, 8.0, 12.0]


def a_switch_of_three_branches():
    w = variable(3.0)
    with control_flow(2), tf.device(WORKER0):
        return tf.switch_case(tf.placeholder_with_default(1, []), [lambda: w + 1.0, lambda: on(WORKER1, lambda: w + 2.0),
                                                                   lambda: w + 3.0]), [5.0] * 3


def map_of_numbers():
    with control_flow(2), tf.device(WORKER1):
        return tf.reduce_sum(tf.map_fn(lambda x: x * 2, tf.range(5))), [20] * 3


def its_gradient_is_taken():
    w = variable([1.0, 1.0])

    @tf.function
    def f(x):
        return on(WORKER1, lambda: x * 2.0) * w
    y = on(WORKER0, lambda: f(tf.constant([1.0, 2.0])))
    return [y, tf.gradients(y, w)[0]], [[[2.0, 4.0], [2.0, 4.0]]] * 3


def its_symbolic_gradient_is_taken():
    @function.Defun(tf.float32)
    def f(x):
        return on(WORKER1, lambda: x * x) * 3.0
    x = tf.constant(2.0)
    y = on(WORKER0, lambda: f(x))
    return [y, tf.gradients(y, x)[0]], [[12.0, 12.0]] * 3


def its_stateful_op_runs_though_nobody_uses_it():
    w = variable(0.0)

    @tf.function
    def f(a):
        w.assign_add(1.0)
        return a
    with tf.device(WORKER0), tf.control_dependencies([f(tf.constant(1.0))]):
        return w.read_value(), [1.0, 2.0, 3.0]


FUNCTIONS = {make.__name__: dict(make=make) for make in (
    reads, assigns, runs_on_two_workers, reads_where_the_variable_is, calls_another_that_touches_a_third_task,
    a_conditional_reads, a_conditional_with_branches_elsewhere, a_loop_reads, a_loop_assigns, a_switch_of_three_branches,
    map_of_numbers, its_gradient_is_taken, its_symbolic_gradient_is_taken, its_stateful_op_runs_though_nobody_uses_it)}


@case(ps=1, worker=2, each=FUNCTIONS)
def a_function_on_a_worker(cluster, make, **config):
    fetch, values = make()
    config = config or dict(share_cluster_devices_in_session=True)  # TensorFlow's workers need it for some of these
    with session(cluster, isolate_session_state=True, **config) as s:
        s.run(tf.global_variables_initializer())
        for step, value in enumerate(values):
            expect(s.run(fetch), value, f"step {step}")


@case(ps=1, worker=2, weir_only=True, each=FUNCTIONS)
def a_function_on_a_worker_without_asking_for_shared_devices(cluster, make):
    a_function_on_a_worker(cluster, make, share_cluster_devices_in_session=False)


def deep_calls(*depths):
    return {f"{depth} on {device[5:]}": dict(depth=depth, device=device) for depth in depths for device in (WORKER0, PS)}


@case(ps=1, worker=2, weir_only=True, each=deep_calls(400))
def many_functions_call_each_other(cluster, depth, device):
    """TensorFlow's server takes longer than a minute for this graph."""
    functions_call_each_other(cluster, depth, device)


@case(ps=1, worker=2, each=deep_calls(10, 60))
def functions_call_each_other(cluster, depth, device):
    sys.setrecursionlimit(20_000)
    def adding_one_to(called):
        return lambda x: called(x) * 1.0 + 1.0
    called = tf.identity
    for level in range(depth):
        called = function.Defun(tf.float32, func_name=f"level{level}", noinline=True)(adding_one_to(called))
    with tf.device(device):
        y = called(tf.placeholder_with_default(tf.constant(0.0), []))
    with session(cluster, seconds=30) as s:
        expect([s.run(y) for _ in range(2)], [float(depth)] * 2)


def recursive_graph():
    """The sum of the numbers up to n, modulo 10007, by a recursive function."""
    with tf.Graph().as_default() as made:
        def defined(name, body):
            return function.Defun(tf.int32, func_name=name, noinline=True, out_names=["sum"])(body)
        stub = defined("Stub", lambda n: n + 0)
        base = defined("Base", lambda n: tf.constant(1))
        step = defined("Step", lambda n: (n + stub(n - 1)) % 10007)
        total = defined("Total", lambda n: functional_ops.If(n <= 1, [n], base, step)[0])
        with tf.device(WORKER0):
            total(tf.placeholder(tf.int32, [], name="n"))
        definition = made.as_graph_def()
    for each in definition.library.function:
        for node in each.node_def:
            node.op = "Total" if node.op == "Stub" else node.op
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    return graph, next(op.outputs[0] for op in graph.get_operations() if op.type == "Total")


@case(ps=1, worker=2, each={f"{depth} deep": dict(depth=depth) for depth in (1, 5, 100, 300)})
def a_function_calls_itself(cluster, depth):
    graph, total = recursive_graph()
    with session(cluster, graph=graph) as s:
        expect([s.run(total, {"n:0": depth}) for _ in range(2)], [depth * (depth + 1) // 2 % 10007] * 2)


@case(ps=1, worker=2, weir_only=True, seconds=120)
def a_function_that_calls_itself_too_deeply_is_refused(cluster):
    """TensorFlow's server crashes with a stack overflow somewhere above a thousand calls."""
    graph, total = recursive_graph()
    with session(cluster, graph=graph, seconds=60) as s:
        with expect_error(tf.errors.ResourceExhaustedError):
            s.run(total, {"n:0": 1_000_000})
        expect(s.run(total, {"n:0": 3}), 6, "afterwards")


@case(ps=1, worker=2, seconds=120, each={f"{depth}, control flow {version}": dict(depth=depth, version=version)
                                         for depth in (3, 8) for version in (1, 2)})
def loops_in_loops(cluster, depth, version):
    def level(depth, x):
        if depth == 0:
            return x + 1.0
        return tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, level(depth - 1, a)), [0, x])[1]
    with control_flow(version), tf.device(WORKER0):
        y = level(depth, tf.placeholder_with_default(tf.constant(0.0), []))
    with session(cluster, seconds=40) as s:
        expect(s.run(y), 2.0 ** depth)


@case(ps=1, worker=2)
def who_fetches_one_output_of_a_call_has_the_others_computed(cluster):
    w = variable(0.0)
    updated = w.assign_add(1.0).read_value()
    with tf.device(WORKER0):
        fetch = tf.function(lambda a: (a * 2.0, tf.fill([2], 3.0)))(updated)[1]
    with session(cluster) as s:
        s.run(w.initializer)
        for step in range(1, 4):
            expect(s.run(fetch), [3.0, 3.0], f"step {step}")
            expect(s.run(w.read_value()), float(step), f"updates after step {step}")


@case(worker=2, cpus=2, each={f"{'in a row' if in_a_row else 'beside each other'}, body on {body or 'no device'}":
                             dict(in_a_row=in_a_row, body=body)
                             for in_a_row in (True, False) for body in (None, "/job:worker/task:0/cpu:0", WORKER1)})
def two_calls_of_a_function_with_a_loop_are_two_loops(cluster, in_a_row, body):
    """Both loops have the same frame name, from the function's body, but must stay separate."""
    @function.Defun(tf.float32)
    def grow(x):
        with tf.device("/job:worker/task:0/cpu:0"):
            return tf.while_loop(lambda i, a, b: i < 4, lambda i, a, b: (i + 1, on(body, lambda: a * 2.0), b), [0, x, x])[1]
    x = tf.placeholder(tf.float32, [])
    with tf.device("/job:worker/task:0/cpu:1"):
        once = grow(x)
        twice = grow(once if in_a_row else x + 1.0)
        fetches = [once * 1.5, twice]
    with session(cluster, task=1) as s:
        for _ in range(3):
            expect(s.run(fetches, {x: 1.0}), [24.0, 256.0 if in_a_row else 32.0])

"""Loops with bodies on other devices and tasks, and their gradients, which use stacks."""
import numpy as np
import tensorflow.compat.v1 as tf

from cases import PS, WORKER0, WORKER1, case, control_flow, expect, on, session

# Devices of servers that are started with two CPUs, or two simulated GPUs.
CPUS = ["/job:worker/task:0/cpu:0", "/job:worker/task:0/cpu:1", "/job:worker/task:1/cpu:0", "/job:worker/task:1/cpu:1"]
GPUS = ["/job:worker/task:0/cpu:0", "/job:worker/task:0/gpu:0", "/job:worker/task:0/gpu:1", "/job:worker/task:1/cpu:0",
        "/job:worker/task:1/gpu:0"]


def loops_over(devices):
    return {f"{outer[12:]} with a body on {inner[12:]}": dict(outer=outer, inner=inner)
            for outer in devices for inner in devices}


def one_body_elsewhere(cluster, outer, inner, version):
    with control_flow(version):
        for loops in (1, 2):
            tf.reset_default_graph()
            x = tf.placeholder(tf.float32, [2])

            def body(i, v):
                return i + 1, on(inner, lambda: v * 0.5 + 1.0)
            t, wanted = on(outer, lambda: x + 0.0), np.array([1.0, 2.0])
            for _ in range(loops):
                with tf.device(outer):
                    t = tf.while_loop(lambda i, v: i < 3, body, [tf.constant(0), t])[1]
                for _ in range(3):
                    wanted = wanted * 0.5 + 1.0
            with tf.device(outer):
                y = t * 1.0
            with session(cluster, allow_soft_placement=True) as s:
                for _ in range(2):
                    expect(s.run(y, {x: [1.0, 2.0]}), wanted, f"{loops} loops")


@case(worker=2, cpus=2, each=loops_over(CPUS))
def a_body_on_another_cpu(cluster, outer, inner):
    one_body_elsewhere(cluster, outer, inner, 1)


@case(worker=2, cpus=2, each=loops_over(CPUS[:3]))
def a_body_on_another_cpu_as_functions(cluster, outer, inner):
    one_body_elsewhere(cluster, outer, inner, 2)


@case(worker=2, gpus=2, each=loops_over(GPUS))
def a_body_on_another_gpu(cluster, outer, inner):
    one_body_elsewhere(cluster, outer, inner, 1)


@case(worker=2, cpus=2)
def values_come_from_and_go_to_a_third_device(cluster):
    x = tf.placeholder(tf.float32, [2])
    a = on(CPUS[1], lambda: x + 0.0)
    with tf.device(CPUS[0]):
        t = tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, on(CPUS[2], lambda: v * 0.5 + 1.0)), [0, a])[1]
    y = on(CPUS[3], lambda: t * 1.0)
    with session(cluster) as s:
        expect(s.run(y, {x: [1.0, 2.0]}), [1.875, 2.0])


STACKS = {"on two tasks": (WORKER0, WORKER1), "on two tasks, swapped": (WORKER1, WORKER0), "on two cpus": (CPUS[0], CPUS[1]),
          "on another task than the master's": (WORKER1, WORKER1), "here": (WORKER0, WORKER0)}


@case(worker=2, cpus=2, each={f"{where}, control flow {version}": dict(places=places, version=version)
                              for where, places in STACKS.items() for version in (1, 2)})
def a_gradient_takes_the_bodys_values_from_stacks(cluster, places, version):
    loop_device, body_device = places
    x = tf.placeholder(tf.float32, [])
    with control_flow(version):
        with tf.device(loop_device):
            y = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, on(body_device, lambda: a * a)), [0, x])[1]
        gradient = tf.gradients(y, x)[0]
    with session(cluster) as s:
        for value in (1.1, 0.9, 1.1):
            expect(s.run([y, gradient], {x: value}), [value ** 8, 8 * value ** 7], f"x = {value}", tolerance=1e-4)


@case(ps=1, worker=2, seconds=150, each={f"{rounds} rounds, control flow {version}, {parallel} at a time":
                                         dict(rounds=rounds, version=version, parallel=parallel)
                                         for rounds in (20, 300) for version in (1, 2) for parallel in (1, 10)})
def a_loop_over_three_tasks_and_its_gradient(cluster, rounds, version, parallel):
    with tf.device(PS):
        x = tf.get_variable("x", [2], initializer=tf.ones_initializer())

    def body(i, a):
        b = on(WORKER0, lambda: a * x)
        return i + 1, on(WORKER1, lambda: b * 1.01)
    with control_flow(version):
        with tf.device(WORKER0):
            y = tf.while_loop(lambda i, a: i < rounds, body, [0, tf.ones([2])], parallel_iterations=parallel)[1]
        gradient = tf.gradients(y, x)[0]
    with session(cluster, seconds=40) as s:
        s.run(tf.global_variables_initializer())
        for _ in range(2):
            expect(s.run([y, gradient]), [[1.01 ** rounds] * 2, [rounds * 1.01 ** rounds] * 2], tolerance=2e-3)


@case(ps=1, worker=2, each={"control flow 1": dict(version=1), "control flow 2": dict(version=2)})
def a_conditional_in_a_loop_in_a_loop_and_its_gradient(cluster, version):
    def outer(i, a):
        def inner(j, b):
            with tf.device(WORKER1):
                return j + 1, tf.cond(b[0] > 50.0, lambda: b * 0.5, lambda: b * 1.5)
        with tf.device(WORKER0):
            return i + 1, tf.while_loop(lambda j, b: j < i, inner, [0, a])[1]
    with control_flow(version):
        x = tf.placeholder(tf.float32, [2])
        y = tf.while_loop(lambda i, a: i < 6, outer, [0, x])[1]
        gradient = tf.gradients(y, x)[0]
    # Fifteen inner iterations: ten to get from 1 to above 50, then down and up.
    factor, value = 1.0, 1.0
    for _ in range(15):
        times = 0.5 if value > 50 else 1.5
        factor, value = factor * times, value * times
    with session(cluster) as s:
        for _ in range(2):
            expect(s.run([y, gradient], {x: [1.0, 30.0]}), [[factor, 30 * factor], [factor, factor]], tolerance=1e-4)


@case(ps=1, worker=2, each={"control flow 1": dict(version=1), "control flow 2": dict(version=2)})
def a_recurrent_network_trained_outside_its_device_scope(cluster, version):
    inputs = np.random.RandomState(2).randn(3, 5, 4).astype(np.float32)

    def build(distributed):
        tf.reset_default_graph()
        with control_flow(version):
            with tf.device(PS if distributed else None):
                w = tf.get_variable("w", initializer=np.full([6, 2], 0.3, np.float32), use_resource=False)
            with tf.device(WORKER1 if distributed else None):
                x = tf.placeholder(tf.float32, [3, 5, 4])
                sequence = tf.TensorArray(tf.float32, 5).unstack(tf.transpose(x, [1, 0, 2]))
                state = tf.while_loop(lambda t, h: t < 5,
                                      lambda t, h: (t + 1, tf.tanh(tf.matmul(tf.concat([sequence.read(t), h], 1), w))),
                                      [0, tf.zeros([3, 2])])[1]
                loss = tf.reduce_sum(tf.square(state - 0.1))
            train = tf.train.GradientDescentOptimizer(0.05).minimize(loss)
        return x, w, loss, train

    def losses(s, x, w, loss, train):
        s.run(w.initializer)
        found = []
        for _ in range(5):
            found.append(s.run(loss, {x: inputs}))
            s.run(train, {x: inputs})
        return found
    graph = build(False)
    with tf.Session() as local:
        wanted = losses(local, *graph)
    graph = build(True)
    with session(cluster) as s:
        expect(losses(s, *graph), wanted, "losses", tolerance=1e-4)


@case(ps=1, worker=2, each={f"control flow {version}, {'inside' if device else 'outside'} a device scope":
                            dict(version=version, device=device) for version in (1, 2) for device in (None, PS)})
def a_conditional_with_branches_on_both_workers_and_its_gradient(cluster, version, device):
    with control_flow(version):
        predicate = tf.placeholder(tf.bool, [])
        with tf.device(PS):
            x = tf.get_variable("x", [2], initializer=tf.ones_initializer())
        with tf.device(device):
            y = tf.cond(predicate, lambda: on(WORKER0, lambda: x * 2.0), lambda: on(WORKER1, lambda: x * 3.0))
        gradient = tf.gradients(y, x)[0]
    with session(cluster) as s:
        s.run(x.initializer)
        for value, factor in ((True, 2.0), (False, 3.0)) * 2:
            expect(s.run([y, gradient], {predicate: value}), [[factor] * 2] * 2, f"predicate {value}")


@case(ps=1, worker=2, each={"control flow 1": dict(version=1), "control flow 2": dict(version=2)})
def what_a_branch_depends_on_outside_runs_whichever_is_taken(cluster, version):
    with control_flow(version):
        count = on(PS, lambda: tf.get_variable("count", [], tf.int32, initializer=tf.zeros_initializer()))
        increment = count.assign_add(1)

        def branch():
            with tf.control_dependencies([increment]):
                return tf.identity(count)
        y = tf.cond(tf.constant(False), branch, lambda: tf.identity(count))
    with session(cluster) as s:
        s.run(count.initializer)
        s.run(y)
        expect(s.run(count), 1)

"""Several steps of one session that send a tensor to different tasks or devices."""
import threading

import numpy as np
import tensorflow.compat.v1 as tf

from cases import PS, WORKER0, WORKER1, case, expect, on, session

DEVICES = {"0": WORKER0, "1": WORKER1, "p": PS}


@case(ps=1, worker=2, each={steps: dict(steps=steps.split()) for steps in
                            ("1 p", "p 1", "1 1 p 1", "1 0", "0 1", "0 p", "p 0 p", "1p p", "p 1p", "01p 1 0p p 01")})
def a_fed_value_goes_to_these_tasks(cluster, steps):
    for device_of_feed in ("", WORKER1):
        tf.reset_default_graph()
        x = on(device_of_feed, lambda: tf.placeholder(tf.float32, []))
        fetches = {step: [on(DEVICES[letter], lambda: tf.identity(x)) for letter in step] for step in set(steps)}
        with session(cluster) as s:
            for number, step in enumerate(steps):
                expect(s.run(fetches[step], {x: number + 0.5}), [number + 0.5] * len(step), f"step {number}, to {step}")


@case(ps=1, worker=2)
def another_feed_goes_to_another_task(cluster):
    x, y = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    a = on(WORKER1, lambda: tf.identity(x))
    b = on(PS, lambda: tf.identity(y))
    c = on(PS, lambda: tf.identity(tf.constant(3.0)))
    with session(cluster) as s:
        expect(s.run(a, {x: 3.0}), 3.0, "first feed")
        expect(s.run(b, {y: 4.0}), 4.0, "second feed")
        expect(s.run(c), 3.0, "no feed")
        expect(s.run([c, a], {x: 5.0}), [3.0, 5.0], "a step like neither")


SPREAD = {
    "split": dict(make=lambda x: tf.split(x * 7, 2), numbers=[0, 6, 18, 6, 10, 8], values=[[0, 42, 126], [42, 70, 56]]),
    "dynamic_partition": dict(make=lambda x: tf.dynamic_partition(x, tf.floormod(x, 3), 3), numbers=[0, 6, 9, 3, 4],
                              values=[[0, 6, 9, 3], [4]]),
    "one output": dict(make=lambda x: [x + 1] * 2, numbers=[0, 3, 9], values=[[1, 4, 10]] * 2),
}


@case(ps=2, worker=1, each=SPREAD)
def outputs_of_one_op_go_to_two_tasks(cluster, make, numbers, values):
    with tf.device(WORKER0):
        made = make(tf.placeholder_with_default(tf.constant(numbers), [len(numbers)]))
    there = [on(f"/job:ps/task:{task}", lambda: tf.identity(made[task])) for task in range(2)]
    with session(cluster) as s:
        for task in (0, 1, 0):
            expect(s.run(there[task]), values[task], f"to ps {task}")
        expect(s.run(there), values, "to both")


@case(ps=1, worker=["weir", "tensorflow"])
def a_worker_of_tensorflow_sends_to_other_tasks_than_before(cluster):
    """It caches its send ops by name for the whole session, so a master must not reuse a name for another send."""
    x = tf.placeholder(tf.float32, [])
    with tf.device(WORKER1):
        a, b = x + 1.0, x * 2.0
    fetches = {"0": on(WORKER0, lambda: a * b), "p": on(PS, lambda: a - b), "p again": on(PS, lambda: b + 0.5)}
    with session(cluster) as s:
        for step, (where, value) in enumerate((("0", 24.0), ("p", -2.0), ("p again", 6.5), ("0", 24.0), ("p", -2.0))):
            expect(s.run(fetches[where], {x: 3.0}), value, f"step {step}, to {where}")


@case(localhost=1, gpus=2)
def two_gpus_of_one_task_read_the_same_value(cluster):
    with tf.device("/cpu:0"):
        v = tf.get_variable("v", initializer=tf.constant(3.0), use_resource=True)
        read = tf.identity(v)
    a, b = on("/gpu:0", lambda: tf.square(read)), on("/gpu:1", lambda: tf.square(read) + 1.0)
    with session(cluster, "localhost") as s:
        s.run(v.initializer)
        for fetch, value in ((a, 9.0), (b, 10.0), (a, 9.0), ([b, a], [10.0, 9.0])):
            expect(s.run(fetch), value)


@case(worker=1, cpus=2)
def two_devices_of_one_task_read_the_same_value(cluster):
    with tf.device("/cpu:0"):
        v = tf.get_variable("v", initializer=tf.constant(3.0), use_resource=True)
        read = tf.identity(v) + 0.5
    a, b = on("/cpu:1", lambda: tf.square(read)), on("/cpu:0", lambda: read + 1.0)
    with session(cluster) as s:
        s.run(v.initializer)
        for fetch, value in ((a, 12.25), (b, 4.5), (a, 12.25), ([b, a], [4.5, 12.25])):
            expect(s.run(fetch), value)


@case(ps=1, worker=2)
def a_variable_is_read_by_one_worker_then_by_the_other(cluster):
    with tf.device(PS):
        v = tf.get_variable("v", [], initializer=tf.ones_initializer(), use_resource=False)
        k = tf.placeholder_with_default(tf.constant(5.0), [])
    v0, k0 = on(WORKER0, lambda: (v + 1, k + 1))
    v1, k1 = on(WORKER1, lambda: (v + 2, k + 2))
    for first, second, values in ((v0, v1, [2.0, 3.0]), (v1, v0, [3.0, 2.0]), (k0, k1, [6.0, 7.0])):
        with session(cluster) as s:
            s.run(v.initializer)
            expect([s.run(first), s.run(second), s.run(first)], [*values, values[0]])
    with session(cluster) as s, session(cluster) as other:
        expect([s.run(v0), other.run(v1)], [2.0, 3.0], "two sessions")


@case(ps=1, worker=2, each={"reference variable": dict(resource=False), "resource variable": dict(resource=True)})
def workers_train_in_turn_through_one_session(cluster, resource):
    with tf.device(PS):
        w = tf.get_variable("w", [2], initializer=tf.zeros_initializer(), use_resource=resource)
    trains, losses = [], []
    for task in range(2):
        with tf.device(f"/job:worker/task:{task}"):
            losses.append(tf.reduce_sum(tf.square(w - [1.0, 3.0])))
            trains.append(tf.train.GradientDescentOptimizer(0.1).minimize(losses[-1]))
    with session(cluster) as s:
        s.run(w.initializer)
        wanted = np.zeros(2)
        for step, task in enumerate((0, 1, 0, 1, 1, 0)):
            s.run(trains[task])
            wanted = wanted - 0.2 * (wanted - [1, 3])
            expect(s.run(losses[1 - task]), float(np.sum((wanted - [1, 3]) ** 2)), f"loss after step {step}")
        errors = []

        def train(task):
            try:
                for _ in range(20):
                    s.run(trains[task])
            except tf.errors.OpError as error:
                errors.append(error)
        threads = [threading.Thread(target=train, args=(task,)) for task in range(2)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        expect(len(errors), 0, "errors of two threads")
        expect(s.run(w), [1.0, 3.0], "after 46 steps", tolerance=1e-2)


@case(ps=3, worker=2)
def partitioned_variables_and_embeddings_over_three_servers(cluster):
    devices = tf.train.replica_device_setter(ps_tasks=3, worker_device=WORKER0)
    with tf.device(devices):
        table = tf.get_variable("table", [6, 2], partitioner=tf.fixed_size_partitioner(3), use_resource=False)
        init = tf.group(*[part.assign(np.arange(4, dtype=np.float32).reshape(2, 2) + 4 * number)
                          for number, part in enumerate(table)])
        ids = tf.placeholder(tf.int32, [None])
        rows = tf.nn.embedding_lookup(table, ids, partition_strategy="div")
        whole = tf.identity(table) * 2.0
        train = tf.train.GradientDescentOptimizer(1.0).minimize(tf.reduce_sum(rows))
    with session(cluster) as s:
        s.run(init)
        expect(s.run(rows, {ids: [0, 5, 2]}), [[0.0, 1.0], [10.0, 11.0], [4.0, 5.0]], "rows")
        expect(s.run(rows, {ids: [1]}), [[2.0, 3.0]], "one row")
        expect(s.run(whole)[5], [20.0, 22.0], "the whole table")
        s.run(train, {ids: [5, 5, 0]})
        s.run(train, {ids: [3]})
        expect(s.run(rows, {ids: [5, 0, 3, 1]}), [[8.0, 9.0], [-1.0, 0.0], [5.0, 6.0], [2.0, 3.0]], "after training")


@case(ps=1, worker=1)
def a_thousand_control_edges_to_one_task(cluster):
    with tf.device(WORKER0):
        x = tf.placeholder(tf.float32, [])
        many = [tf.negative(x + float(number)) for number in range(1000)]
    with tf.device(PS), tf.control_dependencies(many):
        y = tf.constant(7.0)
    with session(cluster, seconds=30) as s:
        for _ in range(3):
            expect(s.run(y, {x: 1.0}), 7.0)

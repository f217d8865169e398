"""Reference variables: a read shares the variable's memory, so its use shows an update that came between them."""
import threading

import tensorflow.compat.v1 as tf

from cases import PS, WORKER0, case, expect, on, session

PLACES = {"on a parameter server": dict(device=PS), "on the master's task": dict(device=WORKER0)}


@case(ps=1, worker=1, each=PLACES)
def a_read_before_an_update_shows_it_when_used_after(cluster, device):
    with tf.device(device):
        v = tf.get_variable("v", [], tf.int64, initializer=tf.zeros_initializer(), use_resource=False)
        read = tf.identity(v._ref())
        with tf.control_dependencies([read]):
            update = tf.assign_add(v, 1)
        with tf.control_dependencies([update]):
            used, again = tf.fill([2], read), tf.identity(v._ref())
    with session(cluster) as s:
        s.run(v.initializer)
        for step in range(1, 5):
            expect(s.run(used), [step, step], f"used after update {step}")
        expect(s.run([used, again]), [[5, 5], 5], "used, and read again")


@case(ps=1, worker=1, each=PLACES)
def the_variables_own_read_shows_the_update(cluster, device):
    with tf.device(device):
        v = tf.get_variable("v", [], tf.int64, initializer=tf.zeros_initializer(), use_resource=False)
        with tf.control_dependencies([v.value()]):
            update = tf.assign_add(v, 1)
        with tf.control_dependencies([update]):
            used = tf.fill([2], v)
    with session(cluster) as s:
        s.run(v.initializer)
        expect([s.run(used) for _ in range(3)], [[step, step] for step in (1, 2, 3)])


def add(v, one):
    return v.assign_add(one)


UPDATES = {
    "assign_add to a scalar": dict(dtype=tf.int64, shape=[], update=add, total=1),
    "assign_add to a vector": dict(dtype=tf.float32, shape=[3], update=add, total=3.0),
    "assign_add to a large vector": dict(dtype=tf.float32, shape=[100_000], update=add, total=100_000.0),
    "assign": dict(dtype=tf.float32, shape=[3], update=lambda v, one: v.assign(one), total=3.0),
    "scatter_add": dict(dtype=tf.float32, shape=[4, 2], update=lambda v, one: tf.scatter_add(v, [0], one[:1]), total=2.0),
    "gradient descent": dict(dtype=tf.float32, shape=[3], total=3.0, update=lambda v, one:
                             tf.train.GradientDescentOptimizer(-1.0).apply_gradients([(one, v)])),
}


@case(ps=1, worker=1, each=UPDATES)
def an_update_that_waits_is_seen_through_an_early_read(cluster, dtype, shape, update, total):
    with tf.device(PS):
        v = tf.get_variable("v", shape, dtype, initializer=tf.zeros_initializer(), use_resource=False)
        early = v * 1  # the read is next to the variable and does not wait for anything
        gate = tf.FIFOQueue(1, tf.int32, shapes=[[]], shared_name="gate")
        with tf.control_dependencies([v.value(), gate.dequeue()]):
            updated = update(v, tf.ones(shape, dtype))
        with tf.control_dependencies([updated]):
            late = tf.reduce_sum(v * 1)
    with session(cluster) as s:
        s.run(v.initializer)
        s.run(early)
        found = []
        waiting = threading.Thread(target=lambda: found.append(s.run(late)))
        waiting.start()
        s.run(gate.enqueue(1))
        waiting.join()
        expect(found, [total])


@case(ps=1, worker=1, each={"reference variable": dict(resource=False), "resource variable": dict(resource=True)})
def tokens_carry_the_step_after_the_update(cluster, resource):
    with tf.device(PS):
        step = tf.get_variable("step", [], tf.int64, initializer=tf.zeros_initializer(), use_resource=resource)
        gradients = tf.FIFOQueue(9, [tf.float32], shared_name="gradients")
        come = gradients.enqueue(1.0)
        with tf.control_dependencies([gradients.dequeue()]):
            update = tf.assign_add(step, 1)
        with tf.control_dependencies([update]):
            token = tf.fill([1], step.read_value() if resource else step)
    with session(cluster) as s:
        s.run(step.initializer)
        tokens = []
        for _ in range(4):
            waiting = threading.Thread(target=lambda: tokens.append(s.run(token)))
            waiting.start()
            s.run(come)
            waiting.join()
        expect(tokens, [[1], [2], [3], [4]])


@case(ps=1, worker=2)
def a_value_sent_to_another_task_does_not_change_there(cluster):
    with tf.device(PS):
        v = tf.get_variable("v", [3], initializer=tf.zeros_initializer(), use_resource=False)
    here = on(WORKER0, lambda: tf.identity(v) * 1.0)
    with tf.control_dependencies([here]):
        update = v.assign_add(tf.ones([3]))
    with tf.device(WORKER0), tf.control_dependencies([update]):
        used = here + 0.0
    with session(cluster) as s:
        s.run(v.initializer)
        expect([s.run(used) for _ in range(3)], [[step] * 3 for step in (0.0, 1.0, 2.0)])

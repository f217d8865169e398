"""Servers that are asked to stop while a peer does not respond."""
import signal, threading

import tensorflow.compat.v1 as tf

from cases import PS, WORKER0, case, expect, session

# The limit in the server's help, plus a margin for a busy machine.
SECONDS = 12


@case(ps=1, worker=1, weir_only=True, each={
    "an idle session": dict(steps=False), "a step that waits": dict(steps=True)})
def stops_though_a_peer_is_stopped(cluster, steps):
    with tf.device(PS):
        there = tf.random_uniform([2])
    with tf.device(WORKER0):
        here = there + 1
    # Longer than the server takes to stop; closing a session whose server is gone takes as long.
    s = session(cluster, seconds=15)
    s.run(here)
    cluster.kill("ps", 0, signal.SIGSTOP)
    ended = []

    def step():
        try:
            s.run(here)
        except tf.errors.OpError as error:
            ended.append(type(error).__name__)

    running = threading.Thread(target=step, daemon=True)
    if steps:
        running.start()
        running.join(1)
        expect(running.is_alive(), True, "whether the step waits")
    expect(cluster.terminate("worker", 0, SECONDS), 0, "exit status")
    if steps:
        running.join(5)
        expect(len(ended), 1, "errors of the step")
    cluster.kill("ps", 0, signal.SIGCONT)


@case(ps=1, worker=1, weir_only=True)
def a_session_that_cannot_begin_says_who_has_not_answered(cluster):
    cluster.kill("ps", 0, signal.SIGSTOP)
    try:
        session(cluster, seconds=4).run(tf.constant(1))
        found = "no error"
    except tf.errors.OpError as error:
        found = error.message
    cluster.kill("ps", 0, signal.SIGCONT)
    expect("/job:ps/replica:0/task:0" in found and "has not answered" in found, True, found)

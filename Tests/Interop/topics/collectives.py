"""Collective ops over three workers: by one client whose graph has all members, and by three clients with a master each."""
import threading, time

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.python.ops import collective_ops

from cases import case, expect, expect_error, on, session

MEMBERS = 3


def worker(task):
    return f"/job:worker/task:{task}"


def all_reduce(version, tensor, instance, group=1, size=MEMBERS, merge="Add", final="Id"):
    if version == 1:
        return collective_ops.all_reduce(tensor, size, group, instance, merge, final)
    return collective_ops.all_reduce_v2(tensor, tf.constant(size), tf.constant(group), tf.constant(instance), merge, final)


def all_gather(version, tensor, instance, group=1, size=MEMBERS):
    if version == 1:
        return collective_ops.all_gather(tensor, size, group, instance)
    return collective_ops.all_gather_v2(tensor, tf.constant(size), tf.constant(group), tf.constant(instance))


def broadcast(version, tensor, is_source, instance, group=1, size=MEMBERS):
    """The member's tensor gives the source's value, or the shape and the type of a receiver's."""
    shape, dtype = tensor.shape, tensor.dtype
    if version == 1:
        if is_source:
            return collective_ops.broadcast_send(tensor, shape, dtype, size, group, instance)
        return collective_ops.broadcast_recv(shape, dtype, size, group, instance)
    size, group, instance = tf.constant(size), tf.constant(group), tf.constant(instance)
    if is_source:
        return collective_ops.broadcast_send_v2(tensor, size, group, instance)
    return collective_ops.broadcast_recv_v2(tf.constant(shape.as_list()), dtype, size, group, instance)


def members_of_one_graph(make, shape, dtype=tf.float32):
    """Each worker's placeholder and what `make(tensor, task)` makes of it there."""
    inputs = [tf.placeholder(dtype, shape) for _ in range(MEMBERS)]
    return inputs, [on(worker(task), lambda: make(inputs[task], task)) for task in range(MEMBERS)]


def numbers(task, step, shape, dtype=np.float32):
    return np.random.RandomState(100 * step + task).uniform(-4, 4, shape).astype(dtype)


def all_at_once(*functions):
    """Calls the functions in threads and returns their results."""
    results, errors = [None] * len(functions), []

    def call(index, function):
        try:
            results[index] = function()
        except Exception as error:
            errors.append(error)
    threads = [threading.Thread(target=call, args=each) for each in enumerate(functions)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if errors:
        raise errors[0]
    return results


KINDS = {f"{merge} {final} version {version}": dict(version=version, merge=merge, final=final)
         for version in (1, 2) for merge, final in (("Add", "Id"), ("Add", "Div"), ("Max", "Id"), ("Min", "Id"), ("Mul", "Id"))}
NUMPY = {"Add": np.add, "Max": np.maximum, "Min": np.minimum, "Mul": np.multiply}


@case(worker=MEMBERS, each=KINDS)
def one_client_reduces(cluster, version, merge, final):
    inputs, results = members_of_one_graph(lambda x, task: all_reduce(version, x, 1, merge=merge, final=final), [3, 2])
    with session(cluster) as s:
        for step in range(5):
            values = [numbers(task, step, [3, 2]) for task in range(MEMBERS)]
            wanted = NUMPY[merge].reduce(values) / (MEMBERS if final == "Div" else 1)
            expect(s.run(results, dict(zip(inputs, values))), [wanted.tolist()] * MEMBERS, f"step {step}")


def reduce_large(cluster):
    size = 300_001
    inputs, results = members_of_one_graph(lambda x, task: all_reduce(1, x, 1), [size])
    with session(cluster) as s:
        for step in range(3):
            values = [numbers(task, step, [size]) for task in range(MEMBERS)]
            found = s.run(results, dict(zip(inputs, values)))
            expect(bool(np.allclose(found[0], sum(values), rtol=1e-5, atol=1e-5)), True, f"the sum of step {step}")
            expect([bool((found[0] == other).all()) for other in found[1:]], [True] * 2, f"the same bits in step {step}")


@case(worker=MEMBERS)
def one_client_reduces_a_large_tensor(cluster):
    reduce_large(cluster)


@case(worker=MEMBERS, weir_only=True, arguments=["--protocol", "grpc"])
def one_client_reduces_a_large_tensor_over_grpc(cluster):
    reduce_large(cluster)


@case(worker=MEMBERS, each={f"version {version}": dict(version=version) for version in (1, 2)})
def one_client_gathers_and_broadcasts(cluster, version):
    def make(x, task):
        return all_gather(version, x, 2), broadcast(version, x, task == 1, 3)
    inputs, results = members_of_one_graph(make, [2, 3])
    with session(cluster) as s:
        for step in range(3):
            values = [numbers(task, step, [2, 3]) for task in range(MEMBERS)]
            for gathered, received in s.run(results, dict(zip(inputs, values))):
                expect(gathered, np.concatenate(values).tolist(), f"gathered in step {step}")
                expect(received, values[1].tolist(), f"received in step {step}")


@case(worker=MEMBERS, each={name: dict(dtype=getattr(tf, name), numpy=np.dtype(name)) for name in ("float64", "int32", "int64", "float16")})
def one_client_reduces_other_types(cluster, dtype, numpy):
    inputs, results = members_of_one_graph(lambda x, task: all_reduce(1, x, 1), [7], dtype)
    values = [np.arange(7).astype(numpy) * (task + 1) for task in range(MEMBERS)]
    with session(cluster) as s:
        expect(s.run(results, dict(zip(inputs, values))), [(np.arange(7) * 6).astype(numpy).tolist()] * MEMBERS)


class Client:
    """A client of one worker, with a graph of its own that has this worker's member of each operation."""

    def __init__(self, cluster, task, version=1):
        with tf.Graph().as_default() as graph, tf.device(worker(task)):
            self.x = tf.placeholder(tf.float32, [4])
            self.results = (all_reduce(version, self.x, 1), all_gather(version, self.x, 2), broadcast(version, self.x, task == 2, 3))
        self.session = session(cluster, task=task, graph=graph)

    def run(self, value, index=None, **options):
        fetched = self.results if index is None else self.results[index]
        return self.session.run(fetched, {self.x: value}, **options)


def check_clients(clients, steps):
    for step in range(steps):
        values = [numbers(task, step, [4]) for task in range(MEMBERS)]
        found = all_at_once(*[lambda client=client, value=value: client.run(value) for client, value in zip(clients, values)])
        for task, (reduced, gathered, received) in enumerate(found):
            expect(reduced, sum(values).tolist(), f"worker {task}'s sum in step {step}")
            expect(gathered, np.concatenate(values).tolist(), f"gathered by worker {task} in step {step}")
            expect(received, values[2].tolist(), f"received by worker {task} in step {step}")


@case(worker=MEMBERS, each={f"version {version}": dict(version=version) for version in (1, 2)})
def three_clients_use_three_masters(cluster, version):
    check_clients([Client(cluster, task, version) for task in range(MEMBERS)], steps=10)


@case(worker=MEMBERS, weir_only=True, arguments=["--protocol", "grpc"])
def three_clients_use_three_masters_over_grpc(cluster):
    check_clients([Client(cluster, task) for task in range(MEMBERS)], steps=10)


@case(worker=MEMBERS, weir_only=True)
def a_client_that_gives_up_does_not_stop_the_others_for_ever(cluster):
    """One client does not run its member: the others' steps end at their deadlines, and the next steps of all three work."""
    clients = [Client(cluster, task) for task in range(MEMBERS)]
    check_clients(clients, steps=1)
    options = tf.RunOptions(timeout_in_ms=1500)

    def fails(client):
        with expect_error((tf.errors.DeadlineExceededError, tf.errors.AbortedError, tf.errors.CancelledError), what="a step of two members"):
            client.run(np.zeros(4), 0, options=options)
    all_at_once(*[lambda client=client: fails(client) for client in clients[:2]])
    check_clients(clients, steps=2)


@case(worker=MEMBERS, weir_only=True)
def a_worker_that_is_killed_ends_the_steps_of_the_others(cluster):
    clients = [Client(cluster, task) for task in range(MEMBERS)]
    check_clients(clients, steps=1)

    def fails(client):
        with expect_error((tf.errors.UnavailableError, tf.errors.AbortedError), what="a step without the third worker"):
            client.run(np.zeros(4), 0)

    def kill():
        time.sleep(0.5)  # The steps of the others wait for this worker by then.
        cluster.kill("worker", 2)
    all_at_once(*[lambda client=client: fails(client) for client in clients[:2]], kill)
    del cluster.pids["worker", 2]


@case(worker=MEMBERS)
def members_of_different_sizes_get_an_error(cluster):
    inputs, results = members_of_one_graph(lambda x, task: all_reduce(1, x, 1), [None])
    with session(cluster) as s:
        with expect_error((tf.errors.InvalidArgumentError, tf.errors.InternalError), what="tensors of different sizes"):
            s.run(results, dict(zip(inputs, [np.zeros(2), np.zeros(3), np.zeros(3)])))

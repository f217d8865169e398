"""Programs with one client for each worker, as a user of TensorFlow writes them, side by side on both kinds of servers: what
they compute on Weir's servers is what they compute on TensorFlow's."""
import csv, threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf

import servers
from cases import case, expect, plain

IRIS = Path(__file__).resolve().parents[3] / "Sources/WeirTrain/Resources/iris.csv"
SPECIES = {"setosa": 0, "versicolor": 1, "virginica": 2}
BATCH = 16
ROUNDS = 6
CONFIG = tf.ConfigProto(operation_timeout_in_ms=30_000)
# Kernels differ by some units in the last place of a float32, 6e-8. In a few steps that does not grow much.
TOLERANCE = 1e-5


def iris():
    """Measurements in cm, of shape [150, 4], and species, in a fixed random order."""
    with open(IRIS, newline="") as file:
        rows = list(csv.reader(file))[1:]
    order = np.random.RandomState(7).permutation(len(rows))
    values = np.array([row[:4] for row in rows], np.float32)[order]
    return values, np.array([SPECIES[row[4]] for row in rows], np.int32)[order]


def dense(values, partitioner, resource):
    """The logits of a network of dense layers."""
    with tf.variable_scope("dense", partitioner=partitioner, use_resource=resource):
        initial = tf.glorot_uniform_initializer(seed=3)
        w1 = tf.get_variable("w1", [4, 12], initializer=initial)
        b1 = tf.get_variable("b1", [12], initializer=tf.zeros_initializer())
        w2 = tf.get_variable("w2", [12, 3], initializer=initial)
        b2 = tf.get_variable("b2", [3], initializer=tf.zeros_initializer())
    hidden = tf.tanh(tf.matmul(values - [5.8, 3.1, 3.8, 1.2], tf.convert_to_tensor(w1)) + tf.convert_to_tensor(b1))
    return tf.matmul(hidden, tf.convert_to_tensor(w2)) + tf.convert_to_tensor(b2)


def embedding(values, partitioner, resource):
    """The logits from a vector for each length in mm. Its gradient has some rows only, and some of them twice."""
    with tf.variable_scope("embedding", use_resource=resource):
        table = tf.get_variable("table", [80, 3], initializer=tf.random_uniform_initializer(-1, 1, seed=5),
                                partitioner=partitioner)
        bias = tf.get_variable("bias", [3], initializer=tf.zeros_initializer())
    rows = tf.nn.embedding_lookup(table, tf.cast(tf.round(values * 10), tf.int32))
    return tf.reduce_sum(rows * [[[1.0], [0.5], [-1.0], [2.0]]], axis=1) + bias


SGD = lambda: tf.train.GradientDescentOptimizer(0.1)
MOMENTUM = lambda: tf.train.MomentumOptimizer(0.05, 0.9)
ADAM = lambda: tf.train.AdamOptimizer(0.02)
ADAGRAD = lambda: tf.train.AdagradOptimizer(0.1)


class Client:
    """A worker's own graph: variables on the parameter servers, computation on the worker."""

    def __init__(self, cluster, task, optimizer, model=dense, partitioner=None, resource=False, aggregate=None):
        self.task, self.workers, self.is_chief = task, len(cluster.addresses["worker"]), task == 0
        self.target, self.hooks, self.graph = cluster.target("worker", task), [], tf.Graph()
        devices = tf.train.replica_device_setter(worker_device=f"/job:worker/task:{task}",
                                                 cluster=tf.train.ClusterSpec(cluster.addresses))
        with self.graph.as_default(), tf.device(devices):
            tf.set_random_seed(1)
            self.step = tf.train.get_or_create_global_step()
            self.values, self.labels = tf.placeholder(tf.float32, [None, 4]), tf.placeholder(tf.int32, [None])
            logits = model(self.values, partitioner, resource)
            self.loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=self.labels, logits=logits))
            hit = tf.equal(tf.argmax(logits, 1, output_type=tf.int32), self.labels)
            self.accuracy = tf.reduce_mean(tf.cast(hit, tf.float32))
            self.size = tf.add_n([tf.reduce_sum(tf.square(v)) for v in tf.trainable_variables()])
            optimizer = optimizer()
            if aggregate:
                optimizer = tf.train.SyncReplicasOptimizer(optimizer, replicas_to_aggregate=aggregate,
                                                           total_num_replicas=self.workers)
                # No tokens to begin with: each worker's step waits for an update.
                self.hooks.append(optimizer.make_session_run_hook(self.is_chief, num_tokens=0))
            self.minimize = optimizer.minimize(self.loss, global_step=self.step)

    @contextmanager
    def session(self, *hooks):
        # A chief's queue runner waits for gradients when training ends. It gets no time for that.
        with self.graph.as_default(), tf.train.MonitoredTrainingSession(
                self.target, self.is_chief, hooks=[*self.hooks, *hooks], config=CONFIG, stop_grace_period_secs=0,
                log_step_count_steps=None, save_summaries_steps=None, save_summaries_secs=None) as session:
            yield session

    def feeds(self, data, step):
        values, labels = data
        rows = (np.arange(BATCH) + (step * self.workers + self.task) * BATCH) % len(labels)
        return {self.values: values[rows], self.labels: labels[rows]}


@contextmanager
def of_tensorflow(cluster):
    """A cluster of TensorFlow's servers with the same tasks."""
    twin = servers.Cluster(cluster.weir, cluster.folder + "-tensorflow",
                           {job: len(addresses) for job, addresses in cluster.addresses.items()}, cluster.cpus,
                           kind="tensorflow", tensorflow=cluster.tensorflow)
    try:
        yield twin
    finally:
        twin.stop()


def side_by_side(cluster, run):
    """The results of a program on TensorFlow's servers, and on this cluster."""
    with of_tensorflow(cluster) as twin:
        return run(twin), run(cluster)


def synchronous(cluster, rounds, **options):
    """Trains in rounds: the workers of `together` take a step at the same time, then those of `later` take one each.

    Returns for each of these the losses before it, and after it: the updates, the variables' size, the loss of all rows."""
    data, found = iris(), []
    clients = [Client(cluster, task, **options) for task in range(len(cluster.addresses["worker"]))]
    with ExitStack() as stack:
        # The chief first: other clients look again after half a minute if the variables are not initialized.
        sessions = [stack.enter_context(client.session()) for client in clients]
        pool = stack.enter_context(ThreadPoolExecutor(len(clients)))

        def take_step(number, task):
            client = clients[task]
            loss, _ = sessions[task].run([client.loss, client.minimize], client.feeds(data, number))
            return float(loss)

        def now():
            chief, (values, labels) = clients[0], data
            fetches, feeds = [chief.step, chief.size, chief.loss], {chief.values: values, chief.labels: labels}
            # Without the hooks, which would count a step.
            return sessions[0].run_step_fn(lambda step_context: plain(step_context.session.run(fetches, feeds)))

        for number, (together, later) in enumerate(rounds):
            # Those of one round wait for each other, so each gives one gradient to each update.
            losses = list(pool.map(lambda task: take_step(number, task), together))
            found.append([losses, now()])
            for task in later:
                found.append([[take_step(number, task)], now()])
    return found


def expect_same_training(cluster, tolerance=TOLERANCE, rounds=None, **options):
    everyone = list(range(len(cluster.addresses["worker"])))
    rounds = rounds or [(everyone, [])] * ROUNDS
    options.setdefault("aggregate", len(everyone))
    wanted, found = side_by_side(cluster, lambda servers: synchronous(servers, rounds, **options))
    for step, (a, b) in enumerate(zip(found, wanted, strict=True)):
        expect(a, b, f"losses, and updates, size and loss after step {step}", tolerance)
    return found


def each(*rows):
    return {label: options for label, options in rows}


@case(ps=1, worker=2, each=each(
    ("gradient descent, reference variables", dict(optimizer=SGD)),
    ("momentum, resource variables", dict(optimizer=MOMENTUM, resource=True)),
    ("Adam, reference variables", dict(optimizer=ADAM)),
    ("embedding, Adam, reference variables", dict(optimizer=ADAM, model=embedding)),
    ("embedding, momentum, resource variables", dict(optimizer=MOMENTUM, model=embedding, resource=True))))
def two_synchronous_workers(cluster, **options):
    found = expect_same_training(cluster, **options)
    expect([updates for _, (updates, *_) in found], list(range(1, ROUNDS + 1)), "updates")


@case(ps=["weir"], worker=["weir", "tensorflow"])
def the_second_worker_is_tensorflows(cluster):
    expect_same_training(cluster, optimizer=ADAM, model=embedding)


@case(ps=["tensorflow"], worker=["tensorflow", "weir"])
def only_the_second_worker_is_weirs(cluster):
    expect_same_training(cluster, optimizer=MOMENTUM, resource=True)


@case(ps=2, worker=3, each=each(
    ("momentum, reference variables", dict(optimizer=MOMENTUM)),
    ("Adam, resource variables", dict(optimizer=ADAM, resource=True)),
    ("parts of a fixed number, Adam, reference variables",
     dict(optimizer=ADAM, partitioner=tf.fixed_size_partitioner(3))),
    ("parts of a greatest size, momentum, resource variables",
     dict(optimizer=MOMENTUM, resource=True, partitioner=tf.variable_axis_size_partitioner(64))),
    ("parts of a least size, embedding, Adagrad, reference variables",
     dict(optimizer=ADAGRAD, model=embedding, partitioner=tf.min_max_variable_partitioner(2, min_slice_size=256))),
    ("parts of a fixed number, embedding, Adam, resource variables",
     dict(optimizer=ADAM, model=embedding, resource=True, partitioner=tf.fixed_size_partitioner(2)))))
def three_synchronous_workers(cluster, **options):
    expect_same_training(cluster, **options)


@case(ps=2, worker=3, each=each(
    ("dense, reference variables", dict(optimizer=SGD)),
    ("embedding, resource variables", dict(optimizer=MOMENTUM, model=embedding, resource=True))))
def gradients_of_a_backup_worker_are_dropped(cluster, **options):
    """Two gradients of three make an update, which has a token for each worker. The third comes too late: it must not change
    anything, and not be part of the next update either."""
    found = expect_same_training(cluster, rounds=[([0, 1], [2]), ([0, 2], [1]), ([1, 2], [0])] * 2, aggregate=2, **options)
    for number, (used, late) in enumerate(zip(found[::2], found[1::2])):
        expect(late[1], used[1], f"updates, size and loss after the late gradient of round {number}")
        expect(used[1][0], number + 1, "updates")
    expect(found[-1][1][2] < 0.8 * found[0][1][2], True, f"a falling loss, of {found}")


def asynchronous(cluster, last_step, **options):
    """Trains with each client in a thread, none of which waits for another; returns the accuracy of what they trained."""
    data, initialized, failures = iris(), threading.Event(), []
    clients = [Client(cluster, task, **options) for task in range(len(cluster.addresses["worker"]))]

    def be_worker(client):
        try:
            with client.session(tf.train.StopAtStepHook(last_step=last_step)) as session:
                initialized.set()
                number = 0
                while not session.should_stop():
                    session.run(client.minimize, client.feeds(data, number))
                    number += 1
        except Exception as error:
            failures.append(error)
            initialized.set()

    threads = [threading.Thread(target=be_worker, args=(client,)) for client in clients]
    threads[0].start()
    initialized.wait()
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    client, (values, labels) = clients[0], data
    with tf.Session(cluster.target(), graph=client.graph, config=CONFIG) as session:
        return session.run([client.step, client.accuracy], {client.values: values, client.labels: labels})


@case(ps=1, worker=2, each=each(
    ("reference variables", dict(optimizer=MOMENTUM)),
    ("resource variables", dict(optimizer=ADAM, resource=True))))
def two_asynchronous_workers(cluster, **options):
    results = side_by_side(cluster, lambda servers: asynchronous(servers, last_step=150, **options))
    for steps, accuracy in results:
        # The hook compares the step that a run read before its own update: each of two workers may have a run under way that
        # read 148 when the count reaches 149, and makes one more run after it.
        expect(150 <= steps <= 152, True, f"updates until the last step, of {results}")
        expect(accuracy > 0.94, True, f"an accuracy of 94 %, of {results}")

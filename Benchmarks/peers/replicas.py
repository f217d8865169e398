#!/usr/bin/env python3
"""Times training on parameter servers with one client for each worker: updates per second of

  tensorflow    a TensorFlow program on TensorFlow's servers; each worker's client is in its server's process
  weir-servers  the same program on Weir's servers; each client is a process of its own
  weir          `weir train` on Weir's servers: the same graph, batch size, optimizer and data

    python replicas.py --weir ../../.build/release/weir

The program is the usual one: replica_device_setter, MonitoredTrainingSession, and SyncReplicasOptimizer for `sync`. A
step feeds a batch and fetches the loss and the number of updates. The systems take turns in each round of one run.
Prints a JSON object for each sample, then a table of medians. Needs tensorflow-cpu 2.21.
Exit status 1: something failed, or a loss did not fall.
"""
import argparse, csv, ctypes, json, os, queue, re, shutil, signal, statistics, subprocess, sys, tempfile, threading, time
from pathlib import Path

import numpy as np

from cluster import SERVER, free_ports, wait_port

ROOT = Path(__file__).resolve().parent.parent.parent
IMAGES = ROOT / "Sources/WeirTrain/Data/DigitImages.swift"
SYSTEMS = ["tensorflow", "weir-servers", "weir"]
# Of updates per second, Weir's to TensorFlow's.
GOAL = 1.5
# Updates that are not timed, before each sample; and those of the first sample, which only finds out how long one takes.
WARM, PROBE = 20, 40


def digits(side):
    """Real handwritten digits as rows of side x side values, and their classes: 8x8 images, or enlarged to MNIST's 28x28.

    Values have mean 0, and all together a deviation of 1, as `weir train` makes them."""
    text = re.sub(r"\s", "", re.search(r'"""(.*?)"""', IMAGES.read_text(), re.DOTALL)[1])
    table = np.array([int(letter, 17) for letter in text], np.float32).reshape(-1, 65)
    images = table[:, :64].reshape(-1, 8, 8)
    if side == 28:
        images = np.pad(np.kron(images, np.ones((3, 3), np.float32)), ((0, 0), (2, 2), (2, 2)))
    values = images.reshape(len(images), -1)
    values = values - values.mean(axis=0)
    return values / values.std(), table[:, 64].astype(np.int32)


def dense(tf, values):
    for number, (inputs, units) in enumerate([(784, 512), (512, 256)]):
        with tf.variable_scope(f"hidden{number + 1}"):
            values = tf.nn.relu(layer(tf, tf.matmul, values, [inputs, units]))
    with tf.variable_scope("output"):
        return layer(tf, tf.matmul, values, [256, 10])


def cnn(tf, values):
    """As `weir train --model cnn`."""
    images = tf.reshape(values, [-1, 8, 8, 1])
    for number, (channels, filters) in enumerate([(1, 16), (16, 32)]):
        images = convolution(tf, f"conv{number + 1}", images, [3, 3, channels, filters])
    return two_layers(tf, tf.nn.max_pool2d(images, 2, 2, "SAME"), 4 * 4 * 32, 64)


def lenet(tf, values):
    images = tf.reshape(values, [-1, 28, 28, 1])
    for number, (channels, filters) in enumerate([(1, 32), (32, 64)]):
        images = tf.nn.max_pool2d(convolution(tf, f"conv{number + 1}", images, [5, 5, channels, filters]), 2, 2, "SAME")
    return two_layers(tf, images, 7 * 7 * 64, 512)


def convolution(tf, name, images, shape):
    with tf.variable_scope(name):
        return tf.nn.relu(layer(tf, lambda a, b: tf.nn.conv2d(a, b, strides=[1, 1, 1, 1], padding="SAME"), images, shape))


def two_layers(tf, images, size, units):
    with tf.variable_scope("dense"):
        values = tf.nn.relu(layer(tf, tf.matmul, tf.reshape(images, [-1, size]), [size, units]))
    with tf.variable_scope("output"):
        return layer(tf, tf.matmul, values, [units, 10])


def layer(tf, product, values, shape):
    weights = tf.get_variable("weights", shape, initializer=tf.glorot_uniform_initializer(seed=1))
    return tf.nn.bias_add(product(values, weights), tf.get_variable("biases", shape[-1:], initializer=tf.zeros_initializer()))


# Each with the side of its images, and its optimizer and learning rate, by the names of `weir train`.
MODELS = {"dense": (dense, 28, "momentum", 0.01), "cnn": (cnn, 8, "adam", 0.001), "lenet": (lenet, 28, "adam", 0.001)}


def build(tf, name):
    network, side, _, _ = MODELS[name]
    values, labels = tf.placeholder(tf.float32, [None, side * side], name="x"), tf.placeholder(tf.int32, [None], name="y")
    logits = tf.identity(network(tf, values), name="logits")
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return values, labels, tf.reduce_mean(losses, name="loss")


def export(folder):
    tf = tensorflow()
    for name in MODELS:
        with tf.Graph().as_default():
            build(tf, name)
            tf.train.export_meta_graph(f"{folder}/{name}.meta")


def tensorflow():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    import tensorflow.compat.v1 as tf
    tf.disable_v2_behavior()
    tf.logging.set_verbosity(tf.logging.ERROR)
    return tf


# The TensorFlow program: a process for each worker, which does what the lines of its standard input say.

def be_client(spec):
    tf = tensorflow()
    cluster, task, workers = spec["cluster"], spec["task"], len(spec["cluster"]["worker"])
    if spec["serves"]:
        server = tf.train.Server(cluster, job_name="worker", task_index=task)
        target = server.target
    else:
        target = "grpc://" + cluster["worker"][task]
    _, side, optimizer, rate = MODELS[spec["model"]]
    with tf.device(tf.train.replica_device_setter(worker_device=f"/job:worker/task:{task}", cluster=tf.train.ClusterSpec(cluster))):
        count = tf.train.get_or_create_global_step()
        values, labels, loss = build(tf, spec["model"])
        optimizer = tf.train.MomentumOptimizer(rate, 0.9) if optimizer == "momentum" else tf.train.AdamOptimizer(rate)
        hooks = []
        if spec["strategy"] == "sync":
            optimizer = tf.train.SyncReplicasOptimizer(optimizer, replicas_to_aggregate=workers, total_num_replicas=workers)
            # Without first tokens, no worker is ahead of the others: a gradient that comes too late would use up a token.
            hooks.append(optimizer.make_session_run_hook(task == 0, num_tokens=0))
        minimize = optimizer.minimize(loss, global_step=count)
    config = tf.ConfigProto(device_filters=["/job:ps", f"/job:worker/task:{task}"], operation_timeout_in_ms=600_000)
    commands = queue.Queue()
    threading.Thread(target=lambda: [commands.put(line.split()) for line in sys.stdin], daemon=True).start()
    answer = lambda **what: print(json.dumps(what), flush=True)
    answer(built=True)
    commands.get()
    batches = endless_batches(digits(side), spec["batch"], task)
    with tf.train.MonitoredTrainingSession(target, task == 0, hooks=hooks, config=config, log_step_count_steps=None,
                                           save_summaries_steps=None, save_summaries_secs=None) as session:
        def step():
            rows, classes = next(batches)
            value, number, _ = session.run([loss, count, minimize], {values: rows, labels: classes})
            return float(value), int(number)

        answer(ready=True)
        while True:
            command, *arguments = commands.get()
            if command != "train":
                continue
            if task > 0:  # until the next command, which ends this one
                while commands.empty():
                    step()
                continue
            losses = []
            for _ in range(WARM):
                value, first = step()
                losses.append(value)
            start, number = time.perf_counter(), first
            while number < first + int(arguments[0]):
                value, number = step()
                losses.append(value)
            answer(rate=(number - first) / (time.perf_counter() - start), losses=losses)


def endless_batches(data, size, seed):
    (values, labels), random = data, np.random.RandomState(seed)
    while True:
        order = random.permutation(len(labels))
        for start in range(0, len(order) - size + 1, size):
            rows = order[start:start + size]
            yield values[rows], labels[rows]


# What runs the systems.

class Failed(Exception):
    pass


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Process:
    """A child process, its lines of output, and a file with what it wrote to standard error."""

    def __init__(self, folder, *command):
        self.errors = tempfile.TemporaryFile(dir=folder)
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, preexec_fn=end_with_parent)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answers(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                yield json.loads(line)

    def answer(self):
        for found in self.answers():
            return found
        raise Failed(f"no answer, exit status {self.process.wait()}: {self.last_error()}")

    def last_error(self):
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:500] if lines else "nothing on standard error"

    def end(self):
        self.process.kill()
        self.process.wait()
        self.errors.close()


class Sample:
    """Updates per second, seconds of processor time for an update, and losses, those of the untimed updates too."""

    def __init__(self, rate, processor, losses):
        self.rate, self.processor, self.losses = rate, processor, losses


class System:
    """The servers and clients of one system, for one kind of training. Between samples they wait."""

    def __init__(self, name, options, folder, model, strategy, workers):
        self.name, self.options, self.folder, self.model, self.strategy = name, options, folder, model, strategy
        self.processes, self.clients = [], []
        ports = [f"127.0.0.1:{port}" for port in free_ports(1 + workers)]
        self.cluster = {"ps": ports[:1], "worker": ports[1:]}
        try:
            self.begin()
        except BaseException:
            self.end()
            raise

    def start(self, *command):
        self.processes.append(Process(self.folder, *command))
        return self.processes[-1]

    def begin(self):
        tasks = [("ps", 0)] + [("worker", task) for task in range(len(self.cluster["worker"]))]
        if self.name == "tensorflow":
            self.start(sys.executable, "-c", SERVER, json.dumps(self.cluster), "ps", 0)
        else:
            for job, task in tasks:
                self.start(self.options.weir, "serve", "--cluster", json.dumps(self.cluster), "--job", job, "--task", task,
                           "--until-input-ends")
        if self.name != "weir":
            for _, task in tasks[1:]:
                spec = dict(cluster=self.cluster, task=task, model=self.model, strategy=self.strategy, batch=self.options.batch,
                            serves=self.name == "tensorflow")
                self.clients.append(self.start(sys.executable, __file__, "--client", json.dumps(spec)))
            for client in self.clients:
                client.answer()
        for job, task in tasks:
            wait_port(int(self.cluster[job][task].rsplit(":", 1)[1]))
        for client in self.clients:  # the chief first
            client.say("begin")
            client.answer()

    def sample(self, updates):
        """Trains for this many updates, or a few more, after some that are not timed."""
        if self.name == "weir":
            return self.train(updates)
        before = self.processor_time()
        for client in self.clients:
            client.say(f"train {updates}")
        found = self.clients[0].answer()
        for client in self.clients[1:]:
            client.say("pause")
        taken = self.processor_time() - before
        return Sample(found["rate"], taken / (WARM + updates), found["losses"])

    def processor_time(self):
        """What all processes of the system have used until now, in seconds."""
        ticks = 0
        for process in self.processes:
            fields = Path(f"/proc/{process.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def train(self, updates):
        _, side, optimizer, rate = MODELS[self.model]
        client = self.start(
            self.options.weir, "train", "--model", f"{self.folder}/{self.model}.meta", "--loss", "loss", "--predictions", "logits",
            "--input", "features=x", "--input", "labels=y", "--data", f"{self.folder}/digits-{side}.csv", "--folds", 2, "--json",
            "--progress-every", 0,
            "--cluster", json.dumps(self.cluster), "--strategy", self.strategy, "--steps", updates + WARM,
            "--batch", self.options.batch, "--optimizer", optimizer, "--learning-rate", rate, "--out", f"{self.folder}/out")
        losses, begun, sample = [], None, None
        for event in client.answers():
            if event["event"] != "step" or event["fold"] > 1:  # the second fold is trained, too, but not timed
                continue
            losses.append(event["loss"])
            if event["step"] >= WARM and not begun:
                begun = event["step"], time.perf_counter(), self.processor_time()
            if event["step"] >= updates + WARM:
                count = event["step"] - begun[0]
                sample = Sample(count / (time.perf_counter() - begun[1]), (self.processor_time() - begun[2]) / count, losses)
        if client.process.wait() or not sample:
            raise Failed(f"weir train ended with {client.process.returncode}: {client.last_error()}")
        self.processes.remove(client)
        client.end()
        return sample

    def end(self):
        while self.processes:
            self.processes.pop().end()


def compare(options, folder, model, strategy, workers):
    """Updates per second of each system's samples. The systems take turns, in another order each round."""
    systems, updates, samples = [], {}, {name: [] for name in options.systems}
    what = dict(model=model, strategy=strategy, workers=workers)
    try:
        for name in options.systems:
            system = System(name, options, folder, model, strategy, workers)
            systems.append(system)
            first = system.sample(min(PROBE, options.updates or PROBE))
            # Not later: a TensorFlow client goes on with the same variables.
            if not statistics.mean(first.losses[-5:]) < first.losses[0]:  # true for NaN too
                raise Failed(f"{name}: the loss did not fall, from {first.losses[0]} to {first.losses[-5:]}")
            updates[name] = options.updates or max(20, int(first.rate * options.seconds))
        for number in range(options.rounds):
            for system in systems[number % len(systems):] + systems[:number % len(systems)]:
                sample = system.sample(updates[system.name])
                print(json.dumps(what | dict(system=system.name, round=number, updates=updates[system.name], rate=round(sample.rate, 2),
                                             processor_ms=round(sample.processor * 1e3, 2), loss=sample.losses[-1])), flush=True)
                samples[system.name].append(sample.rate)
    finally:
        for system in systems:
            system.end()
    return samples


def print_table(rows, systems):
    ratios = [name for name in systems if name != "tensorflow"] if "tensorflow" in systems else []
    lines = [["training", *systems, *[f"{name}/tensorflow" for name in ratios], ""]]
    for label, medians in rows:
        found = [medians[name] / medians["tensorflow"] for name in ratios]
        met = "" if "weir" not in ratios else "met" if medians["weir"] >= GOAL * medians["tensorflow"] else "not met"
        lines.append([label, *[f"{medians[name]:.1f}/s" for name in systems], *[f"{ratio:.2f}x" for ratio in found], met])
    widths = [max(map(len, column)) for column in zip(*lines)]
    for first, *middle, last in lines:
        print("  ".join([first.ljust(widths[0]), *map(str.rjust, middle, widths[1:]), last]).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog=f"The goal: weir is {GOAL} times as fast as tensorflow.")
    listed = lambda allowed: lambda text: [allowed[allowed.index(word)] for word in text.split(",")]
    parser.add_argument("--weir", type=Path, default=ROOT / ".build/release/weir")
    parser.add_argument("--systems", type=listed(SYSTEMS), default=SYSTEMS, metavar="NAME,...")
    parser.add_argument("--models", type=listed(list(MODELS)), default=list(MODELS), metavar="NAME,...", help="dense, cnn, lenet")
    parser.add_argument("--strategies", type=listed(["sync", "async"]), default=["sync", "async"], metavar="NAME,...")
    parser.add_argument("--workers", type=lambda text: [int(word) for word in text.split(",")], default=[1, 2], metavar="N,...")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each sample")
    parser.add_argument("--updates", type=int, help="for each sample, instead of --seconds")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--export", metavar="DIR", help="only write the models' graphs, NAME.meta")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        return be_client(json.loads(options.client))
    if options.export:
        return export(options.export)
    if not os.access(options.weir, os.X_OK):
        parser.error(f"{options.weir}: no such program; run `make build`")

    folder, rows, failed = tempfile.mkdtemp(prefix="weir-replicas-"), [], False
    try:
        for side in {MODELS[name][1] for name in options.models}:
            values, labels = digits(side)
            with open(f"{folder}/digits-{side}.csv", "w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow([f"p{number}" for number in range(side * side)] + ["digit"])
                writer.writerows([f"{value:g}" for value in row] + [label] for row, label in zip(values, labels))
        # In a process of its own: here, TensorFlow would be loaded for nothing else.
        subprocess.run([sys.executable, __file__, "--export", folder], check=True, stderr=subprocess.DEVNULL)
        for model in options.models:
            for strategy in options.strategies:
                for workers in options.workers:
                    label = f"{model}, {strategy}, {workers} worker{'s' if workers > 1 else ''}"
                    try:
                        samples = compare(options, folder, model, strategy, workers)
                        rows.append((label, {name: statistics.median(rates) for name, rates in samples.items()}))
                    except Failed as failure:
                        print(f"FAIL {label}: {failure}", flush=True)
                        failed = True
    finally:
        shutil.rmtree(folder)
    print_table(rows, options.systems)
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: servers and clients with it
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

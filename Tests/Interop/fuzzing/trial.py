"""One random graph on one cluster, compared with TensorFlow in one process."""
import concurrent.futures
import os
import random
import re

import servers
from cases import first_lines  # first, because it imports TensorFlow without its output
import numpy as np
import tensorflow.compat.v1 as tf
from fuzzing.program import Program
from fuzzing.steps import depends_on_rounding, difference, make_steps

CLUSTERS = {"one": dict(tasks=dict(worker=1)), "three": dict(tasks=dict(ps=1, worker=2)),
            "grpc": dict(tasks=dict(ps=1, worker=2), arguments=["--protocol", "grpc"]),
            "mixed": dict(tasks=dict(ps=["weir"], worker=["weir", "tensorflow"]))}
HANG_SECONDS, SMALLER_HANG_SECONDS = 10, 4


class Finding:
    def __init__(self, kind, text, step):
        self.kind, self.text, self.step = kind, text, step

    @property
    def group(self):
        """The group of similar findings."""
        words = re.sub(r"'[^']*'|/job:\S+|\{\{node [^}]*\}\}|(?<=operation )\w+|\[.*|\d+", "#", self.text.split("\n")[0])
        return f"{self.kind}: {words}" if self.kind in ("ERROR", "CODE") else self.kind


class Clusters:
    """Clusters that are started at first use, used for many graphs, and restarted when a server died or hung."""

    def __init__(self, weir, folder, kind, tensorflow):
        self.weir, self.folder, self.kind, self.tensorflow, self.running = weir, folder, kind, tensorflow, {}
        self.started = 0

    def get(self, name):
        if name not in self.running:
            self.started += 1
            options = CLUSTERS[name]
            self.running[name] = servers.Cluster(
                self.weir, os.path.join(self.folder, f"{name}-{self.started}"), options["tasks"], cpus=2,
                arguments=options.get("arguments", []), kind=self.kind, tensorflow=self.tensorflow)
        return self.running[name]

    def drop(self, name):
        if name in self.running:
            self.running.pop(name).stop()

    def stop(self):
        for name in list(self.running):
            self.drop(name)


class Trial:
    """One graph on one cluster: its kept statements, its devices and its results."""

    def __init__(self, options, clusters, seed, kept=None, steps=None, spread=True):
        self.options, self.clusters, self.seed, self.kept, self.kept_steps = options, clusters, seed, kept, steps
        choices = random.Random(f"{seed}|cluster")
        self.cluster_name = choices.choice(options.clusters)
        tasks = [(job, task) for job, kinds in CLUSTERS[self.cluster_name]["tasks"].items()
                 for task in range(kinds if isinstance(kinds, int) else len(kinds))]
        chosen = choices.sample(tasks, choices.randint(1, len(tasks))) if spread else tasks[:1]
        cpus = choices.randint(1, 2) if spread else 1
        self.devices = [f"/job:{job}/task:{task}/cpu:{cpu}" for job, task in chosen for cpu in range(cpus)]
        masters = tasks if self.cluster_name != "mixed" else [("worker", 0)]
        self.master = choices.choice(masters)
        self.statement_count = choices.randint(6, 34)
        self.isolated = choices.random() < 0.6
        self.optimized = choices.random() < 0.7
        self.program, self.steps, self.ran = None, [], 0
        self.at_once = choices.choice([1, 1, 3])  # concurrent steps, if the graph has no state

    def run(self, hang_seconds=HANG_SECONDS):
        """Returns the first finding, or None; keeps the program to show it."""
        self.options.built += 1
        program = self.program = Program(self.seed, self.devices, self.statement_count, self.kept,
                                         f"fuzz{os.getpid()}x{self.options.built}")
        self.steps = make_steps(program, self.seed)
        steps = [step for number, step in enumerate(self.steps) if self.kept_steps is None or number in self.kept_steps]
        self.inits = [op.name for op in program.inits]
        self.reference = reference_graph(program.graph)
        wanted = self.wanted(steps, optimized=False)
        if len(wanted) < len(steps):
            return None
        config = tf.ConfigProto(operation_timeout_in_ms=hang_seconds * 1000, isolate_session_state=self.isolated)
        if not self.optimized:
            config.graph_options.optimizer_options.opt_level = -1
        cluster, found = self.clusters.get(self.cluster_name), []
        with tf.Session(cluster.target(*self.master), graph=program.graph, config=config) as session:
            try:
                session.run(self.inits)
            except tf.errors.OpError as error:
                return None if self.is_the_clients_own(error) else Finding(*self.kind_of(error, cluster), "init")
            at_once = 1 if program.uses_state else self.at_once
            with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
                for number, outcome in enumerate(pool.map(lambda step: step.run(session), steps)):
                    found.append(outcome)
                    self.ran += 1
                    if self.is_the_clients_own(outcome.error):
                        return None
                    if outcome.code == "DeadlineExceeded":
                        pool.shutdown(cancel_futures=True)
                        return Finding(*self.kind_of(outcome.error, cluster), number)
        if dead := cluster.dead_tasks():
            return Finding("SERVER DIED", ", ".join(dead), None)
        finding = self.compared(steps, found, wanted, cluster)
        # TensorFlow's optimizer may or may not remove ops whose values are unused: both results are right.
        if finding is not None and self.compared(steps, found, self.wanted(steps, optimized=True), cluster) is None:
            return None
        return finding

    def wanted(self, steps, optimized, nudge=0.0):
        """TensorFlow's results in one process; fewer than the steps after an unexpected failure."""
        config = tf.ConfigProto(operation_timeout_in_ms=20_000, inter_op_parallelism_threads=2)
        if not optimized:
            config.graph_options.optimizer_options.opt_level = -1
            config.graph_options.rewrite_options.disable_meta_optimizer = True
        outcomes = []
        with tf.Session(graph=self.reference, config=config) as session:
            session.run(self.inits)
            for step in steps:
                outcome = step.run(session, nudge)
                if outcome.error is not None and "culprit" not in str(outcome.error):
                    self.options.unusable[f"{outcome.code}: {first_lines(outcome.error)}"] += 1
                    break
                outcomes.append(outcome)
        return outcomes

    def compared(self, steps, found, wanted, cluster):
        """The first difference, if any."""
        for number, (step, one, right) in enumerate(zip(steps, found, wanted)):
            if right.error is None and one.error is not None:
                return Finding(*self.kind_of(one.error, cluster), number)
            if right.error is not None:
                if one.error is None:
                    return Finding("NO ERROR", f"none instead of {right.code}: {first_lines(right.error)}", number)
                if one.code != right.code:
                    return Finding("CODE", f"{one.code} instead of {right.code}: {first_lines(one.error)}", number)
                if "culprit" not in str(one.error):
                    return Finding("CULPRIT NOT NAMED", first_lines(one.error), number)
                continue
            for name, value, other in zip(step.fetches, one.values, right.values):
                differs = difference(value, other)
                if differs and not self.only_rounding(steps, number, name, value, other):
                    key = next(each.key for each in self.program.fetchable if each.tensor.name == name)
                    return Finding("WRONG", f"{key} ({name}) is {differs}", number)
        return None

    def only_rounding(self, steps, number, name, found, right):
        if np.asarray(right).dtype.kind != "f":
            return False
        nudged = self.wanted(steps[:number + 1], False, 1e-6 if np.asarray(right).dtype == np.float32 else 1e-13)
        if len(nudged) <= number or nudged[number].values is None:
            return False
        return depends_on_rounding(found, right, nudged[number].values[steps[number].fetches.index(name)])

    def is_the_clients_own(self, error):
        """For gradients of loops with control inputs TensorFlow's client sends nodes that its own servers reject."""
        if not re.search("(?i)data inputs?.* control inputs?", str(error)):
            return False
        self.options.unusable["the client's graph is refused by TensorFlow's servers, too"] += 1
        return True

    def kind_of(self, error, cluster):
        dead = cluster.dead_tasks()
        kind = "SERVER DIED" if dead else "HANG" if type(error).__name__.startswith("Deadline") else "ERROR"
        return kind, ", ".join(dead + [f"{type(error).__name__}: {first_lines(error)}"])


def reference_graph(graph):
    """The graph without devices, for one process."""
    definition = graph.as_graph_def()
    for node in [*definition.node, *(node for function in definition.library.function for node in function.node_def)]:
        node.device = ""
    reference = tf.Graph()
    with reference.as_default():
        tf.import_graph_def(definition, name="")
    return reference

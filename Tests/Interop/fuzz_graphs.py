#!/usr/bin/env python3
"""Compares clusters of Weir's servers with TensorFlow on random graphs.

Each graph is spread at random over the tasks and CPUs of a cluster, and several different steps of one session run in
changing order; each fetch must be what TensorFlow gives for the same graph in one process without optimization. Steps
that fail there must fail with the same code and name the same op; no step may hang. Prints each finding with the seed
that makes it again (`--seed S --count 1`); exit status 1 when there was one.
"""
import argparse
import collections
import concurrent.futures
import os
import random
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import servers

HERE = Path(__file__).resolve().parent
CLUSTERS = {"one": dict(tasks=dict(worker=1)), "three": dict(tasks=dict(ps=1, worker=2)),
            "grpc": dict(tasks=dict(ps=1, worker=2), arguments=["--protocol", "grpc"]),
            "mixed": dict(tasks=dict(ps=["weir"], worker=["weir", "tensorflow"]))}
HANG_SECONDS, SMALLER_HANG_SECONDS = 10, 4


class Finding:
    def __init__(self, kind, text, step):
        self.kind, self.text, self.step = kind, text, step

    @property
    def group(self):
        """The same for findings that look alike."""
        words = re.sub(r"'[^']*'|/job:\S+|\{\{node [^}]*\}\}|(?<=operation )\w+|\[.*|\d+", "#", self.text.split("\n")[0])
        return f"{self.kind}: {words}" if self.kind in ("ERROR", "CODE") else self.kind


class Clusters:
    """Started when first needed, used for many graphs, and started anew when a server died or froze."""

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
    """One graph on one cluster: what of it is kept, where it goes, and what comes of it."""

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
        self.at_once = choices.choice([1, 1, 3])  # steps, where there is no state that orders them

    def run(self, hang_seconds=HANG_SECONDS):
        """The first finding, or None; keeps the program for showing it."""
        import tensorflow.compat.v1 as tf
        from fuzzing.program import Program
        from fuzzing.steps import make_steps
        self.options.built += 1
        program = self.program = Program(self.seed, self.devices, self.statement_count, self.kept,
                                         f"fuzz{os.getpid()}x{self.options.built}")
        self.steps = make_steps(program, self.seed)
        steps = [step for number, step in enumerate(self.steps) if self.kept_steps is None or number in self.kept_steps]
        self.inits, self.ran = [op.name for op in program.inits], 0
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
                if re.search("(?i)data inputs?.* control inputs?", str(error)):
                    # TensorFlow's client sends such nodes when it takes gradients of loops that wait for something.
                    self.options.unusable["the client's graph is refused by TensorFlow's servers, too"] += 1
                    return None
                return Finding(*self.kind_of(error, cluster), "init")
            at_once = 1 if program.uses_state else self.at_once
            with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
                for number, outcome in enumerate(pool.map(lambda step: step.run(session), steps)):
                    found.append(outcome)
                    self.ran += 1
                    if outcome.code == "DeadlineExceeded":
                        pool.shutdown(cancel_futures=True)
                        return Finding(*self.kind_of(outcome.error, cluster), number)
        if dead := cluster.dead_tasks():
            return Finding("SERVER DIED", ", ".join(dead), None)
        finding = self.compared(steps, found, wanted, cluster)
        # What is only needed by what nobody uses, TensorFlow runs or not by how it optimizes: both are right.
        if finding is not None and self.compared(steps, found, self.wanted(steps, optimized=True), cluster) is None:
            return None
        return finding

    def wanted(self, steps, optimized, nudge=0.0):
        """What TensorFlow gives in one process; fewer than the steps when it fails where it was not meant to."""
        import tensorflow.compat.v1 as tf
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
                    self.options.unusable[f"{outcome.code}: {first_line(outcome.error)}"] += 1
                    break
                outcomes.append(outcome)
        return outcomes

    def compared(self, steps, found, wanted, cluster):
        """The first difference, if any."""
        from fuzzing.steps import difference
        for number, (step, one, right) in enumerate(zip(steps, found, wanted)):
            if right.error is None and one.error is not None:
                return Finding(*self.kind_of(one.error, cluster), number)
            if right.error is not None:
                if one.error is None:
                    return Finding("NO ERROR", f"none instead of {right.code}: {first_line(right.error)}", number)
                if one.code != right.code:
                    return Finding("CODE", f"{one.code} instead of {right.code}: {first_line(one.error)}", number)
                if "culprit" not in str(one.error):
                    return Finding("CULPRIT NOT NAMED", first_line(one.error), number)
                continue
            for name, value, other in zip(step.fetches, one.values, right.values):
                differs = difference(value, other)
                if differs and not self.only_rounding(steps, number, name, value, other):
                    key = next(each.key for each in self.program.fetchable if each.tensor.name == name)
                    return Finding("WRONG", f"{key} ({name}) is {differs}", number)
        return None

    def only_rounding(self, steps, number, name, found, right):
        import numpy as np
        from fuzzing.steps import depends_on_rounding
        if np.asarray(right).dtype.kind != "f":
            return False
        nudged = self.wanted(steps[:number + 1], False, 1e-6 if np.asarray(right).dtype == np.float32 else 1e-13)
        if len(nudged) <= number or nudged[number].values is None:
            return False
        return depends_on_rounding(found, right, nudged[number].values[steps[number].fetches.index(name)])

    def kind_of(self, error, cluster):
        dead = cluster.dead_tasks()
        kind = "SERVER DIED" if dead else "HANG" if type(error).__name__.startswith("Deadline") else "ERROR"
        return kind, ", ".join(dead + [f"{type(error).__name__}: {first_line(error)}"])


def reference_graph(graph):
    """The graph without devices, for one process."""
    import tensorflow.compat.v1 as tf
    definition = graph.as_graph_def()
    for node in [*definition.node, *(node for function in definition.library.function for node in function.node_def)]:
        node.device = ""
    reference = tf.Graph()
    with reference.as_default():
        tf.import_graph_def(definition, name="")
    return reference


def first_line(error):
    from cases import first_lines
    return first_lines(error)


def smaller(options, clusters, seed, first, seconds=60):
    """The trial with fewer statements and steps that still finds the same kind, within the time given."""
    end = time.monotonic() + seconds
    kept, steps = list(range(first.statement_count)), list(range(len(first.steps)))

    def still(kept, steps):
        if time.monotonic() > end:
            return False
        trial = Trial(options, clusters, seed, kept, steps)
        try:
            finding = trial.run(SMALLER_HANG_SECONDS)
        except Exception:  # a graph that cannot be built says nothing
            return False
        if finding is not None and finding.kind in ("HANG", "SERVER DIED"):
            clusters.drop(trial.cluster_name)
        return finding is not None and finding.group == first.found.group
    if isinstance(first.found.step, int):
        for fewer in ([first.found.step], steps[:first.found.step + 1]):
            if still(kept, fewer):
                steps = fewer
                break
    size = max(1, len(kept) // 2)
    while size and time.monotonic() < end:
        at = 0
        while at < len(kept):
            fewer = kept[:at] + kept[at + size:]
            if still(fewer, steps):
                kept = fewer
            else:
                at += size
        size //= 2
    for step in list(steps):
        if len(steps) > 1 and still(kept, [each for each in steps if each != step]):
            steps.remove(step)
    trial = Trial(options, clusters, seed, kept, steps)
    trial.found = None
    for _ in range(3):
        trial.found = trial.found or trial.run(SMALLER_HANG_SECONDS)
    clusters.drop(trial.cluster_name)
    return trial if trial.found is not None else None


def report(options, clusters, trial):
    found, again = trial.found, 0
    for _ in range(2 if options.shrink else 0):
        repeated = Trial(options, clusters, trial.seed, trial.kept, trial.kept_steps)
        clusters.drop(trial.cluster_name)  # a server that died or froze tells nothing of the next
        again += repeated.run() is not None
    clusters.drop(trial.cluster_name)
    print(f"FINDING seed {trial.seed}: {found.kind} in step {found.step} on cluster '{trial.cluster_name}'"
          f"{f', again in {again} of 2' if options.shrink else ''}: {found.text[:600]}")
    print(f"  reproduce: {sys.argv[0]} --weir {options.weir} --clusters {','.join(options.clusters)} --seed {trial.seed} --count 1")
    small = smaller(options, clusters, trial.seed, trial) if options.shrink and trial.kept is None else trial
    if small is not None:
        kept = small.kept if small.kept is not None else range(small.statement_count)
        steps = small.kept_steps if small.kept_steps is not None else range(len(small.steps))
        print(f"  smaller: --keep {','.join(map(str, kept))} --steps {','.join(map(str, steps))}: {small.found.kind} in step "
              f"{small.found.step}: {small.found.text[:300]}")
        print(f"  master {small.master}, isolated {small.isolated}, optimized {small.optimized}, "
              f"{1 if small.program.uses_state else small.at_once} steps at once")
        for line in small.program.text:
            print(f"    {line}")
        for number, step in enumerate(small.steps):
            if number in steps:
                print(f"    step {number}: fetch {step.fetches + step.targets} feed {sorted(step.feeds)}")
    sys.stdout.flush()


def numbers(text):
    return [int(number) for number in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weir", type=Path, default=HERE.parent.parent / ".build/release/weir")
    parser.add_argument("--seed", type=int, help="of the first graph; the others have the numbers after it")
    parser.add_argument("--count", type=int, default=10 ** 9, metavar="N", help="graphs")
    parser.add_argument("--seconds", type=float, default=10 ** 9, metavar="T")
    parser.add_argument("--clusters", default="one,three,three,grpc", help=f"of {', '.join(CLUSTERS)}")
    parser.add_argument("--servers", choices=["weir", "tensorflow"], default="weir", help="whose clusters to compare")
    parser.add_argument("--keep", type=numbers, help="only these statements")
    parser.add_argument("--steps", type=numbers, help="only these steps")
    parser.add_argument("--findings", type=int, default=10 ** 9, metavar="N", help="end after so many")
    parser.add_argument("--no-shrink", dest="shrink", action="store_false", help="do not look for smaller graphs")
    parser.add_argument("--show", action="store_true", help="print the graphs")
    options = parser.parse_args()
    options.weir, options.clusters = options.weir.resolve(), options.clusters.split(",")
    options.built, options.unusable = 0, collections.Counter()
    if not os.access(options.weir, os.X_OK):
        parser.error(f"{options.weir}: no such program; run `make build`")
    first = random.SystemRandom().randrange(10 ** 8) if options.seed is None else options.seed
    print(f"seed {first}", flush=True)

    sys.path.insert(0, str(HERE))
    import cases  # and TensorFlow: before the fork, and no session before it
    folder = tempfile.mkdtemp(prefix="weir-fuzz-")
    clusters = Clusters(str(options.weir), folder, options.servers, servers.TensorFlowServers())
    found, graphs, steps, end = [], 0, 0, time.monotonic() + options.seconds
    try:
        for seed in range(first, first + options.count):
            if time.monotonic() > end or len(found) >= options.findings:
                break
            trial = Trial(options, clusters, seed, options.keep, options.steps)
            try:
                trial.found = trial.run()
            finally:
                if options.show:
                    print("\n".join([f"graph {seed} on {trial.cluster_name}", *getattr(trial, "program").text]))
            graphs, steps = graphs + 1, steps + trial.ran
            if trial.found is not None:
                found.append(trial.found)
                report(options, clusters, trial)
    finally:
        clusters.stop()
        clusters.tensorflow.stop()
    if not found:
        shutil.rmtree(folder)
    else:
        print(f"logs: {folder}")
    for group, count in collections.Counter(finding.group for finding in found).most_common():
        print(f"{count} x {group}")
    for reason, count in options.unusable.most_common(5):
        print(f"not compared: {count} x {reason[:150]}")
    print(f"{graphs} graphs, {steps} steps from seed {first}: {len(found)} findings", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Compares clusters of Weir's servers with TensorFlow on random graphs.

Each graph is distributed at random over the tasks and CPUs of a cluster, and several different steps of one session run in
varying order. Each fetch must equal TensorFlow's result for the same graph in one process without optimization. Steps that
fail there must fail with the same code and name the same op; no step may hang. Prints each finding with the seed that
repeats it (`--seed S --count 1`); exit status 1 if there was one.
"""
import argparse
import collections
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import servers

HERE = Path(__file__).resolve().parent


def report(options, clusters, trial):
    from fuzzing.smaller import smaller
    from fuzzing.trial import Trial
    found, again = trial.found, 0
    for _ in range(2 if options.shrink else 0):
        repeated = Trial(options, clusters, trial.seed, trial.kept, trial.kept_steps)
        clusters.drop(trial.cluster_name)  # the next trial needs new servers after a crash or a hang
        again += repeated.run() is not None
    clusters.drop(trial.cluster_name)
    print(f"FINDING seed {trial.seed}: {found.kind} in step {found.step} on cluster '{trial.cluster_name}'"
          f"{f', again in {again} of 2' if options.shrink else ''}: {found.text[:600]}")
    print(f"  reproduce: {sys.argv[0]} --weir {options.weir} --clusters {','.join(options.clusters)} "
          f"--seed {trial.seed} --count 1")
    small = smaller(options, clusters, trial.seed, trial) if options.shrink else trial
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
    parser.add_argument("--clusters", default="one,three,three,grpc", help="of one, three, grpc, mixed")
    parser.add_argument("--servers", choices=["weir", "tensorflow"], default="weir", help="whose clusters to compare")
    parser.add_argument("--keep", type=numbers, help="only these statements")
    parser.add_argument("--steps", type=numbers, help="only these steps")
    parser.add_argument("--findings", type=int, default=10 ** 9, metavar="N", help="end after so many")
    parser.add_argument("--shrink", type=float, default=60, metavar="T", help="seconds to look for a smaller graph; 0: none")
    parser.add_argument("--show", action="store_true", help="print the graphs")
    options = parser.parse_args()
    options.weir, options.clusters = options.weir.resolve(), options.clusters.split(",")
    options.built, options.unusable = 0, collections.Counter()
    if not os.access(options.weir, os.X_OK):
        parser.error(f"{options.weir}: no such program; run `make build`")
    first = random.SystemRandom().randrange(10 ** 8) if options.seed is None else options.seed
    print(f"seed {first}", flush=True)

    sys.path.insert(0, str(HERE))
    from fuzzing.trial import Clusters, Finding, Trial  # imports TensorFlow before the fork; no session may exist then
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
            except Exception as error:  # no response of a server may crash its client
                trial.found = Finding("EXCEPTION", f"{type(error).__name__}: {error}", None)
            if options.show:
                print("\n".join([f"graph {seed} on {trial.cluster_name}", *trial.program.text]))
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

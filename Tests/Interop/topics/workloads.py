"""The graphs of the benchmarks through TensorFlow's client on one of Weir's servers: the losses of the first five steps."""
import importlib.util
import json
from pathlib import Path

from cases import case, expect, session

PEERS = Path(__file__).resolve().parents[3] / "Benchmarks/peers"
NAMES = ["iris", "iris_adam", "mnist_mlp", "big_mlp", "lenet", "lstm", "autoenc", "chain", "wide"]


def workloads():
    spec = importlib.util.spec_from_file_location("benchmark_workloads", PEERS / "workloads.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@case(worker=1, each={name: dict(name=name) for name in NAMES})
def losses(cluster, name):
    graph, loss, train, init, feeds = workloads().build(name)
    wanted = json.loads((PEERS / f"graphs/{name}.json").read_text())["losses_of_first_five_steps"]
    with session(cluster, graph=graph, seconds=60) as s:
        s.run(init)
        for step, value in enumerate(wanted):
            found = float(s.run([loss, train], feeds)[0])
            expect(found / value, 1.0, f"the loss of step {step} as a part of {value}", tolerance=1e-4)

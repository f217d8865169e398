"""Times a pipeline of two equal stages against one device, as JSON lines: each stage is a server with one core of its own.

    python3 Benchmarks/pipeline.py --weir .build/release/weir

One device trains the same network with the same batches on one core. The rounds alternate, so that a change of the machine's speed
meets both. The limit is the schedule's: with M micro-batches and 2 stages a step takes (M + 1) / (2 M) of one device's time.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile

IMAGES = pathlib.Path(__file__).resolve().parent.parent / "Sources/WeirTrain/Data/DigitImages.swift"


def write_digits(path, repeats):
    """Writes the digits as a CSV file, several times, so that a batch can have many rows."""
    text = re.sub(r"\s", "", re.search(r'"""(.*?)"""', IMAGES.read_text(), re.DOTALL)[1])
    rows = [",".join(str(int(letter, 17)) for letter in text[start:start + 65]) for start in range(0, len(text), 65)]
    header = ",".join([f"pixel{index}" for index in range(64)] + ["label"])
    path.write_text("\n".join([header, *rows * repeats]) + "\n")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def on_core(core, command):
    return ["taskset", "-c", str(core), *command]


def train(options, core, arguments, folder):
    """Runs one training and returns its updates per second."""
    command = [options.weir, "train", "--model", "dnn", "--data", f"{folder}/digits.csv", "--hidden", ",".join([str(options.width)] * options.layers),
               "--batch", str(options.batch), "--steps", str(options.steps), "--folds", "2", "--json", "--out", folder, *arguments]
    result = subprocess.run(on_core(core, command) if core is not None else command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return [line["steps_per_s"] for line in lines if line["event"] == "done"][-1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", default=".build/release/weir")
    parser.add_argument("--width", type=int, default=512, help="units of each hidden layer")
    parser.add_argument("--layers", type=int, default=9, help="hidden layers; an odd number makes equal stages")
    parser.add_argument("--batch", type=int, default=8192)
    parser.add_argument("--micro-batches", type=int, default=16)
    parser.add_argument("--schedule", default="1f1b", help="gpipe or 1f1b")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit(f"expected two cores, one for each stage; found {len(cores)}")
    ports = free_ports(2)
    cluster = json.dumps({"worker": [f"127.0.0.1:{port}" for port in ports]})
    folder = tempfile.mkdtemp(prefix="weir-pipeline-")
    write_digits(pathlib.Path(folder) / "digits.csv", repeats=2 * options.batch // 1797 + 2)
    servers = [
        subprocess.Popen(on_core(cores[task], [options.weir, "serve", "--cluster", cluster, "--job", "worker", "--task", str(task),
                                               "--until-input-ends"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for task in range(2)
    ]
    try:
        for server in servers:
            server.stdout.readline()
        one, two = [], []
        pipeline = ["--strategy", "pipeline", "--micro-batches", str(options.micro_batches), "--schedule", options.schedule, "--cluster", cluster]
        for _ in range(options.rounds):
            one.append(train(options, cores[0], ["--strategy", "single"], folder))
            two.append(train(options, None, pipeline, folder))
        ratios = [b / a for a, b in zip(one, two)]
        print(json.dumps({"what": "pipeline", "stages": 2, "micro_batches": options.micro_batches, "batch": options.batch,
                          "one_device_steps_per_s": round(statistics.median(one), 3), "pipeline_steps_per_s": round(statistics.median(two), 3),
                          "ratio": round(statistics.median(ratios), 3), "least": round(min(ratios), 3),
                          "limit": round(2 * options.micro_batches / (options.micro_batches + 1), 3)}))
    finally:
        for server in servers:
            server.stdin.close()
        for server in servers:
            server.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

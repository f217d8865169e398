"""Updates per second of the networks of `weir train --model`, against the same Keras models in TensorFlow's graph mode, as JSON lines.

    .build/tensorflow-venv/bin/python Benchmarks/peers/networks.py --weir .build/release/weir

Both train on the same digits in one process, with the same layers, optimizer and batch size; the rounds alternate. Keras's step is one
`tf.function` with the optimizer inside, called with a batch of numpy rows, which is quicker than `fit`. Weir's figure has all that
`weir train` does in a step: it draws the batch, feeds it, and records the loss.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

layers = tf.keras.layers
IMAGES = pathlib.Path(__file__).resolve().parent.parent.parent / "Sources/WeirTrain/Data/DigitImages.swift"


def digits():
    """The pixels, standardized, and the classes."""
    text = re.sub(r"\s", "", re.search(r'"""(.*?)"""', IMAGES.read_text(), re.DOTALL)[1])
    rows = np.array([[int(letter, 17) for letter in text[start:start + 65]] for start in range(0, len(text), 65)])
    pixels = rows[:, :64].astype(np.float32)
    return (pixels - pixels.mean(0)) / np.maximum(pixels.std(0), 1e-6), rows[:, 64].astype(np.int32)


def cnn():
    return tf.keras.Sequential([
        tf.keras.Input((64,)), layers.Reshape((8, 8, 1)),
        layers.Conv2D(16, 3, padding="same", activation="relu"), layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(10)])


def rnn():
    return tf.keras.Sequential([tf.keras.Input((64,)), layers.Reshape((8, 8)), layers.LSTM(64), layers.Dense(10)])


def autoencoder():
    return tf.keras.Sequential([
        tf.keras.Input((64,)), layers.Dense(32, activation="relu"), layers.Dense(8), layers.Dense(32, activation="relu"), layers.Dense(64)])


def classes(rows, labels, logits):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


def reconstruction(rows, labels, made):
    return tf.reduce_mean(tf.math.squared_difference(made, rows))


class Network:
    """A network of `weir train --model NAME`, and the same in Keras."""

    def __init__(self, make, rate, loss, norm=None, batch=32):
        self.make, self.loss, self.batch = make, loss, batch
        self.optimizer = lambda: tf.keras.optimizers.Adam(rate, global_clipnorm=norm)


NETWORKS = {
    "cnn": Network(cnn, 0.004, classes),
    "rnn": Network(rnn, 0.005, classes, norm=1),
    "autoencoder": Network(autoencoder, 0.002, reconstruction),
}


def keras(network, steps):
    """Updates per second of the Keras model."""
    pixels, labels = digits()
    model, optimizer = network.make(), network.optimizer()
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=False)
    def step(rows, targets):
        with tf.GradientTape() as tape:
            loss = network.loss(rows, targets, model(rows, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    order = np.random.default_rng(1).permutation(len(pixels))
    batches = [order[start:start + network.batch] for start in range(0, len(order) - network.batch + 1, network.batch)]
    fed = [(pixels[rows], labels[rows]) for rows in batches]
    step(*fed[0])
    start = time.perf_counter()
    for number in range(steps):
        float(step(*fed[number % len(fed)]))
    return steps / (time.perf_counter() - start)


def weir(path, name, steps, folder):
    """Updates per second of `weir train`, over its folds."""
    command = [path, "train", "--model", name, "--data", "digits", "--steps", str(steps), "--folds", "2", "--json", "--out", folder]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return [line["steps_per_s"] for line in lines if line["event"] == "done"][-1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", default=".build/release/weir")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--only", choices=NETWORKS, help="one network")
    options = parser.parse_args()
    for name, network in NETWORKS.items():
        if options.only not in (None, name):
            continue
        found = {"keras": [], "weir": []}
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(options.rounds):
                found["keras"].append(keras(network, options.steps))
                found["weir"].append(weir(options.weir, name, options.steps, folder))
        medians = {system: statistics.median(rates) for system, rates in found.items()}
        ratio = statistics.median(ours / theirs for ours, theirs in zip(found["weir"], found["keras"]))
        print(json.dumps({"network": name, "keras_steps_per_s": round(medians["keras"], 1), "weir_steps_per_s": round(medians["weir"], 1),
                          "ratio": round(ratio, 2)}), flush=True)


if __name__ == "__main__":
    main()

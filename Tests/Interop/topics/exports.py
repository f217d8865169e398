"""Files that Weir's programs write and TensorFlow reads, and the other way: saved models, checkpoints, event files."""
import json, os, subprocess, sys

import numpy as np

from cases import CaseFailed, case, expect

# A program of its own: the cases' process has TensorFlow 2's behavior switched off.
LOADING = """
import json, sys
import numpy as np
import tensorflow as tf
path, rows = sys.argv[1], np.array(json.loads(sys.argv[2]), np.float32)
found = tf.saved_model.load(path).signatures["serving_default"](features=tf.constant(rows))
eager = {name: value.numpy() for name, value in found.items()}
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    model = tf.compat.v1.saved_model.load(session, ["serve"], path)
    signature = model.signature_def["serving_default"]
    names = {name: info.name for name, info in signature.outputs.items()}
    graph = session.run(names, {signature.inputs["features"].name: rows})
    variables = len(tf.compat.v1.global_variables())
print(json.dumps({"equal": all(np.array_equal(eager[name], graph[name]) for name in graph), "variables": variables,
                  "values": {name: value.tolist() for name, value in eager.items()}}))
"""

FROZEN = """
import json, sys
import numpy as np
import tensorflow as tf
path, rows = sys.argv[1], np.array(json.loads(sys.argv[2]), np.float32)
definition = tf.compat.v1.GraphDef.FromString(open(path, "rb").read())
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    tf.import_graph_def(definition, name="")
    print(json.dumps({name: session.run(name + ":0", {"features:0": rows}).tolist() for name in ["probabilities", "classes"]}))
"""

SAVING = """
import sys
import numpy as np
import tensorflow as tf
class Line(tf.Module):
    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2))
    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="features")])
    def values(self, features):
        return {"y": tf.nn.softmax(features @ self.weights)}
line = Line()
tf.saved_model.save(line, sys.argv[1], signatures=line.values)
"""

READING = """
import glob, json, sys
from tensorboard.backend.event_processing import event_accumulator, event_file_loader
from tensorboard.plugins.hparams import plugin_data_pb2
folder = sys.argv[1]
events = event_accumulator.EventAccumulator(folder, size_guidance={key: 0 for key in event_accumulator.DEFAULT_SIZE_GUIDANCE})
events.Reload()
tags = events.Tags()
found = {"scalars": {tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in tags["scalars"]},
         "tensors": sorted(tags["tensors"]), "graph": len(events.Graph().node) if tags["graph"] else 0, "hparams": {}}
def read(tag):
    content = events.SummaryMetadata(tag).plugin_data.content
    return plugin_data_pb2.HParamsPluginData.FromString(content)
start = read("_hparams_/session_start_info").session_start_info
found["hparams"] = {name: value.number_value if value.HasField("number_value") else value.string_value for name, value in start.hparams.items()}
found["metrics"] = [each.name.tag for each in read("_hparams_/experiment").experiment.metric_infos]
found["status"] = read("_hparams_/session_end_info").session_end_info.status
histograms = {}
for path in glob.glob(folder + "/*tfevents*"):
    for event in event_file_loader.LegacyEventFileLoader(path).Load():
        for value in event.summary.value:
            if value.HasField("histo"):
                histograms.setdefault(value.tag, []).append((event.step, value.histo.num))
found["histograms"] = histograms
print(json.dumps(found))
"""


def python(program, *arguments):
    """What a program prints on its last line, as JSON; nothing if it prints nothing."""
    run = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    if run.returncode:
        raise CaseFailed(f"expected a program of TensorFlow's to succeed, found: {run.stderr[-800:]}")
    return json.loads(run.stdout.splitlines()[-1]) if run.stdout.strip() else None


def weir(cluster, *arguments, status=0):
    """The lines that a command prints."""
    run = subprocess.run([cluster.weir, *arguments], capture_output=True, text=True)
    if run.returncode != status:
        raise CaseFailed(f"weir {' '.join(arguments)}: expected status {status}, found {run.returncode}: {run.stderr[-800:]}")
    return run.stdout.splitlines()


ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [5.9, 3.0, 4.2, 1.5]]


def columns(model):
    """The names that a model of Weir keeps; None of other models."""
    path = os.path.join(model, "assets.extra", "columns.json")
    if not os.path.exists(path):
        return None
    with open(path) as file:
        return json.load(file)


def predictions(cluster, model):
    """What `weir predict` computes for the rows, by the name of the output; classes by number."""
    path, known = os.path.join(cluster.folder, "rows.csv"), columns(model)
    names, order = ["a", "b", "c", "d"], [0, 1, 2, 3]
    if known:
        # By name, columns may have any order, and there may be others.
        names, order = known["features"]["columns"], [3, 1, 0, 2]
    with open(path, "w") as file:
        file.write(",".join(names[i] for i in order) + (",note" if known else "") + "\n")
        for row in ROWS:
            file.write(",".join(str(row[i]) for i in order) + (",x" if known else "") + "\n")
    rows = [json.loads(line) for line in weir(cluster, "predict", model, "--data", path, "--json")]
    if known:
        for row in rows:
            row["classes"] = known["labels"]["classes"].index(row["classes"])
    return {name: [row[name] for row in rows] for name in rows[0]}


@case(weir_only=True, seconds=240)
def a_trained_model_is_loaded(cluster):
    folder = os.path.join(cluster.folder, "model")
    frozen = os.path.join(cluster.folder, "frozen.pb")
    weir(cluster, "train", "--steps", "60", "--folds", "2", "--out", os.path.join(cluster.folder, "run"),
         "--export", folder, "--export-frozen", frozen)
    found = python(LOADING, folder, json.dumps(ROWS))
    expect(found["equal"], True, "whether both loaders give the same bits")
    expect(found["variables"], 12, "variables")
    expected = predictions(cluster, folder)
    expect(found["values"], expected, "TensorFlow's outputs", tolerance=1e-6)
    expect(predictions(cluster, frozen), expected, "the frozen graph's outputs")
    there = python(FROZEN, frozen, json.dumps(ROWS))
    expect(there, {name: expected[name] for name in there}, "TensorFlow's outputs of the frozen graph", tolerance=1e-6)


@case(weir_only=True, seconds=240)
def an_ensemble_is_loaded(cluster):
    out, folder = os.path.join(cluster.folder, "run"), os.path.join(cluster.folder, "model")
    weir(cluster, "ensemble", "--data", "iris", "--members", "dnn:8", "dnn:6,6", "--steps", "60", "--out", out, "--export", folder)
    found = python(LOADING, folder, json.dumps(ROWS))
    expect(found["equal"], True, "whether both loaders give the same bits")
    expect(found["values"], predictions(cluster, folder), "TensorFlow's outputs", tolerance=1e-6)


@case(weir_only=True, seconds=120)
def a_saved_model_of_tensorflow_predicts(cluster):
    folder = os.path.join(cluster.folder, "model")
    python(SAVING, folder)
    sums = np.array(ROWS, np.float32) @ np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)
    expected = np.exp(sums) / np.exp(sums).sum(1, keepdims=True)
    expect(predictions(cluster, folder)["y"], expected.tolist(), "predictions", tolerance=1e-6)


@case(weir_only=True, seconds=120)
def checkpoints_are_converted_both_ways(cluster):
    import tensorflow.compat.v1 as tf
    path = lambda name: os.path.join(cluster.folder, name)
    values = {"layer/weights": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3), "steps": np.int64(7)}
    with tf.Graph().as_default(), tf.Session() as session:
        for name, value in values.items():
            tf.get_variable(name, initializer=tf.constant(value))
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, path("theirs"), write_meta_graph=False)
    for name in ["a.npz", "b"]:
        weir(cluster, "checkpoint", "convert", path("theirs"), path(name))
    weir(cluster, "checkpoint", "diff", path("theirs"), path("b"))
    arrays = np.load(path("a.npz"))
    expect({name: arrays[name] for name in arrays.files}, values, "the arrays")
    reader = tf.train.load_checkpoint(path("b"))
    expect({name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}, values, "the tensors")
    np.savez(path("c.npz"), **{**values, "steps": np.int64(8)})
    said = weir(cluster, "checkpoint", "diff", path("theirs"), path("c.npz"), status=1)
    expect([line.split()[0] for line in said], ["steps"], "what differs")
    listed = [json.loads(line) for line in weir(cluster, "checkpoint", "ls", path("theirs"), "--json")]
    expect([(each["name"], each["shape"]) for each in listed], [("layer/weights", [2, 3]), ("steps", [])], "what is listed")


@case(weir_only=True, ps=2, worker=1, seconds=120, each={layout: dict(layout=layout) for layout in ["gathered", "sharded", "client"]})
def a_training_on_servers_saves_what_tensorflow_reads(cluster, layout):
    import tensorflow.compat.v1 as tf
    prefix = os.path.join(cluster.folder, "saved/m")
    weir(cluster, "train", "--strategy", "sync", "--cluster", json.dumps(cluster.addresses), "--steps", "10", "--folds", "2",
         "--out", os.path.join(cluster.folder, "run"), "--checkpoint", prefix, "--checkpoint-layout", layout)
    latest = tf.train.latest_checkpoint(os.path.join(cluster.folder, "saved/fold-1"))
    expect(latest, os.path.join(cluster.folder, "saved/fold-1/m-10"), "the latest checkpoint")
    reader = tf.train.load_checkpoint(latest)
    expect(reader.get_tensor("global_step"), 10, "the step")
    expect(reader.get_variable_to_shape_map()["hidden1/kernel"], [4, 10], "the shape of the weights")
    data = [name for name in os.listdir(os.path.dirname(latest)) if ".data-" in name]
    expect(len(data), 2 if layout == "sharded" else 1, "files of data")


@case(weir_only=True, seconds=120)
def tensorboard_reads_the_summaries_of_a_training(cluster):
    folder = os.path.join(cluster.folder, "logs")
    weir(cluster, "train", "--steps", "20", "--folds", "2", "--evaluate-every", "10", "--learning-rate", "0.02",
         "--out", os.path.join(cluster.folder, "run"), "--summaries", folder)
    expect(sorted(os.listdir(folder)), ["fold-1", "fold-2"], "the runs")
    found = python(READING, os.path.join(folder, "fold-1"))
    expect([step for step, _ in found["scalars"]["loss"]], list(range(1, 21)), "steps of the loss")
    expect([step for step, _ in found["scalars"]["test_accuracy"]], [10, 20], "steps of the accuracy")
    expect([step for step, _ in found["histograms"]["hidden1/kernel"]], [10, 20], "steps of the weights")
    expect({count for _, count in found["histograms"]["hidden1/kernel"]}, {40.0}, "weights in the distribution")
    expect(found["graph"] > 50, True, f"the graph has {found['graph']} nodes")
    expect(found["hparams"]["learning_rate"], 0.02, "the learning rate")
    expect((found["hparams"]["optimizer"], found["hparams"]["batch"]), ("momentum", 32.0), "hyper-parameters")
    expect(found["metrics"], ["loss", "test_loss", "test_accuracy"], "the metrics of the table of runs")
    expect(found["status"], 1, "how the run ended")

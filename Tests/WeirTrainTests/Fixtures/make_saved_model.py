"""Writes saved-model: a SavedModel of TensorFlow 2, whose signatures call functions.

In this folder, with a Python that has TensorFlow 2.21: python make_saved_model.py
"""
import shutil

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2


class Line(tf.Module):
    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(np.arange(6, dtype=np.float32).reshape(3, 2), name="weights")
        self.biases = tf.Variable([0.5, -0.5], name="biases")
        self.names = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant([0, 1], tf.int64), tf.constant(["left", "right"])), "none")

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def values(self, x):
        return {"y": tf.nn.relu(x @ self.weights + self.biases)}

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def sides(self, x):
        return {"side": self.names.lookup(tf.argmax(x @ self.weights, 1))}


line = Line()
tf.saved_model.save(line, "saved-model", signatures={"serving_default": line.values, "sides": line.sides})
# Where the code was is of no interest.
path = "saved-model/saved_model.pb"
model = saved_model_pb2.SavedModel.FromString(open(path, "rb").read())
for graph in model.meta_graphs:
    graph.graph_def.ClearField("debug_info")
    graph.meta_info_def.ClearField("stripped_op_list")
open(path, "wb").write(model.SerializeToString(deterministic=True))
shutil.rmtree("saved-model/assets")

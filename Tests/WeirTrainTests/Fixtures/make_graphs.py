"""Writes the graphs of this folder with TensorFlow 2.21, and prints the losses that ModelFileTests compares with."""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
X = (np.arange(24).reshape(6, 4) % 7 - 3).astype("float32") / 4
Y = np.array([0, 2, 1, 2, 0, 1], "int64")
W = ((np.arange(12).reshape(4, 3) * 5) % 7 - 3).astype("float32") / 8


def build(resource):
    """Two variables, one read directly and one through Identity; an optimizer, a saver and a variable that is not trained."""
    graph = tf.Graph()
    with graph.as_default():
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        y = v1.placeholder(tf.int64, [None], name="y")
        w = v1.get_variable("layer/w", initializer=tf.constant(W), use_resource=resource)
        b = v1.get_variable("layer/b", initializer=tf.constant([0.1, -0.2, 0.3]), use_resource=resource)
        scale = v1.get_variable("scale", initializer=tf.constant(2.0), use_resource=resource, trainable=False)
        product = tf.matmul(x, w)
        if resource:
            logits = tf.multiply(tf.nn.bias_add(product, b), scale, name="logits")
        else:
            # b is read without an Identity node.
            logits = tf.multiply(tf.raw_ops.BiasAdd(value=product, bias=b._ref()), scale, name="logits")
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        loss = tf.reduce_mean(losses, name="loss")
        step = v1.train.GradientDescentOptimizer(0.5).minimize(loss, name="train")
        saver = v1.train.Saver()
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            found = []
            for _ in range(3):
                found.append(session.run(loss, {x: X, y: Y}))
                session.run(step, {x: X, y: Y})
        return graph, saver, [float(value) for value in found]


graph, saver, losses = build(resource=False)
tf.io.write_graph(graph, ".", "references.pbtxt")
print("references.pbtxt", losses)
graph, saver, losses = build(resource=True)
with graph.as_default():
    meta = v1.train.export_meta_graph(saver_def=saver.saver_def, strip_default_attrs=True)
# The list of ops is half of the file, and nobody reads it.
meta.meta_info_def.ClearField("stripped_op_list")
tf.io.write_graph(meta, ".", "resources.pbtxt")
print("resources.pbtxt", losses)

"""Writes batch_norm.pbtxt with TensorFlow 2.21: a graph of TensorFlow 1 with batch normalization, whose moving averages are in the
collection `update_ops`. Prints what UpdateTests compares with: the losses of three steps, and the moving averages after them."""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from tensorflow.python.training import moving_averages

v1 = tf.compat.v1
X = (np.arange(24).reshape(6, 4) % 7 - 3).astype("float32") / 4
Y = np.array([0, 2, 1, 2, 0, 1], "int64")
W = ((np.arange(12).reshape(4, 3) * 5) % 7 - 3).astype("float32") / 8
V = ((np.arange(9).reshape(3, 3) * 4) % 5 - 2).astype("float32") / 4

with tf.Graph().as_default() as graph:
    x = v1.placeholder(tf.float32, [None, 4], name="x")
    y = v1.placeholder(tf.int64, [None], name="y")
    with v1.variable_scope("norm"):
        w = v1.get_variable("w", initializer=tf.constant(W), use_resource=True)
        gamma = v1.get_variable("gamma", initializer=tf.constant([1.0, 1.5, 0.5]), use_resource=True)
        beta = v1.get_variable("beta", initializer=tf.constant([0.0, -0.25, 0.25]), use_resource=True)
        # One of each kind of variable.
        mean = v1.get_variable("moving_mean", initializer=tf.zeros([3]), use_resource=False, trainable=False)
        variance = v1.get_variable("moving_variance", initializer=tf.ones([3]), use_resource=True, trainable=False)
        images = tf.reshape(tf.matmul(x, w), [-1, 1, 1, 3])
        normal, batch_mean, batch_variance = v1.nn.fused_batch_norm(images, gamma, beta, epsilon=0.01, is_training=True)
        for moving, batch in [(mean, batch_mean), (variance, batch_variance)]:
            update = moving_averages.assign_moving_average(moving, batch, 0.75, zero_debias=False)
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
        hidden = tf.nn.relu(tf.reshape(normal, [-1, 3]))
    with v1.variable_scope("output"):
        v = v1.get_variable("v", initializer=tf.constant(V), use_resource=True)
        logits = tf.matmul(hidden, v, name="logits")
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits), name="loss")
    with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
        step = v1.train.GradientDescentOptimizer(0.5).minimize(loss, name="train")
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        losses = []
        for _ in range(3):
            losses.append(float(session.run(loss, {x: X, y: Y})))
            session.run(step, {x: X, y: Y})
        averages = session.run([mean, variance])
    meta = v1.train.export_meta_graph(strip_default_attrs=True)
# The list of ops is half of the file, and nobody reads it.
meta.meta_info_def.ClearField("stripped_op_list")
meta.graph_def.library.Clear()
tf.io.write_graph(meta, ".", "batch_norm.pbtxt")
print(losses)
print([[float(value) for value in average] for average in averages])

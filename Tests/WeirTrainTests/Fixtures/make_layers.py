"""Prints KerasNumbers.swift: what LayerTests compares with, computed by Keras 3 (of TensorFlow 2.21) in float64.

Variable k of a layer has the elements sin(0.7 i + k) / 2, a moving variance their absolute values plus 0.5; an input has cos(0.9 i), or
(7 i + 3) mod 5 if it holds numbers of rows. A tensor is printed as two numbers: its product with sin(0.5 i + 1), and its sum of squares. For
each case: the output, the gradients of the output's product with cos(0.3 i) for the input, if it has one, and for each trained variable, and
last the variables that training has changed.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf
from keras import layers as L

keras.backend.set_floatx("float64")
A = keras.activations


def mark(value):
    flat = np.asarray(value, dtype=np.float64).reshape(-1)
    return [float(flat @ np.sin(0.5 * np.arange(flat.size) + 1)), float(flat @ flat)]


def values(index, variable):
    flat = np.sin(0.7 * np.arange(np.prod(variable.shape)) + index) / 2
    if variable.name == "moving_variance":
        flat = np.abs(flat) + 0.5
    return flat.reshape(variable.shape)


def case(name, layer, shape, training=True, integer=False, **arguments):
    count = int(np.prod(shape))
    flat = (7 * np.arange(count) + 3) % 5 if integer else np.cos(0.9 * np.arange(count))
    dtype = "int32" if integer else layer.compute_dtype
    x = tf.constant(flat.reshape(shape), dtype=dtype)
    layer(x, **arguments) if not isinstance(layer, L.MultiHeadAttention) else layer(x, x, **arguments)
    for index, variable in enumerate(layer.weights):
        variable.assign(values(index, variable))
    before = [v.numpy().copy() for v in layer.weights]
    with tf.GradientTape() as tape:
        tape.watch(x)
        if isinstance(layer, L.MultiHeadAttention):
            y = layer(x, x, training=training, **arguments)
        elif isinstance(layer, (L.BatchNormalization, L.Dropout)):
            y = layer(x, training=training)
        else:
            y = layer(x)
        loss = tf.reduce_sum(y * tf.constant(np.cos(0.3 * np.arange(np.prod(y.shape))).reshape(y.shape), dtype=y.dtype))
        trained = [v.value for v in layer.trainable_weights]
        sources = ([] if integer else [x]) + trained
    flows = tape.gradient(loss, sources)
    numbers = mark(y)
    for flow in flows:
        numbers += mark(tf.convert_to_tensor(flow))
    for variable, old in zip(layer.weights, before):
        if not np.array_equal(variable.numpy(), old):
            numbers += mark(variable.numpy())
    show(name, numbers)


def show(name, numbers):
    """A line of a multi-line string, which backslashes continue."""
    line = f"{name}:"
    for number in numbers:
        text = f" {number:.10g}"
        if len(line) + len(text) > 120:
            print(f"        {line} \\")
            line = text[1:]
        else:
            line += text
    print(f"        {line}")


print("/// What Keras computes: the output of `Fixtures/make_layers.py`. Each line has a name and its numbers.")
print("enum KerasNumbers {")
print('    static let layers = """')
case("dense", L.Dense(3, activation="relu"), [2, 4])
case("dense of sequences", L.Dense(3, use_bias=False), [2, 3, 4])
case("embedding", L.Embedding(5, 3), [2, 4], integer=True)
case("conv1d", L.Conv1D(3, 3, strides=2, padding="same"), [2, 7, 2])
case("conv1d, causal", L.Conv1D(3, 2, padding="causal", dilation_rate=2), [2, 7, 2])
case("conv2d", L.Conv2D(3, (3, 2), strides=(2, 1), activation="tanh"), [2, 5, 4, 2])
case("conv2d, dilated", L.Conv2D(2, 2, dilation_rate=2, padding="same"), [1, 5, 5, 2])
case("conv3d", L.Conv3D(2, 2, padding="same"), [1, 3, 3, 2, 2])
case("depthwise_conv2d", L.DepthwiseConv2D(2, depth_multiplier=2), [2, 4, 3, 2])
case("conv2d_transpose", L.Conv2DTranspose(3, 3, strides=2, padding="same"), [2, 3, 2, 2])
case("conv2d_transpose, valid", L.Conv2DTranspose(3, 3, strides=2), [2, 3, 2, 2])
case("max_pooling1d", L.MaxPooling1D(2), [2, 5, 2])
case("max_pooling2d", L.MaxPooling2D(3, strides=2, padding="same"), [2, 5, 4, 2])
case("average_pooling1d", L.AveragePooling1D(2, padding="same"), [2, 5, 2])
case("average_pooling2d", L.AveragePooling2D(2), [2, 5, 4, 2])
case("global_average_pooling", L.GlobalAveragePooling2D(), [2, 3, 4, 2])
case("global_max_pooling", L.GlobalMaxPooling1D(), [2, 5, 3])
case("batch_normalization", L.BatchNormalization(), [3, 4])
case("batch_normalization of images", L.BatchNormalization(momentum=0.9, epsilon=1e-2), [2, 3, 2, 3])
case("batch_normalization, inference", L.BatchNormalization(), [3, 4], training=False)
case("layer_normalization", L.LayerNormalization(), [2, 3, 4])
case("simple_rnn", L.SimpleRNN(3), [2, 4, 2])
case("lstm", L.LSTM(3), [2, 4, 2])
case("lstm, sequences", L.LSTM(2, return_sequences=True, go_backwards=True), [2, 3, 2])
case("gru", L.GRU(3), [2, 4, 2])
case("bidirectional", L.Bidirectional(L.LSTM(2, return_sequences=True)), [2, 3, 2])
case("bidirectional, sum", L.Bidirectional(L.GRU(2), merge_mode="sum"), [2, 3, 2])
case("multi_head_attention", L.MultiHeadAttention(2, 3), [2, 4, 5])
case("multi_head_attention, causal", L.MultiHeadAttention(2, 2, value_dim=3), [2, 4, 5], use_causal_mask=True)
case("normalization", L.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0]), [2, 3])
case("rescaling", L.Rescaling(0.5, offset=-1), [2, 3])
case("permute", L.Permute((2, 1)), [2, 3, 4])
for name in ["relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "sigmoid", "tanh", "softplus", "softsign", "silu", "hard_sigmoid", "hard_silu",
             "mish", "exponential", "softmax", "log_softmax"]:
    case(name, L.Activation(lambda x, f=getattr(A, name): f(x * 8)), [3, 4])
case("approximate gelu", L.Activation(lambda x: A.gelu(x * 8, approximate=True)), [3, 4])
# TensorFlow has no float64 for these.
case("average_pooling3d", L.AveragePooling3D(2, padding="same", dtype="float32"), [1, 3, 2, 4, 2])
case("max_pooling3d", L.MaxPooling3D(2, dtype="float32"), [1, 4, 2, 5, 2])
print('        """')
print('    static let losses = """')
F = keras.losses
p = tf.constant(np.cos(0.9 * np.arange(12)).reshape(3, 4))
t = tf.constant((np.sin(1.3 * np.arange(12)) * 2).reshape(3, 4))
positive, shares = tf.nn.softmax(p * 2), tf.nn.softmax(t)
signs, hot = tf.sign(t - 0.1), tf.one_hot([2, 0, 3], 4, dtype=tf.float64)


def loss(name, rows):
    show(name, [float(tf.reduce_mean(rows))])


loss("meanSquaredError", F.mean_squared_error(t, p))
loss("meanAbsoluteError", F.mean_absolute_error(t, p))
loss("meanAbsolutePercentageError", F.mean_absolute_percentage_error(t, p))
loss("meanSquaredLogarithmicError", F.mean_squared_logarithmic_error(shares, positive))
loss("huber", F.huber(t, p, delta=0.7))
loss("logCosh", F.log_cosh(t, p))
loss("cosineSimilarity", F.cosine_similarity(t, p))
loss("poisson", F.poisson(shares * 3, positive))
loss("sparseCategoricalCrossEntropy", F.sparse_categorical_crossentropy(tf.constant([2, 0, 3]), p, from_logits=True))
loss("categoricalCrossEntropy", F.categorical_crossentropy(hot, p, from_logits=True, label_smoothing=0.1))
loss("binaryCrossEntropy", F.binary_crossentropy(hot, p * 30, from_logits=True, label_smoothing=0.2))
loss("hinge", F.hinge(signs, p))
loss("squaredHinge", F.squared_hinge(signs, p))
loss("categoricalHinge", F.categorical_hinge(hot, p))
loss("kullbackLeiblerDivergence", F.kl_divergence(shares, positive))
print('        """')
print('    static let metrics = """')
M = keras.metrics
scores = np.cos(0.9 * np.arange(40)).reshape(10, 4).astype(np.float32)
labels = (7 * np.arange(10) + 3) % 4
chances, answers = (np.cos(1.7 * np.arange(10)) + 1) / 2, (np.sin(2.3 * np.arange(10)) > 0).astype(np.float64)


def metric(name, m, truth, found):
    m.update_state(truth[:6], found[:6])
    first = float(m.result())
    m.update_state(truth[6:], found[6:])
    show(name, [first, float(m.result())])


metric("accuracy", M.SparseCategoricalAccuracy(), labels, scores)
metric("topK", M.SparseTopKCategoricalAccuracy(2, dtype="float32"), labels, scores)
metric("binaryAccuracy", M.BinaryAccuracy(threshold=0.4), answers, chances)
metric("precision", M.Precision(thresholds=0.4), answers, chances)
metric("recall", M.Recall(thresholds=0.4), answers, chances)
metric("areaUnderCurve", M.AUC(), answers, chances)
metric("meanSquaredError", M.MeanSquaredError(), answers[:, None], chances[:, None])
metric("rootMeanSquaredError", M.RootMeanSquaredError(), answers[:, None], chances[:, None])
metric("meanAbsoluteError", M.MeanAbsoluteError(), answers[:, None], chances[:, None])
print('        """')
print("}")

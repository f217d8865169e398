"""Prints the logits that NetworkTests compares with: the networks written with TensorFlow 2.21, in float64."""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf


class Values:
    """Variable k of a network, in the order of declaration, has the elements sin(0.7 i + k) / 2."""

    def __init__(self):
        self.count = -1

    def __call__(self, *shape):
        self.count += 1
        return tf.constant(np.sin(0.7 * np.arange(np.prod(shape)) + self.count).reshape(shape) / 2)


def features(rows, columns):
    return tf.constant(np.cos(0.9 * np.arange(rows * columns)).reshape(rows, columns))


def convolutional():
    v = Values()
    x = tf.reshape(features(2, 16), [-1, 4, 4, 1])
    for channels, filters in [(1, 2), (2, 3)]:
        x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, v(3, 3, channels, filters), 1, "SAME"), v(filters)))
    x = tf.reshape(tf.nn.max_pool2d(x, 2, 2, "VALID"), [-1, 12])
    x = tf.nn.relu(x @ v(12, 4) + v(4))
    return x @ v(4, 3) + v(3)


def transformer(tokens=3, size=2, width=4, heads=2):
    v = Values()

    def norm(x):
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        scale, offset = v(width), v(width)
        return tf.nn.batch_normalization(x, mean, variance, scale=scale, offset=offset, variance_epsilon=1e-6)

    def dense(x, inputs, units):
        weights, biases = v(inputs, units), v(units)
        return tf.einsum("btw,wu->btu", x, weights) + biases

    x = dense(tf.reshape(features(2, tokens * size), [-1, tokens, size]), size, width)
    x = x + v(tokens, width)
    n = norm(x)
    q, k, s = [tf.reshape(dense(n, width, width), [-1, tokens, heads, width // heads]) for _ in range(3)]
    scores = tf.nn.softmax(tf.einsum("bthd,bshd->bhts", q, k) / np.sqrt(width / heads))
    x = x + dense(tf.reshape(tf.einsum("bhts,bshd->bthd", scores, s), [-1, tokens, width]), width, width)
    # Not tf.nn.gelu, whose square root of 2 is a float32.
    wide = dense(norm(x), width, 2 * width)
    x = x + dense(0.5 * wide * (1 + tf.math.erf(wide * np.sqrt(0.5))), 2 * width, width)
    x = tf.reduce_mean(norm(x), 1)
    return x @ v(width, 3) + v(3)


def lstm(v, x, units):
    """The outputs of all steps: gates are those of input, forgetting, cell and output."""
    kernel, recurrent, bias = v(x.shape[2], 4 * units), v(units, 4 * units), v(4 * units)
    h = c = tf.zeros([x.shape[0], units], tf.float64)
    steps = []
    for step in range(x.shape[1]):
        i, f, g, o = tf.split(x[:, step] @ kernel + h @ recurrent + bias, 4, 1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        steps.append(h)
    return tf.stack(steps, 1)


def recurrent():
    v = Values()
    x = lstm(v, lstm(v, tf.reshape(features(2, 6), [-1, 3, 2]), 4), 3)
    return x[:, -1] @ v(3, 3) + v(3)


CHARACTERS = tf.constant([[0, 1, 4], [3, 3, 2]])


def recurrent_text():
    v = Values()
    x = lstm(v, tf.gather(v(5, 2), CHARACTERS), 3)
    return tf.einsum("btw,wu->btu", x, v(3, 5)) + v(5)


def transformer_text(width=4, heads=2):
    v = Values()

    def norm(x):
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        scale, offset = v(width), v(width)
        return tf.nn.batch_normalization(x, mean, variance, scale=scale, offset=offset, variance_epsilon=1e-6)

    def dense(x, inputs, units):
        weights, biases = v(inputs, units), v(units)
        return tf.einsum("btw,wu->btu", x, weights) + biases

    x = tf.gather(v(5, width), CHARACTERS)
    x = x + v(3, width)
    n = norm(x)
    q, k, s = [tf.reshape(dense(n, width, width), [-1, 3, heads, width // heads]) for _ in range(3)]
    scores = tf.einsum("bthd,bshd->bhts", q, k) / np.sqrt(width / heads)
    scores = tf.nn.softmax(tf.where(np.tri(3, dtype=bool), scores, -1e9))
    x = x + dense(tf.reshape(tf.einsum("bhts,bshd->bthd", scores, s), [-1, 3, width]), width, width)
    wide = dense(norm(x), width, 4 * width)
    x = x + dense(0.5 * wide * (1 + tf.math.erf(wide * np.sqrt(0.5))), 4 * width, width)
    return dense(norm(x), width, 5)


for network in convolutional, transformer, recurrent, recurrent_text, transformer_text:
    print(network.__name__, [float(value) for value in tf.reshape(network(), [-1])])

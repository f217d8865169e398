"""Graphs with fused and rewritten ops, as TensorFlow's master sends them to a Weir worker."""
import numpy as np
import tensorflow.compat.v1 as tf

from cases import CaseFailed, case, session

NUMBERS = np.random.RandomState(0)
IMAGE = NUMBERS.randn(2, 8, 8, 4).astype(np.float32)
MATRIX = NUMBERS.randn(8, 16).astype(np.float32)
SEQUENCE = NUMBERS.randn(2, 4, 5, 16).astype(np.float32)


def c(*shape):
    """A constant: the same for the same shape."""
    return tf.constant(np.random.RandomState(sum(shape)).randn(*shape).astype(np.float32) * 0.3)


def product(x):
    return tf.matmul(x, c(16, 12))


def conv(x, padding="SAME", channels=6):
    return tf.nn.conv2d(x, c(3, 3, 4, channels), [1, 1, 1, 1], padding)


def depthwise(x):
    return tf.nn.depthwise_conv2d(x, c(3, 3, 4, 2), [1, 1, 1, 1], "SAME")


def batch_norm(x, channels, training=False):
    scale, offset = tf.abs(c(channels)) + 0.5, c(channels)
    given = {} if training else dict(mean=c(channels), variance=tf.abs(c(channels)) + 0.5)
    return tf.nn.fused_batch_norm(x, scale, offset, is_training=training, **given)[0]


def layer_norm(x):
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    return (x - mean) * tf.rsqrt(variance + 1e-5) * c(16) + c(16)


def layer_norm_of_keras(x):
    mean = tf.reduce_mean(x, -1, keepdims=True)
    factor = tf.rsqrt(tf.reduce_mean(tf.squared_difference(x, tf.stop_gradient(mean)), -1, keepdims=True) + 1e-3) * c(16)
    return x * factor + (c(16) - mean * factor)


def instance_norm(x):
    mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
    return tf.nn.leaky_relu((x - mean) * tf.rsqrt(variance + 1e-5) * c(4) + c(4))


def unary(*names):
    functions = dict(neg=tf.negative, log1p=tf.log1p, ceil=tf.math.ceil, erf=tf.math.erf, abs=tf.abs)

    def apply(x):
        x = tf.abs(x) + 0.5
        for name in names:
            x = functions[name](x) if name in functions else getattr(tf, name)(x)
        return x
    return apply


ACTIVATIONS = {name: getattr(tf.nn, name) for name in
               ("relu", "relu6", "elu", "tanh", "sigmoid", "leaky_relu", "selu", "softplus")}
ACTIVATIONS |= {"gelu": lambda x: tf.compat.v2.nn.gelu(x, approximate=False),
                "gelu_tanh": lambda x: tf.compat.v2.nn.gelu(x, approximate=True)}


def then(linear, activation):
    return lambda x: activation(linear(x))


GRAPHS = {}
for _name, _activation in ACTIVATIONS.items():
    GRAPHS |= {
        f"product, bias, {_name}": (then(lambda x: tf.nn.bias_add(product(x), c(12)), _activation), MATRIX),
        f"product, add, {_name}": (then(lambda x: product(x) + c(12), _activation), MATRIX),
        f"convolution, bias, {_name}": (then(lambda x: tf.nn.bias_add(conv(x), c(6)), _activation), IMAGE),
        f"depthwise convolution, bias, {_name}": (then(lambda x: tf.nn.bias_add(depthwise(x), c(8)), _activation), IMAGE),
    }
GRAPHS |= {
    "convolution, batch norm": (lambda x: batch_norm(conv(x), 6), IMAGE),
    "convolution, batch norm, relu": (lambda x: tf.nn.relu(batch_norm(conv(x), 6)), IMAGE),
    "batch norm in training, relu": (lambda x: tf.nn.relu(batch_norm(x, 4, True)), IMAGE),
    "batch norm in training, add, relu": (lambda x: tf.nn.relu(batch_norm(x, 4, True) + x * 2.0), IMAGE),
    "padding, convolution, bias, relu": (lambda x: tf.nn.relu(tf.nn.bias_add(conv(
        tf.pad(x, [[0, 0], [1, 1], [2, 2], [0, 0]]), "VALID"), c(6))), IMAGE),
    "convolution, bias, add, relu": (lambda x: tf.nn.relu(tf.nn.bias_add(conv(x, channels=4), c(4)) + x), IMAGE),
    "batched product, scale, add": (lambda x: tf.matmul(x, c(2, 4, 16, 6)) * 0.25 + c(2, 4, 5, 6), SEQUENCE),
    "batched product, scale": (lambda x: tf.matmul(x, c(2, 4, 16, 6)) * 0.25, SEQUENCE),
    "layer norm": (layer_norm, SEQUENCE),
    "layer norm of Keras": (layer_norm_of_keras, SEQUENCE),
    "instance norm, leaky relu": (instance_norm, IMAGE),
    "scaled softmax": (lambda x: tf.nn.softmax(tf.matmul(x, x, transpose_b=True) / 4.0 + c(5)), SEQUENCE),
    "powers": (lambda x: tf.pow(x, 2.0) + tf.pow(tf.abs(x) + 1, 0.5) + tf.pow(x, 3.0) + tf.pow(tf.abs(x) + 1, -0.5), MATRIX),
    "pairs of transposes": (lambda x: tf.transpose(tf.nn.relu(tf.transpose(x, [0, 3, 1, 2])), [0, 2, 3, 1]) + 1, IMAGE),
    "convolution, relu, pooling": (lambda x: tf.nn.max_pool(tf.nn.relu(conv(x)), [1, 2, 2, 1], [1, 2, 2, 1], "SAME"), IMAGE),
    "a common factor": (lambda x: tf.add_n([x * c(16), x * 2.0, x * 3.0]), MATRIX),
    "concatenated constants": (lambda x: tf.concat([tf.constant(1.0, shape=[8, 3]), tf.zeros([8, 2]), x], 1), MATRIX),
    "split and concatenated": (lambda x: tf.concat([tf.nn.relu(part) for part in tf.split(x, 4, 1)], 1), MATRIX),
}
for _names in ("tanh sqrt", "exp neg", "abs log1p", "square sigmoid", "ceil cos", "sin exp", "erf sqrt"):
    GRAPHS[f"unary: {_names}"] = (unary(*_names.split()), MATRIX)


@case(ps=["tensorflow"], worker=["tensorflow", "weir"], seconds=300)
def graphs_from_tensorflows_master(cluster):
    """One case for all graphs, so that the cluster is started once; it reports every difference."""
    wrong = []
    for name, (make, fed) in GRAPHS.items():
        values = []
        for device in (None, "/job:worker/task:1"):
            tf.reset_default_graph()
            with tf.device(device):
                x = tf.placeholder(tf.float32, fed.shape)
                y = make(x)
            try:
                with (session(cluster) if device else tf.Session()) as s:
                    values.append(s.run(y, {x: fed}))
            except tf.errors.OpError as error:
                wrong.append(f"{name}: {type(error).__name__} {str(error)[:200]}")
                break
        if len(values) == 2 and not np.allclose(*values, rtol=1e-3, atol=1e-4):
            wrong.append(f"{name}: off by {np.abs(values[0] - values[1]).max()}")
    if wrong:
        raise CaseFailed(f"{len(wrong)} of {len(GRAPHS)} graphs: " + "; ".join(wrong))

"""Cases of the family NN: activations, convolutions, pooling, normalizations, losses, the largest elements."""
import numpy as np
from cases import COMPLEX, REALS, UNSIGNED, const, f32, i32, i64, kernel_types, node, numbers, tensor

NAN, INF = float("nan"), float("inf")
SPECIAL = [NAN, INF, -INF, -0.0, 0, 1e30, -1e30, 100]
FLOATS = ["float32", "float64", "float16", "bfloat16"]


def declare(table):
    activations(table)
    softmax(table)
    losses(table)
    biases(table)
    largest(table)
    conv2d(table)
    conv3d(table)
    depthwise(table)
    fused_convolutions(table)
    fused_depthwise(table)
    max_pool(table)
    max_pool_gradients(table)
    max_pool_argmax(table)
    average_pool(table)
    pool3d(table)
    batch_norm(table)
    fused_batch_norm(table)
    batch_norm_gradients(table)
    response_normalization(table)


# --- Activations and losses ------------------------------------------------------------------------------------------

def activations(table):
    for op in ("Relu", "Relu6", "Elu", "Selu", "Softplus", "Softsign", "LeakyRelu"):
        table.types(op, lambda dtype: [reals(dtype, [-2.5, -0.25, 0.5, 3, 7])], without=["qint8"])
        table.case(op, "float32, special values", [f32(SPECIAL)], grad=False)
        table.case(op, "float32, matrix", [numbers("float32", [2, 3])])
        table.case(op, "float32, no elements", [f32([], [0, 2])])
    for op in ("ReluGrad", "Relu6Grad", "EluGrad", "SeluGrad", "SoftplusGrad", "SoftsignGrad", "LeakyReluGrad"):
        table.types(op, lambda dtype: [reals(dtype, [1, -2, 3, 0.5, 4]), reals(dtype, [-0.75, 0, 0.5, 3, 7])])
        table.case(op, "float32, matrix", [numbers("float32", [2, 3]), numbers("float32", [2, 3], start=3)])
        table.case(op, "float32, no elements", [f32([], [0]), f32([], [0])])
    for op in ("Relu", "Relu6", "Elu", "Selu", "LeakyRelu", "Softplus", "Softsign"):
        table.case(op, "float32, edges of the gradient", [f32([0, -0.0, 6, -100, 100])])
    table.case("LeakyRelu", "float32, slope", [f32([-2, 0.5, -0.25])], alpha=0.75)
    table.case("LeakyRelu", "float32, slope above 1", [f32([-2, 0.5, -0.25])], alpha=1.5)
    table.case("LeakyReluGrad", "float32, slope", [f32([1, -2, 4]), f32([-2, 0.5, -0.25])], alpha=0.75)


def reals(dtype, values):
    """The values in the type; for integer types their integer parts."""
    if dtype in UNSIGNED:
        return tensor(dtype, [abs(int(value)) for value in values])
    if dtype in REALS + COMPLEX:
        return tensor(dtype, values)
    return tensor(dtype, [int(value) for value in values])


def softmax(table):
    for op in ("Softmax", "LogSoftmax"):
        table.types(op, lambda dtype: [numbers(dtype, [2, 3])])
        table.case(op, "float32, large", [f32([[1000, 1001, 999], [-1e30, 0, 1e-30]])])
        table.case(op, "float32, special values", [f32([[INF, 1, 2], [NAN, 1, 2], [-INF, 1, 2]])], grad=False)
        table.case(op, "float32, all -inf", [f32([[-INF, -INF]])], grad=False)
        table.case(op, "float32, cube", [numbers("float32", [2, 2, 3])])
        table.case(op, "float32, vector", [numbers("float32", 5)])
        table.case(op, "float32, no rows", [f32([], [0, 3])])
        table.case(op, "float32, scalar", [f32(1)], fails="INVALID_ARGUMENT")


def losses(table):
    op = "SoftmaxCrossEntropyWithLogits"
    table.types(op, lambda dtype: [numbers(dtype, [2, 3]), tensor(dtype, [[0.25, 0.75, 0], [0, 0.5, 0.5]])])
    table.case(op, "float32, labels repeated", [numbers("float32", [2, 3]), f32([[0.25, 0.5, 0.25]])], grad=False)
    table.case(op, "float32, logits repeated", [numbers("float32", [1, 3]), f32([[0.25, 0.75, 0], [0, 0.5, 0.5]])],
               grad=False)
    table.case(op, "float32, large", [f32([[1000, -1000], [3, 3]]), f32([[1, 0], [0.5, 0.5]])])
    table.case(op, "float32, no rows", [f32([], [0, 3]), f32([], [0, 3])], grad=False)
    table.case(op, "float32, shapes that do not fit", [f32([[1, 2]]), f32([[1, 2, 3]])], fails="INVALID_ARGUMENT")
    op = "SparseSoftmaxCrossEntropyWithLogits"
    table.types(op, lambda dtype: [numbers(dtype, [2, 3]), i64([2, 0])])
    table.case(op, "float32, labels of 32 bits", [f32([[1000, -1000], [3, 2]]), i32([0, 1])])
    table.case(op, "float32, label out of range", [f32([[1, 2]]), i32([2])], fails="INVALID_ARGUMENT")
    table.case(op, "float32, too few labels", [f32([[1, 2], [3, 4]]), i32([0])], fails="INVALID_ARGUMENT")


def biases(table):
    plain = lambda dtype: [numbers(dtype, [2, 1, 3]), numbers(dtype, 3, start=4)]
    table.types("BiasAdd", plain)
    table.types("BiasAddV1", lambda dtype: [numbers(dtype, [2, 3]), numbers(dtype, 3, start=4)])
    table.types("BiasAddGrad", lambda dtype: [numbers(dtype, [2, 2, 3])])
    for data_format, shape, channels in (("NCHW", [2, 3, 1, 2], 3), ("NHWC", [2, 1, 2, 3], 3), ("NCHW", [2, 3, 2], 3)):
        name = f"float32, {data_format} of {len(shape)} axes"
        table.case("BiasAdd", name, [numbers("float32", shape), numbers("float32", channels, start=2)], data_format=data_format)
        table.case("BiasAddGrad", name, [numbers("float32", shape)], data_format=data_format)
    table.case("BiasAdd", "float32, no rows", [f32([], [0, 3]), f32([1, 2, 3])])
    table.case("BiasAddGrad", "float32, no rows", [f32([], [0, 3])])
    table.case("BiasAdd", "float32, sizes that differ", [f32([[1, 2]]), f32([1, 2, 3])], fails="INVALID_ARGUMENT")


def largest(table):
    for dtype in ("int32", "int64"):
        predictions = f32([[0.1, 0.5, 0.4], [0.25, 0.25, 0.5], [0.75, 0.125, 0.125]])
        table.case("InTopK", dtype, [predictions, tensor(dtype, [1, 0, 2])], k=2)
        table.case("InTopKV2", dtype, [predictions, tensor(dtype, [2, 0, 0]), tensor(dtype, 1)])
    special = f32([[NAN, 1, 2], [INF, 1, 2], [1, 2, NAN], [3, 2, 1]])
    table.case("InTopK", "special values and targets out of range", [special, i32([1, 0, 1, 3])], k=2)
    table.case("InTopKV2", "special values and targets out of range", [special, i32([1, 0, 1, -1]), i32(2)])
    table.types("TopKV2", lambda dtype: [numbers(dtype, [2, 4]), i32(2)])
    for dtype in kernel_types("TopKV2"):  # TensorFlow 2.21 cannot create a kernel of TopK.
        table.case("TopK", dtype, [numbers(dtype, [2, 4])], k=2, grad=False,
                   instead=([const("k", i32(2)), node("v", "TopKV2", ["x0", "k"], T=dtype)], ["v:0", "v:1"]))
    table.types("TopKV2", lambda dtype: [f32([3, 1, 5, 2]), i32(3)], by="index_type", name="float32, indices of {}",
                only=["int16", "int64"], grad=False)
    table.types("TopKV2", lambda dtype: [f32([3, 1, 5, 2]), tensor(dtype, 3)], by="Tk", name="float32, k of {}",
                only=["int16", "int64"])
    table.case("TopKV2", "float32, equals", [f32([2, 3, 3, 2, 3]), i32(4)])
    table.case("TopKV2", "float32, all", [f32([[2, 3, 1], [7, 9, 8]]), i32(3)])
    table.case("TopKV2", "float32, one", [f32([[2, 3, 1], [7, 9, 8]]), i32(1)])
    table.case("TopKV2", "float32, none", [f32([[2, 3, 1], [7, 9, 8]]), i32(0)])
    table.case("TopKV2", "float32, all, not sorted", [f32([[1, 2, 3]]), i32(3)], sorted=False)
    table.case("TopKV2", "float32, infinities", [f32([-INF, INF, 1, -0.0, 0]), i32(4)])
    table.case("TopKV2", "float32, k too large", [f32([1, 2]), i32(3)], fails="INVALID_ARGUMENT")
    table.types("NthElement", lambda dtype: [numbers(dtype, [2, 5]), i32(1)])
    table.case("NthElement", "float32, reverse", [numbers("float32", [2, 5]), i32(1)], reverse=True)
    table.case("NthElement", "float32, equals", [f32([3, 3, 1, 3]), i32(2)])
    table.case("TopKV2", "float32, some of equals", [f32([[1, 3, 3, 3], [5, 4, 4, 5]]), i32(2)])
    table.case("NthElement", "float32, n too large", [f32([1, 2]), i32(2)], fails="INVALID_ARGUMENT")


# --- Convolutions ----------------------------------------------------------------------------------------------------

CONV2D = {
    "SAME": dict(image=[1, 3, 3, 1], filter=[2, 2, 1, 2], strides=[1, 1, 1, 1], padding="SAME"),
    "VALID, two channels": dict(image=[1, 2, 3, 2], filter=[2, 2, 2, 1], strides=[1, 1, 1, 1], padding="VALID"),
    "SAME, strides": dict(image=[1, 4, 5, 1], filter=[3, 2, 1, 1], strides=[1, 2, 2, 1], padding="SAME"),
    "VALID, unequal strides": dict(image=[2, 3, 4, 1], filter=[2, 1, 1, 1], strides=[1, 1, 2, 1], padding="VALID"),
    "explicit padding": dict(image=[1, 2, 3, 1], filter=[2, 2, 1, 2], strides=[1, 2, 1, 1], padding="EXPLICIT",
                             explicit_paddings=[0, 0, 1, 0, 0, 2, 0, 0]),
    "dilations": dict(image=[1, 4, 4, 1], filter=[2, 2, 1, 1], strides=[1, 1, 1, 1], padding="SAME", dilations=[1, 2, 2, 1]),
    "unequal dilations, VALID": dict(image=[1, 3, 5, 1], filter=[2, 2, 1, 1], strides=[1, 1, 1, 1], padding="VALID",
                                     dilations=[1, 1, 3, 1]),
    "one by one": dict(image=[1, 2, 2, 3], filter=[1, 1, 3, 2], strides=[1, 1, 1, 1], padding="VALID"),
    "filter as large as the image": dict(image=[2, 2, 2, 2], filter=[2, 2, 2, 2], strides=[1, 1, 1, 1], padding="VALID"),
}


def conv2d(table):
    for name, shapes in CONV2D.items():
        options = {key: value for key, value in shapes.items() if key not in ("image", "filter")}
        image, kernel = numbers("float32", shapes["image"]), numbers("float32", shapes["filter"], start=4)
        dilated = "dilations" in shapes  # TensorFlow has no gradient of these on a CPU.
        table.case("Conv2D", f"float32, {name}", [image, kernel], grad=not dilated, **options)
        if dilated:
            continue
        table.case("Conv2DBackpropFilter", f"float32, {name}", backprop(shapes, "filter", 2), **options)
        table.case("Conv2DBackpropInput", f"float32, {name}", backprop(shapes, "image", 2), **options)
    shapes = CONV2D["SAME"]
    options = dict(strides=shapes["strides"], padding="SAME")
    small = dict(image=[1, 2, 2, 1], filter=[2, 1, 1, 2], **options)
    table.types("Conv2D", lambda dtype: [numbers(dtype, small["image"]), numbers(dtype, small["filter"], 4)], **options)
    for op, of in (("Conv2DBackpropFilter", "filter"), ("Conv2DBackpropInput", "image")):
        table.types(op, lambda dtype: backprop(small, of, 2, dtype), without=["int32"] if of == "filter" else [], **options)
    table.case("Conv2D", "float32, groups", [numbers("float32", [1, 2, 2, 4]), numbers("float32", [1, 2, 2, 4], 4)],
               grad=False, **options)
    table.case("Conv2D", "float32, no images", [f32([], [0, 2, 2, 1]), numbers("float32", [2, 2, 1, 2])], grad=False, **options)
    table.case("Conv2D", "float32, channels that differ", [numbers("float32", [1, 2, 2, 3]), numbers("float32", [1, 1, 2, 1])],
               fails="INVALID_ARGUMENT", **options)
    table.case("Conv2D", "float32, stride over channels", [numbers("float32", [1, 2, 2, 1]), numbers("float32", [1, 1, 1, 1])],
               fails="UNIMPLEMENTED", strides=[1, 1, 1, 2], padding="SAME")


def backprop(shapes, of, axes, dtype="float32"):
    """The inputs of a convolution's gradient op with respect to its filter or image: the other one, the shape, the gradient
    of the output."""
    image, kernel = shapes["image"], shapes["filter"]
    spatial = [output_size(shapes, axis) for axis in range(axes)]
    depth = shapes.get("depthwise")
    channels = kernel[-2] * kernel[-1] if depth else kernel[-1]
    gradient = numbers(dtype, [image[0], *spatial, channels], start=7)
    if of == "filter":
        return [numbers(dtype, image), i32(kernel), gradient]
    return [i32(image), numbers(dtype, kernel, start=4), gradient]


def output_size(shapes, axis):
    """The size of a convolution's output along an axis of the image."""
    size, window, stride = shapes["image"][axis + 1], shapes["filter"][axis], shapes["strides"][axis + 1]
    window = (window - 1) * shapes.get("dilations", [1] * 5)[axis + 1] + 1
    if shapes["padding"] == "SAME":
        return -(-size // stride)
    if shapes["padding"] == "EXPLICIT":
        size += sum(shapes["explicit_paddings"][2 * axis + 2:2 * axis + 4])
    return (size - window) // stride + 1


CONV3D = {
    "SAME": dict(image=[1, 2, 3, 2, 1], filter=[2, 2, 1, 1, 2], strides=[1] * 5, padding="SAME"),
    "VALID, strides": dict(image=[1, 3, 2, 4, 1], filter=[2, 1, 2, 1, 1], strides=[1, 1, 1, 2, 1], padding="VALID"),
    "SAME, strides": dict(image=[2, 3, 2, 2, 1], filter=[2, 2, 2, 1, 1], strides=[1, 2, 2, 1, 1], padding="SAME"),
    "two channels": dict(image=[1, 2, 2, 2, 2], filter=[1, 2, 2, 2, 1], strides=[1] * 5, padding="VALID"),
}


def conv3d(table):
    ops = (("Conv3DBackpropFilterV2", "filter"), ("Conv3DBackpropInputV2", "image"))
    for name, shapes in CONV3D.items():
        options = dict(strides=shapes["strides"], padding=shapes["padding"])
        table.case("Conv3D", f"float32, {name}",
                   [numbers("float32", shapes["image"]), numbers("float32", shapes["filter"], start=4)], **options)
        for op, of in ops:
            table.case(op, f"float32, {name}", backprop(shapes, of, 3), **options)
    small = dict(image=[1, 2, 2, 1, 1], filter=[2, 1, 1, 1, 2], strides=[1] * 5, padding="SAME")
    options = dict(strides=small["strides"], padding="SAME")
    table.types("Conv3D", lambda dtype: [numbers(dtype, small["image"]), numbers(dtype, small["filter"], 4)], **options)
    for op, of in ops:
        table.types(op, lambda dtype: backprop(small, of, 3, dtype), **options)
    sizes, kernel, gradient = backprop(small, "image", 3)
    table.case("Conv3DBackpropInputV2", "float32, sizes of 64 bits", [i64(sizes.array), kernel, gradient], **options)


DEPTHWISE = {
    "SAME": dict(image=[1, 2, 3, 2], filter=[2, 2, 2, 2], strides=[1, 1, 1, 1], padding="SAME"),
    "VALID": dict(image=[1, 3, 3, 2], filter=[2, 2, 2, 1], strides=[1, 1, 1, 1], padding="VALID"),
    "SAME, strides": dict(image=[1, 4, 4, 1], filter=[3, 2, 1, 2], strides=[1, 2, 2, 1], padding="SAME"),
    "explicit padding": dict(image=[1, 2, 2, 2], filter=[2, 2, 2, 1], strides=[1, 1, 1, 1], padding="EXPLICIT",
                             explicit_paddings=[0, 0, 1, 0, 0, 1, 0, 0]),
}


def depthwise(table):
    ops = (("DepthwiseConv2dNativeBackpropFilter", "filter"), ("DepthwiseConv2dNativeBackpropInput", "image"))
    for name, shapes in DEPTHWISE.items():
        shapes = {**shapes, "depthwise": True}
        options = {key: value for key, value in shapes.items() if key not in ("image", "filter", "depthwise")}
        table.case("DepthwiseConv2dNative", f"float32, {name}",
                   [numbers("float32", shapes["image"]), numbers("float32", shapes["filter"], start=4)], **options)
        for op, of in ops:
            table.case(op, f"float32, {name}", backprop(shapes, of, 2), **options)
    small = dict(image=[1, 2, 2, 2], filter=[2, 1, 2, 2], strides=[1] * 4, padding="SAME", depthwise=True)
    options = dict(strides=small["strides"], padding="SAME")
    table.types("DepthwiseConv2dNative", lambda dtype: [numbers(dtype, small["image"]), numbers(dtype, small["filter"], 4)],
                **options)
    for op, of in ops:
        table.types(op, lambda dtype: backprop(small, of, 2, dtype), **options)


def fused_convolutions(table):
    shapes = dict(image=[1, 2, 3, 2], filter=[2, 2, 2, 2])
    options = dict(strides=[1, 1, 1, 1], padding="SAME")
    for dtype in kernel_types("_FusedConv2D"):
        if dtype in ("float32", "float64", "bfloat16"):
            image, kernel = numbers(dtype, shapes["image"]), numbers(dtype, shapes["filter"], start=4)
            table.case("_FusedConv2D", f"{dtype}, BiasAdd", [image, kernel, tensor(dtype, [0.5, -3])], num_args=1,
                       TArgs=[dtype], num_host_args=0, fused_ops=["BiasAdd"], **options)
    image, kernel = numbers("float32", shapes["image"]), numbers("float32", shapes["filter"], start=4)
    norm = [f32([0.5, 2]), f32([1, -3]), f32([0.25, -1]), f32([4, 0.75])]
    for activation in ("Relu", "Relu6", "Elu", "LeakyRelu"):
        slope = {"leakyrelu_alpha": 0.1} if activation == "LeakyRelu" else {}
        table.case("_FusedConv2D", f"float32, BiasAdd and {activation}", [image, kernel, f32([0.5, -3])], num_args=1,
                   TArgs=["float32"], num_host_args=0, fused_ops=["BiasAdd", activation], **options, **slope)
        table.case("_FusedConv2D", f"float32, FusedBatchNorm and {activation}", [image, kernel, *norm], num_args=4,
                   TArgs=["float32"] * 4, num_host_args=0, fused_ops=["FusedBatchNorm", activation], **options, **slope)
    table.case("_FusedConv2D", "float32, FusedBatchNorm", [image, kernel, *norm], num_args=4, TArgs=["float32"] * 4,
               num_host_args=0, fused_ops=["FusedBatchNorm"], epsilon=0.5, **options)
    table.case("_FusedConv2D", "float32, explicit padding", [image, kernel, f32([0.5, -3])], num_args=1, TArgs=["float32"],
               num_host_args=0, fused_ops=["BiasAdd"], strides=[1, 1, 2, 1], padding="EXPLICIT",
               explicit_paddings=[0, 0, 1, 0, 0, 2, 0, 0])
    table.case("_FusedConv2D", "float32, dilations", [numbers("float32", [1, 3, 3, 2]), kernel, f32([0.5, -3])], num_args=1,
               TArgs=["float32"], num_host_args=0, fused_ops=["BiasAdd"], strides=[1, 1, 1, 1], padding="VALID",
               dilations=[1, 2, 2, 1])


def fused_depthwise(table):
    """TensorFlow's CPU kernel of this op computes nothing: its optimizer replaces the node by a oneDNN op. The values are those
    of the separate ops."""
    options = dict(strides=[1, 1, 1, 1], padding="SAME")
    for dtype, activation in (("float32", "Relu"), ("float32", "Relu6"), ("float32", "Elu"), ("float32", None),
                              ("float16", "Relu"), ("bfloat16", "Relu")):
        inputs = [numbers(dtype, [1, 2, 2, 2]), numbers(dtype, [2, 1, 2, 2], 4), tensor(dtype, [0.5, -1, 2, 1])]
        nodes = [node("c", "DepthwiseConv2dNative", ["x0", "x1"], T=dtype, **options),
                 node("b", "BiasAdd", ["c", "x2"], T=dtype)]
        if activation:
            nodes.append(node("a", activation, ["b"], T=dtype))
        table.case("_FusedDepthwiseConv2dNative", f"{dtype}, BiasAdd" + (f" and {activation}" if activation else ""), inputs,
                   num_args=1, fused_ops=["BiasAdd"] + ([activation] if activation else []), grad=False,
                   instead=(nodes, [nodes[-1]["name"] + ":0"]), **options)


# --- Pooling ---------------------------------------------------------------------------------------------------------

POOLS = {
    "SAME": dict(shape=[1, 3, 3, 1], ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="SAME"),
    "VALID": dict(shape=[1, 3, 4, 1], ksize=[1, 2, 2, 1], strides=[1, 1, 2, 1], padding="VALID"),
    "SAME, strides": dict(shape=[1, 4, 5, 1], ksize=[1, 3, 2, 1], strides=[1, 2, 2, 1], padding="SAME"),
    "two channels": dict(shape=[2, 2, 3, 2], ksize=[1, 2, 2, 1], strides=[1, 2, 1, 1], padding="VALID"),
}


def window(case):
    return {key: value for key, value in case.items() if key != "shape"}


def max_pool(table):
    small = POOLS["SAME"]
    table.types("MaxPool", lambda dtype: [numbers(dtype, [1, 2, 2, 1])], **window(small), without=["qint8"])
    sizes = [i32(small["ksize"]), i32(small["strides"])]
    table.types("MaxPoolV2", lambda dtype: [numbers(dtype, [1, 2, 2, 1]), *sizes], padding="SAME", without=["qint8"])
    for name, case in POOLS.items():
        table.case("MaxPool", f"float32, {name}", [numbers("float32", case["shape"])], **window(case))
        table.case("MaxPoolV2", f"float32, {name}", [numbers("float32", case["shape"]), i32(case["ksize"]),
                                                     i32(case["strides"])], padding=case["padding"])
    table.case("MaxPool", "float32, explicit padding", [numbers("float32", [1, 3, 3, 1])], ksize=[1, 2, 2, 1],
               strides=[1, 2, 2, 1], padding="EXPLICIT", explicit_paddings=[0, 0, 1, 0, 0, 1, 0, 0])
    nan = [1, NAN, 2, -INF, -INF, -INF]
    square = dict(strides=[1, 1, 1, 1], padding="VALID")
    table.case("MaxPool", "float32, NaN", [f32(nan, [1, 2, 3, 1])], grad=False, ksize=[1, 2, 2, 1], **square)
    table.case("MaxPoolWithArgmax", "float32, special values", [f32(nan, [1, 2, 3, 1])], grad=False, ksize=[1, 2, 1, 1], **square)
    table.case("MaxPool3D", "float32, special values", [f32(nan, [1, 2, 3, 1, 1])], grad=False, ksize=[1, 2, 1, 1, 1],
               strides=[1] * 5, padding="VALID")
    table.case("MaxPool", "float32, equals", [f32([2, 2, 1, 2, 2, 2], [1, 2, 3, 1])], **window(small))
    table.case("MaxPool", "float32, over channels", [numbers("float32", [1, 2, 2, 4])], ksize=[1, 1, 1, 2],
               strides=[1, 1, 1, 2], padding="SAME", grad=False)
    table.case("MaxPool", "float32, special values", [f32([1, -INF, INF, -INF, -INF, 2], [1, 2, 3, 1])],
               grad=False, **window(small))


def pooled(case, dtype="float32", start=0):
    """The output size of a pooling op, and an image without equal values."""
    spatial = []
    for axis in range(1, len(case["shape"]) - 1):
        size, stride = case["shape"][axis], case["strides"][axis]
        spatial.append(-(-size // stride) if case["padding"] == "SAME" else (size - case["ksize"][axis]) // stride + 1)
    return [case["shape"][0], *spatial, case["shape"][-1]]


def greatest(case, dtype):
    """The input image of a pooling op and its maxima."""
    image = numbers(dtype, case["shape"])
    out = pooled(case)
    result = numbers(dtype, out)
    axes = len(out) - 2
    pads = [pad_before(case, axis + 1, out[axis + 1]) for axis in range(axes)]
    for place in np.ndindex(*out):
        start = [place[axis + 1] * case["strides"][axis + 1] - pads[axis] for axis in range(axes)]
        part = tuple(slice(max(0, start[axis]), start[axis] + case["ksize"][axis + 1]) for axis in range(axes))
        result.array[place] = image.array[(place[0], *part, place[-1])].max()
    return image, result


def pad_before(case, axis, size):
    if case["padding"] == "VALID":
        return 0
    return max(0, (size - 1) * case["strides"][axis] + case["ksize"][axis] - case["shape"][axis]) // 2


def max_pool_gradients(table):
    def of_output(case, dtype):
        image, result = greatest(case, dtype)
        return [image, result, numbers(dtype, pooled(case), start=5)]

    def of_input(case, dtype):
        image, result = greatest(case, dtype)
        return [image, result, numbers(dtype, case["shape"], start=5)]

    small = dict(shape=[1, 2, 3, 1], ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="SAME")
    sizes = [i32(small["ksize"]), i32(small["strides"])]
    table.types("MaxPoolGrad", lambda dtype: of_output(small, dtype), **window(small))
    table.types("MaxPoolGradV2", lambda dtype: of_output(small, dtype) + sizes, padding="SAME")
    table.types("MaxPoolGradGrad", lambda dtype: of_input(small, dtype), **window(small))
    table.types("MaxPoolGradGradV2", lambda dtype: of_input(small, dtype) + sizes, padding="SAME")
    for name, case in POOLS.items():
        sizes = [i32(case["ksize"]), i32(case["strides"])]
        table.case("MaxPoolGrad", f"float32, {name}", of_output(case, "float32"), **window(case))
        table.case("MaxPoolGradV2", f"float32, {name}", of_output(case, "float32") + sizes, padding=case["padding"])
        table.case("MaxPoolGradGrad", f"float32, {name}", of_input(case, "float32"), **window(case))
        table.case("MaxPoolGradGradV2", f"float32, {name}", of_input(case, "float32") + sizes, padding=case["padding"])
    table.case("MaxPoolGrad", "float32, equals", [f32(2, [1, 2, 2, 1]), f32(2, [1, 1, 1, 1]), f32(3, [1, 1, 1, 1])],
               ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID")


def max_pool_argmax(table):
    small = dict(shape=[1, 2, 3, 1], ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="SAME")
    table.types("MaxPoolWithArgmax", lambda dtype: [numbers(dtype, small["shape"])], **window(small))
    table.types("MaxPoolGradWithArgmax", lambda dtype: [numbers(dtype, [1, 2, 2, 1]), numbers(dtype, [1, 1, 2, 1], 3),
                                                        i64([3, 0], [1, 1, 2, 1])],
                ksize=[1, 2, 1, 1], strides=[1, 2, 1, 1], padding="VALID")
    for name, case in POOLS.items():
        table.case("MaxPoolWithArgmax", f"float32, {name}", [numbers("float32", case["shape"])], **window(case))
    batches = POOLS["two channels"]
    for with_batch in (False, True):
        table.case("MaxPoolWithArgmax", f"float32, batches, include_batch_in_index {with_batch}",
                   [numbers("float32", batches["shape"])], include_batch_in_index=with_batch, **window(batches))
        table.case("MaxPoolGradWithArgmax", f"float32, batches, include_batch_in_index {with_batch}",
                   [numbers("float32", [2, 1, 2, 1]), numbers("float32", [2, 1, 1, 1], 3),
                    i64([1, 2 if with_batch else 0], [2, 1, 1, 1])],
                   include_batch_in_index=with_batch, ksize=[1, 1, 2, 1], strides=[1, 1, 2, 1], padding="VALID")
    table.types("MaxPoolWithArgmax", lambda dtype: [numbers("float32", small["shape"])], by="Targmax",
                name="float32, places of {}", only=["int32"], grad=False, **window(small))


def average_pool(table):
    small = dict(shape=[1, 2, 3, 1], ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="SAME")
    table.types("AvgPool", lambda dtype: [numbers(dtype, small["shape"])], **window(small))
    table.types("AvgPoolGrad", lambda dtype: [i32(small["shape"]), numbers(dtype, pooled(small), 5)], **window(small))
    for name, case in POOLS.items():
        table.case("AvgPool", f"float32, {name}", [numbers("float32", case["shape"])], **window(case))
        table.case("AvgPoolGrad", f"float32, {name}", [i32(case["shape"]), numbers("float32", pooled(case), 5)], **window(case))
    table.case("AvgPool", "float32, special values", [f32([1, NAN, 3, INF, 2, 4], [1, 2, 3, 1])], grad=False, **window(small))


POOLS3D = {
    "SAME": dict(shape=[1, 2, 3, 2, 1], ksize=[1, 2, 2, 2, 1], strides=[1] * 5, padding="SAME"),
    "VALID": dict(shape=[1, 3, 2, 4, 1], ksize=[1, 2, 2, 1, 1], strides=[1, 1, 1, 2, 1], padding="VALID"),
    "SAME, strides, two channels": dict(shape=[1, 3, 2, 2, 2], ksize=[1, 2, 1, 2, 1], strides=[1, 2, 1, 2, 1], padding="SAME"),
}


def pool3d(table):
    for op in ("MaxPool3D", "AvgPool3D"):
        table.types(op, lambda dtype: [numbers(dtype, POOLS3D["SAME"]["shape"])], **window(POOLS3D["SAME"]))
        for name, case in POOLS3D.items():
            table.case(op, f"float32, {name}", [numbers("float32", case["shape"])], **window(case))
    table.case("MaxPool3D", "float32, equals", [f32([2, 2, 1, 2], [1, 2, 2, 1, 1])], ksize=[1, 2, 2, 1, 1],
               strides=[1, 2, 2, 1, 1], padding="VALID")
    for name, case in POOLS3D.items():
        def of_average(dtype):
            return [i32(case["shape"]), numbers(dtype, pooled(case), 5)]

        def of_output(dtype):
            return [*greatest(case, dtype), numbers(dtype, pooled(case), 5)]

        def of_input(dtype):
            return [*greatest(case, dtype), numbers(dtype, case["shape"], 5)]

        only = None if name == "SAME" else ["float32"]
        label = "{}, " + name
        table.types("AvgPool3DGrad", of_average, name=label, only=only, **window(case))
        table.types("MaxPool3DGrad", of_output, name=label, only=only, **window(case))
        table.types("MaxPool3DGradGrad", of_input, name=label, only=only, **window(case))
    for op, size in (("MaxPool3DGrad", [1] * 5), ("MaxPool3DGradGrad", [1, 2, 2, 1, 1])):
        table.case(op, "float32, equals", [f32([1, 2, 2, 2], [1, 2, 2, 1, 1]), f32(2, [1] * 5), numbers("float32", size, 5)],
                   ksize=[1, 2, 2, 1, 1], strides=[1, 2, 2, 1, 1], padding="VALID", grad=False)


# --- Normalizations --------------------------------------------------------------------------------------------------

def batch_norm(table):
    scale, offset = f32([0.5, 2]), f32([1, -3])
    mean, variance, nothing = f32([0.25, -1]), f32([4, 0.75]), f32([])
    image = numbers("float32", [2, 2, 1, 2])
    for op in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"):
        types = ["float32"] if op == "FusedBatchNorm" else [one for one in kernel_types(op) if one in FLOATS]
        for dtype in types:
            made = tensor(dtype, image.array)
            table.case(op, f"{dtype}, training", [made, scale, offset, nothing, nothing])
            table.case(op, f"{dtype}, inference", [made, scale, offset, mean, variance], is_training=False,
                       any=[3, 4])
        table.case(op, "float32, running average", [image, scale, offset, mean, variance], exponential_avg_factor=0.25)
        table.case(op, "float32, epsilon", [image, scale, offset, nothing, nothing], epsilon=0.5)
        channels_first = numbers("float32", [2, 2, 1, 3])
        table.case(op, "float32, NCHW, training", [channels_first, scale, offset, nothing, nothing], data_format="NCHW")
        table.case(op, "float32, NCHW, inference", [channels_first, scale, offset, mean, variance], data_format="NCHW",
                   is_training=False, any=[3, 4])
        table.case(op, "float32, one row", [numbers("float32", [1, 1, 1, 2]), scale, offset, nothing, nothing])
    volume = numbers("float32", [1, 2, 2, 1, 2])
    table.case("FusedBatchNormV3", "float32, NDHWC, training", [volume, scale, offset, nothing, nothing], data_format="NDHWC")


def fused_batch_norm(table):
    """TensorFlow's CPU kernel of this op computes nothing, so the values are those of the separate ops."""
    for dtype in ("float32", "bfloat16"):
        image, side = numbers(dtype, [1, 2, 1, 4]), numbers(dtype, [1, 2, 1, 4], 5)
        inputs = [image, *(numbers("float32", 4, start) for start in (1, 2, 3)), f32([1, 4, 2, 0.5])]
        norm = node("n", "FusedBatchNormV3", [f"x{index}" for index in range(5)], T=dtype, U="float32", is_training=False)
        outputs = [f"n:{index}" for index in range(1, 6)]
        relu = node("r", "Relu", ["n"], T=dtype)
        table.case("_FusedBatchNormEx", f"{dtype}, Relu", inputs, num_side_inputs=0, activation_mode="Relu", is_training=False,
                   grad=False, any=[3, 4, 5], instead=([norm, relu], ["r:0", *outputs]))
        table.case("_FusedBatchNormEx", f"{dtype}, Identity", inputs, num_side_inputs=0, activation_mode="Identity",
                   is_training=False, grad=False, any=[3, 4, 5], instead=([norm], ["n:0", *outputs]))
        added = [norm, node("s", "AddV2", ["n", "x5"], T=dtype), node("r", "Relu", ["s"], T=dtype)]
        table.case("_FusedBatchNormEx", f"{dtype}, Relu of a sum", inputs + [side], num_side_inputs=1, activation_mode="Relu",
                   is_training=False, grad=False, any=[3, 4, 5], instead=(added, ["r:0", *outputs]))


def batch_norm_gradients(table):
    scale, mean, variance = f32([0.5, 2]), f32([0.25, -1]), f32([4, 0.75])
    gradient, image = numbers("float32", [2, 2, 1, 2], 5), numbers("float32", [2, 2, 1, 2])
    for op in ("FusedBatchNormGrad", "FusedBatchNormGradV2", "FusedBatchNormGradV3"):
        third = [f32([])] if op == "FusedBatchNormGradV3" else []
        types = ["float32"] if op == "FusedBatchNormGrad" else [one for one in kernel_types(op) if one in FLOATS]
        for dtype in types:
            pair = [tensor(dtype, gradient.array), tensor(dtype, image.array)]
            for training in (True, False):
                table.case(op, f"{dtype}, {'training' if training else 'inference'}", [*pair, scale, mean, variance, *third],
                           is_training=training, epsilon=0.125)
        table.case(op, "float32, NCHW", [numbers("float32", [2, 2, 1, 3], 5), numbers("float32", [2, 2, 1, 3]), scale, mean,
                                         variance, *third], data_format="NCHW")


def response_normalization(table):
    image = lambda dtype: numbers(dtype, [1, 1, 2, 5])
    table.types("LRN", lambda dtype: [image(dtype)], depth_radius=1, alpha=0.5)
    table.types("LRNGrad", lambda dtype: [numbers(dtype, [1, 1, 2, 5], 5), image(dtype), numbers(dtype, [1, 1, 2, 5], 2)],
                depth_radius=1, alpha=0.5)
    table.case("LRN", "float32, defaults", [image("float32")])
    table.case("LRN", "float32, all attributes", [image("float32")], depth_radius=2, bias=2.0, alpha=0.25, beta=0.75)
    table.case("LRNGrad", "float32, all attributes", [numbers("float32", [1, 1, 2, 5], 5), image("float32"),
                                                      numbers("float32", [1, 1, 2, 5], 2)],
               depth_radius=2, bias=2.0, alpha=0.25, beta=0.75)

"""Missing devices: TensorFlow's errors, and what soft placement allows."""
import tensorflow.compat.v1 as tf
from tensorflow.python.ops import gen_resource_variable_ops

from cases import PS, WORKER1, case, expect, expect_error, session

# The device, and whether soft placement may replace it: never for a missing task or job.
DEVICES = {"/job:ps/task:4": False, "/job:parameters/task:0": False, "/job:localhost/task:0": False,
           "/job:worker/task:0/gpu:0": True, "/device:GPU:3": True, "/cpu:7": True, "/device:TPU:0": True}


@case(ps=1, worker=2, each={f"{device}, {'soft' if soft else 'strict'}": dict(device=device, soft=soft)
                            for device in DEVICES for soft in (False, True)})
def a_device_that_is_not_there(cluster, device, soft):
    with tf.device(device):
        y = tf.constant([1.0, 2.0]) * 3
    with session(cluster, allow_soft_placement=soft) as s:
        if soft and DEVICES[device]:
            expect(s.run(y), [3.0, 6.0])
            return
        name = device.replace("gpu", "device:GPU").replace("/cpu", "/device:CPU")
        with expect_error(tf.errors.InvalidArgumentError, "Cannot assign a device for operation",
                          f"was explicitly assigned to {name}", "available devices are.*/job:ps/replica:0/task:0/device:CPU:0"):
            s.run(y)


@case(ps=1, worker=2)
def an_update_of_a_reference_goes_to_its_variable(cluster):
    with tf.device(PS):
        v = tf.get_variable("v", [], initializer=tf.ones_initializer(), use_resource=False)
    update = tf.get_default_graph().create_op("AssignAdd", [v._ref(), tf.constant(1.0)], [v._ref().dtype])
    update._set_device(WORKER1)
    with session(cluster) as s:
        s.run(v.initializer)
        expect(s.run(update.outputs[0]), 2.0)


@case(ps=1, worker=2)
def a_read_of_a_resource_goes_to_its_variable(cluster):
    with tf.device(PS):
        v = tf.get_variable("v", [], initializer=tf.ones_initializer(), use_resource=True)
    with tf.device(WORKER1):
        y = gen_resource_variable_ops.read_variable_op(v.handle, tf.float32)
    with session(cluster) as s:
        s.run(v.initializer)
        expect(s.run(y), 1.0)

"""Clients that compress their requests, as `RPCOptions` can request."""
import numpy as np
import tensorflow.compat.v1 as tf

from cases import PS, WORKER0, case, expect, session


@case(ps=1, worker=1, each={name: dict(algorithm=name) for name in ("gzip", "deflate")})
def steps_of_a_client_that_compresses(cluster, algorithm):
    with tf.device(PS):
        x = tf.placeholder(tf.float32, [None])
        doubled = x * 2
    with tf.device(WORKER0):
        total = tf.reduce_sum(doubled) + tf.reduce_sum(tf.constant(np.ones(10_000, np.float32)))
    rpc = dict(compression_algorithm=algorithm, compression_level=2)
    with session(cluster, rpc_options=rpc) as s:
        for count in (0, 3, 100_000):
            found = s.run([doubled, total], {x: np.ones(count, np.float32)})
            expect(found[0].tolist(), [2.0] * count, f"{count} values doubled")
            expect(float(found[1]), 2.0 * count + 10_000, f"sum with {count} values")

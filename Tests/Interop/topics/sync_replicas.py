"""TensorFlow's unchanged SyncReplicasOptimizer on Weir's servers."""
import tensorflow.compat.v1 as tf

from cases import case, expect

VARIABLES = {f"{kind} variables{', an embedding' if embedding else ''}": dict(resource=kind == "resource", embedding=embedding)
             for kind in ("reference", "resource") for embedding in (False, True)}


@case(ps=2, worker=2, each=VARIABLES)
def one_worker_goes_on_to_the_last_step(cluster, resource, embedding):
    """One worker gives both gradients of each update. (With two workers the number of stale gradients varies, and each stale
    gradient uses up a token: TensorFlow's own servers deadlock now and then.)"""
    devices = tf.train.replica_device_setter(worker_device="/job:worker/task:0",
                                             cluster=tf.train.ClusterSpec(cluster.addresses))
    with tf.device(devices):
        step = tf.train.get_or_create_global_step()
        w = tf.get_variable("w", [3, 1], initializer=tf.zeros_initializer(), use_resource=resource)
        loss = tf.reduce_sum(tf.square(w - 1.0))
        if embedding:
            table = tf.get_variable("table", [5, 3], initializer=tf.ones_initializer(), use_resource=resource)
            loss += tf.reduce_sum(tf.square(tf.nn.embedding_lookup(table, tf.constant([0, 1]))))
        optimizer = tf.train.SyncReplicasOptimizer(tf.train.GradientDescentOptimizer(0.05), replicas_to_aggregate=2,
                                                   total_num_replicas=2)
        minimize = optimizer.minimize(loss, global_step=step)
        hooks = [optimizer.make_session_run_hook(True), tf.train.StopAtStepHook(last_step=20)]
    results = []
    with tf.train.MonitoredTrainingSession(cluster.target(), hooks=hooks, log_step_count_steps=0, save_summaries_steps=0,
                                           config=tf.ConfigProto(operation_timeout_in_ms=30_000),
                                           stop_grace_period_secs=3) as s:
        while not s.should_stop():
            _, value, number = s.run([minimize, loss, step])
            results.append((int(number), float(value)))
    steps = [step for step, _ in results]
    expect(steps == sorted(steps) and steps[-1] >= 19, True, f"rising steps up to 20, of {steps}")
    expect(results[-1][1] < 0.2 * results[0][1], True, f"a falling loss, of {results}")

"""TensorFlow's SyncReplicasOptimizer, as it comes, on Weir's servers."""
import threading

import tensorflow.compat.v1 as tf

from cases import case, expect

VARIABLES = {f"{kind} variables{', an embedding' if embedding else ''}": dict(resource=kind == "resource", embedding=embedding)
             for kind in ("reference", "resource") for embedding in (False, True)}


def train(cluster, worker, resource, embedding, last_step, results, replicas):
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        devices = tf.train.replica_device_setter(worker_device=f"/job:worker/task:{worker}",
                                                 cluster=tf.train.ClusterSpec(cluster.addresses))
        with tf.device(devices):
            step = tf.train.get_or_create_global_step()
            w = tf.get_variable("w", [3, 1], initializer=tf.zeros_initializer(), use_resource=resource)
            loss = tf.reduce_sum(tf.square(w - 1.0))
            if embedding:
                table = tf.get_variable("table", [5, 3], initializer=tf.ones_initializer(), use_resource=resource)
                loss += tf.reduce_sum(tf.square(tf.nn.embedding_lookup(table, tf.constant([0, 1]))))
            optimizer = tf.train.SyncReplicasOptimizer(tf.train.GradientDescentOptimizer(0.05),
                                                       replicas_to_aggregate=2, total_num_replicas=replicas)
            minimize = optimizer.minimize(loss, global_step=step)
            hooks = [optimizer.make_session_run_hook(worker == 0), tf.train.StopAtStepHook(last_step=last_step)]
        with tf.train.MonitoredTrainingSession(
                cluster.target("worker", worker), is_chief=worker == 0, hooks=hooks, log_step_count_steps=0,
                config=tf.ConfigProto(operation_timeout_in_ms=20_000), save_summaries_steps=0,
                stop_grace_period_secs=3) as s:
            while not s.should_stop():
                _, value, number = s.run([minimize, loss, step])
                results.append((int(number), float(value)))


@case(ps=2, worker=2, each=VARIABLES)
def one_worker_goes_on_to_the_last_step(cluster, resource, embedding):
    """Two tokens a step, so that one worker gives both gradients of each update."""
    results = []
    train(cluster, 0, resource, embedding, 20, results, replicas=2)
    steps = [step for step, _ in results]
    expect(steps == sorted(steps) and steps[-1] >= 19, True, f"rising steps up to 20, of {steps}")
    by_step = {}
    for step, value in results:
        by_step.setdefault(step, value)
    expect(results[-1][1] < 0.2 * results[0][1], True, f"a falling loss, of {results}")


@case(ps=2, worker=2, each=VARIABLES)
def two_workers_go_on_to_the_last_step(cluster, resource, embedding):
    results, errors = ([], []), []

    def work(worker):
        try:
            train(cluster, worker, resource, embedding, 20, results[worker], replicas=2)
        except Exception as error:  # shown by the comparison below
            errors.append(f"worker {worker}: {type(error).__name__}: {str(error)[:300]}")
    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    expect(errors, [], "errors")
    last = max(step for one in results for step, _ in one)
    expect(last >= 19, True, f"the last step, of {last}")

"""TensorFlow's SyncReplicasOptimizer, as it comes, on Weir's servers."""
import threading

import tensorflow.compat.v1 as tf

from cases import case, expect

VARIABLES = {f"{kind} variables{', an embedding' if embedding else ''}": dict(resource=kind == "resource", embedding=embedding)
             for kind in ("reference", "resource") for embedding in (False, True)}


def train(cluster, worker, resource, embedding, steps, hooks=(), before_end=lambda: None):
    """The number of the global step and the loss in each step of one worker's client; the chief's is worker 0."""
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
            optimizer = tf.train.SyncReplicasOptimizer(tf.train.GradientDescentOptimizer(0.05), replicas_to_aggregate=2,
                                                       total_num_replicas=2)
            minimize = optimizer.minimize(loss, global_step=step)
            hooks = [optimizer.make_session_run_hook(worker == 0), *hooks]
        results = []
        with tf.train.MonitoredTrainingSession(
                cluster.target("worker", worker), is_chief=worker == 0, hooks=hooks, log_step_count_steps=0,
                config=tf.ConfigProto(operation_timeout_in_ms=60_000), save_summaries_steps=0,
                stop_grace_period_secs=3) as s:
            while len(results) < steps and not s.should_stop():
                _, value, number = s.run([minimize, loss, step])
                results.append((int(number), float(value)))
            before_end()
    return results


@case(ps=2, worker=2, each=VARIABLES)
def one_worker_goes_on_to_the_last_step(cluster, resource, embedding):
    """It gives both gradients of each update."""
    results = train(cluster, 0, resource, embedding, 100, [tf.train.StopAtStepHook(last_step=20)])
    steps = [step for step, _ in results]
    expect(steps == sorted(steps) and steps[-1] >= 19, True, f"rising steps up to 20, of {steps}")
    expect(results[-1][1] < 0.2 * results[0][1], True, f"a falling loss, of {results}")


@case(ps=2, worker=2, seconds=180, each=VARIABLES)
def two_workers_go_on_together(cluster, resource, embedding):
    """The chief hands out the tokens, so it stays until the other has made its steps."""
    results, errors, chief_is_ready, other_is_done = {}, [], threading.Event(), threading.Event()

    class Ready(tf.train.SessionRunHook):
        def after_create_session(self, session, coordinator):
            chief_is_ready.set()

    def work(worker):
        try:
            if worker == 0:
                results[0] = train(cluster, 0, resource, embedding, 12, [Ready()], lambda: other_is_done.wait(60))
            elif chief_is_ready.wait(60):  # or else it would look for variables, and sleep for 30 seconds
                results[1] = train(cluster, 1, resource, embedding, 12, before_end=other_is_done.set)
        except Exception as error:  # shown by the comparison below
            errors.append(f"worker {worker}: {type(error).__name__}: {str(error)[:300]}")
    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    expect(errors, [], "errors")
    # Both together made 24 gradients, two for an update: some of them may have been stale.
    last = max(step for one in results.values() for step, _ in one)
    expect(6 <= last <= 12, True, f"six to twelve updates, of {last}")

"""Input pipelines with queues: epochs end, coordinators stop, no element is lost or read twice."""
import numpy as np
import tensorflow.compat.v1 as tf

from cases import PS, WORKER0, case, expect, expect_error, session


def run_to_the_end(s, fetch):
    """The results of all steps until the queues are closed and empty."""
    coordinator, results = tf.train.Coordinator(), []
    threads = tf.train.start_queue_runners(s, coordinator)
    try:
        while True:
            results.append(s.run(fetch))
    except tf.errors.OutOfRangeError:
        pass
    coordinator.request_stop()
    coordinator.join(threads, stop_grace_period_secs=10)
    return results


@case(ps=1, worker=2, each={f"worker {task}": dict(task=task) for task in range(2)})
def two_epochs_of_texts_in_shuffled_batches(cluster, task):
    with tf.device(f"/job:worker/task:{task}"):
        texts = tf.train.string_input_producer([str(number) for number in range(30)], num_epochs=2)
        number = tf.string_to_number(texts.dequeue(), tf.int32)
        batch = tf.train.shuffle_batch([number, number * 2], 7, 40, 10, allow_smaller_final_batch=True, num_threads=2)
    with session(cluster, "worker", task) as s:
        s.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        results = run_to_the_end(s, batch)
    expect(sorted(int(number) for numbers, _ in results for number in numbers), sorted(list(range(30)) * 2), "numbers")
    expect(all((2 * numbers == doubled).all() for numbers, doubled in results), True, "pairs fit")


@case(ps=1, worker=2)
def texts_that_are_listed_on_a_parameter_server(cluster):
    with tf.device(PS):
        texts = tf.train.string_input_producer([f"s{number}" for number in range(9)], num_epochs=1, shared_name="texts",
                                               shuffle=False)
        text = texts.dequeue()
    with tf.device(WORKER0):
        batch = tf.train.batch([text], 3, num_threads=1)
    results = []
    with tf.train.MonitoredTrainingSession(cluster.target(), log_step_count_steps=0, save_summaries_steps=0,
                                           config=tf.ConfigProto(operation_timeout_in_ms=20_000)) as s:
        while not s.should_stop():
            results.extend(s.run(batch).tolist())
    expect(results, [b"s%d" % number for number in range(9)])


@case(ps=1, worker=2)
def slices_of_a_variable_of_strings(cluster):
    letters = np.array([[letter] for letter in "abcdefghijklmnopqrstuvwxyz"], object)
    given = tf.placeholder(tf.string, [26, 1])
    v = tf.Variable(given, trainable=False, collections=[])
    with tf.device(WORKER0):
        one, = tf.train.slice_input_producer([v], shuffle=False, capacity=1, num_epochs=1)
        queue = tf.PaddingFIFOQueue(26, [tf.string], [[1]])
        tf.train.add_queue_runner(tf.train.QueueRunner(queue, [queue.enqueue(one)]))
        taken = queue.dequeue_up_to(5)
    with session(cluster) as s:
        s.run(v.initializer, {given: letters})
        s.run(tf.local_variables_initializer())
        results = run_to_the_end(s, taken)
    expect(b"".join(row[0] for rows in results for row in rows.tolist()), b"abcdefghijklmnopqrstuvwxyz")


@case(ps=1, worker=1)
def queues_by_priority_and_at_random(cluster):
    with tf.device(PS):
        first = tf.PriorityQueue(10, [tf.string], [[]], shared_name="priority")
        puts = [first.enqueue((tf.constant(number, tf.int64), f"p{number}")) for number in (3, 1, 2)]
        taken = first.dequeue()[1]
        second = tf.RandomShuffleQueue(10, 0, [tf.int32], [[]], seed=1)
        many, three = second.enqueue_many([[1, 2, 3]]), second.dequeue_many(3)
        close = first.close()
    with session(cluster) as s:
        for put in puts:
            s.run(put)
        expect([s.run(taken) for _ in range(3)], [b"p1", b"p2", b"p3"], "by priority")
        s.run(many)
        expect(sorted(s.run(three).tolist()), [1, 2, 3], "shuffled")
        s.run(close)
        with expect_error(tf.errors.OutOfRangeError, "is closed and has insufficient elements"):
            s.run(taken)

"""Input pipelines of queues and readers: epochs end, coordinators stop, nothing is lost or read twice."""
import os
import tempfile

import numpy as np
import tensorflow.compat.v1 as tf

from cases import PS, WORKER0, case, expect, expect_error, on, session


def run_to_the_end(s, fetch):
    """What each step gives until the queues are at their end."""
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
def two_epochs_of_text_files(cluster, task):
    with tempfile.TemporaryDirectory() as folder:
        for number in range(3):
            with open(f"{folder}/{number}.csv", "w") as file:
                file.writelines(f"{number},{row},{row / 2}\n" for row in range(10))
        with tf.device(f"/job:worker/task:{task}"):
            names = tf.train.string_input_producer([f"{folder}/{number}.csv" for number in range(3)], num_epochs=2)
            _, line = tf.TextLineReader().read(names)
            batch = tf.train.shuffle_batch(tf.decode_csv(line, [[0], [0], [0.0]]), 7, 40, 10,
                                           allow_smaller_final_batch=True, num_threads=2)
        with session(cluster, "worker", task) as s:
            s.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
            results = run_to_the_end(s, batch)
    expect(sum(len(numbers) for numbers, _, _ in results), 60, "rows")
    expect(float(sum(halves.sum() for _, _, halves in results)), 135.0, "their sum")


@case(ps=1, worker=2)
def records_whose_names_come_from_a_parameter_server(cluster):
    with tempfile.TemporaryDirectory() as folder:
        for number in range(3):
            with tf.io.TFRecordWriter(f"{folder}/{number}.tfrecord") as writer:
                for row in range(10):
                    example = tf.train.Example()
                    example.features.feature["x"].float_list.value.extend([row, number])
                    example.features.feature["y"].int64_list.value.append(row)
                    example.features.feature["t"].bytes_list.value.append(b"s%d" % row)
                    writer.write(example.SerializeToString())
        with tf.device(PS):
            found = tf.train.match_filenames_once(os.path.join(folder, "*.tfrecord"))
        with tf.device(WORKER0):
            names = tf.train.string_input_producer(found, num_epochs=1, shared_name="names")
            _, record = tf.TFRecordReader().read(names)
            features = tf.parse_single_example(record, {"x": tf.FixedLenFeature([2], tf.float32),
                                                        "y": tf.FixedLenFeature([], tf.int64),
                                                        "t": tf.FixedLenFeature([], tf.string)})
            batch = tf.train.batch([features["x"], features["y"], features["t"]], 6, num_threads=1)
        results = []
        with tf.train.MonitoredTrainingSession(cluster.target(), log_step_count_steps=0, save_summaries_steps=0,
                                               config=tf.ConfigProto(operation_timeout_in_ms=20_000)) as s:
            while not s.should_stop():
                results.append(s.run(batch))
    expect(len(results), 5, "batches")
    expect(sorted(int(y) for _, numbers, _ in results for y in numbers), sorted(list(range(10)) * 3), "rows")
    expect(all(text == b"s%d" % y for _, numbers, texts in results for y, text in zip(numbers, texts)), True, "texts fit")


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

"""tf.data across tasks: iterators on one, their elements used on another."""
import tensorflow.compat.v1 as tf

from cases import PS, WORKER0, WORKER1, case, expect, expect_error, on, session


@case(ps=1, worker=2, each={"here": dict(made=WORKER0, used=WORKER0), "elsewhere": dict(made=PS, used=WORKER1)})
def an_iterator_gives_each_element_once(cluster, made, used):
    with tf.device(made):
        dataset = tf.data.Dataset.range(100).map(lambda x: x * 2).shuffle(10, seed=1).batch(4).prefetch(1)
        iterator = tf.data.make_initializable_iterator(dataset)
        batch = iterator.get_next()
    with tf.device(used):
        total = tf.reduce_sum(batch)
    with session(cluster) as s:
        for _ in range(2):
            s.run(iterator.initializer)
            expect(sum(int(s.run(total)) for _ in range(25)), 9900)
            with expect_error(tf.errors.OutOfRangeError, "End of sequence"):
                s.run(total)


@case(ps=1, worker=2)
def a_one_shot_iterator_of_strings(cluster):
    with tf.device(WORKER1):
        dataset = tf.data.Dataset.from_tensor_slices(["a", "bb", "ccc"]).repeat(2)
        element = tf.data.make_one_shot_iterator(dataset).get_next()
    with session(cluster) as s:
        expect([s.run(element) for _ in range(6)], [b"a", b"bb", b"ccc"] * 2)


@case(ps=1, worker=2, each={"the master's worker": dict(device=WORKER0), "the other worker": dict(device=WORKER1)})
def a_string_handle_says_which_iterator(cluster, device):
    with tf.device(device):
        first = tf.data.make_initializable_iterator(tf.data.Dataset.range(5))
        second = tf.data.make_one_shot_iterator(tf.data.Dataset.range(100, 105))
        which = tf.placeholder(tf.string, [])
        following = tf.data.Iterator.from_string_handle(which, tf.int64, []).get_next() + 1
        handles = [first.string_handle(), second.string_handle()]
    with session(cluster) as s:
        a, b = s.run(handles)
        s.run(first.initializer)
        expect([s.run(following, {which: handle}) for handle in (a, b, a, b, a)], [1, 101, 2, 102, 3])


@case(ps=1, worker=2)
def a_generator_of_the_clients_python_is_refused(cluster):
    element = on(WORKER0, lambda: tf.data.make_one_shot_iterator(
        tf.data.Dataset.from_generator(lambda: iter(range(3)), tf.int64)).get_next())
    with session(cluster) as s:
        with expect_error(tf.errors.OpError, "(?i)pyfunc|callback|python"):
            s.run(element)

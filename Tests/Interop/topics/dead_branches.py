"""Dead tensors across tasks: nodes of the branch not taken must not run, and a conditional must give the taken branch."""
import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.python.ops import gen_control_flow_ops as raw

from cases import CaseFailed, PS, WORKER0, WORKER1, case, expect, on, session

REPEATS = 20


def held_by(*dependencies, make=lambda: tf.constant(5.0)):
    with tf.control_dependencies(dependencies):
        return make()


HELD = {
    "constant by an identity": lambda dead: held_by(tf.identity(dead)),
    "constant by a negation": lambda dead: held_by(-dead),
    "constant by a no_op": lambda dead: held_by(held_by(tf.identity(dead), make=tf.no_op)),
    "constant by two": lambda dead: held_by(tf.identity(dead), tf.identity(dead)),
    "constant by identities in a row": lambda dead: held_by(tf.identity(tf.identity(dead))),
    "fill": lambda dead: held_by(tf.identity(dead), make=lambda: tf.fill([], 5.0)),
    "random": lambda dead: held_by(tf.identity(dead), make=lambda: tf.random_uniform([]) * 0 + 5.0),
    "data edge": lambda dead: dead * 5.0,
}
PLACES = {"elsewhere": (WORKER0, WORKER1), "on a parameter server": (WORKER0, PS), "from elsewhere": (WORKER1, WORKER0),
          "here": (WORKER0, WORKER0)}


@case(ps=1, worker=2, each={f"{what}, {where}": dict(make=make, places=places)
                            for what, make in HELD.items() for where, places in PLACES.items()})
def a_node_held_by_a_dead_tensor_does_not_run(cluster, make, places):
    predicate = tf.placeholder(tf.bool, [])
    if_false, if_true = on(places[0], lambda: raw.switch(tf.constant(1.0), predicate))
    merged = on(places[1], lambda: list(raw.merge([if_true * 7.0, make(if_false)])))
    with session(cluster) as s:
        for value, wanted in ((True, [7.0, 0]), (False, [5.0, 1])):
            for repeat in range(REPEATS):
                expect(s.run(merged, {predicate: value}), wanted, f"predicate {value}, time {repeat}")


@case(ps=1, worker=2)
def a_control_edge_from_the_switch_itself_is_always_alive(cluster):
    predicate = tf.placeholder(tf.bool, [])
    if_false, if_true = on(WORKER0, lambda: raw.switch(tf.constant(1.0), predicate))
    with tf.device(WORKER1):
        alive = held_by(if_false.op)
    with session(cluster) as s:
        expect([s.run(alive, {predicate: value}) for value in (True, False)], [5.0, 5.0])


def branches_of_constants():
    with tf.device(WORKER1):
        predicate = tf.placeholder(tf.bool, [])
        return predicate, tf.cond(predicate, lambda: tf.constant(7.0), lambda: tf.constant(5.0)), [7.0, 5.0]


def branches_of_fill_elsewhere():
    with tf.device(WORKER0):
        predicate = tf.placeholder(tf.bool, [])
        return predicate, tf.cond(tf.logical_not(predicate), lambda: on(WORKER1, lambda: tf.fill([], 7.0)),
                                  lambda: on(WORKER1, lambda: tf.fill([], 5.0))), [5.0, 7.0]


def branches_of_random_numbers():
    with tf.device(WORKER0):
        predicate = tf.placeholder(tf.bool, [])
        return predicate, tf.cond(predicate, lambda: on(PS, lambda: tf.floor(tf.random_uniform([]))),
                                  lambda: on(WORKER1, lambda: 1.0 + tf.floor(tf.random_uniform([])))), [0.0, 1.0]


def branches_with_gradients():
    with tf.device(PS):
        w = tf.get_variable("w", initializer=3.0, use_resource=True)
        other = tf.get_variable("other", initializer=3.0, use_resource=True)
    with tf.device(WORKER0):
        predicate = tf.placeholder(tf.bool, [])
    with tf.device(WORKER1):
        y = tf.cond(predicate, lambda: w * w, lambda: other * 2.0)
        return predicate, tf.stack(tf.gradients(y, [w, other])), [[6.0, 0.0], [0.0, 2.0]]


@case(ps=1, worker=2, each={make.__name__: dict(make=make) for make in (
    branches_of_constants, branches_of_fill_elsewhere, branches_of_random_numbers, branches_with_gradients)})
def a_conditional_gives_the_branch_taken(cluster, make):
    predicate, fetch, wanted = make()
    with session(cluster, isolate_session_state=True) as s:
        s.run(tf.global_variables_initializer())
        for value, right in ((True, wanted[0]), (False, wanted[1])):
            for repeat in range(REPEATS):
                expect(s.run(fetch, {predicate: value}), right, f"predicate {value}, time {repeat}")


@case(ps=1, worker=2, each={"reference variable": dict(resource=False), "resource variable": dict(resource=True)})
def only_the_branch_taken_assigns(cluster, resource):
    with tf.device(PS):
        v = tf.get_variable("v", initializer=0.0, use_resource=resource)
    with tf.device(WORKER0):
        predicate = tf.placeholder(tf.bool, [])

    def add(amount):
        return lambda: on(PS, lambda: tf.identity(v.assign_add(amount)))
    with tf.device(WORKER0):
        y = tf.cond(predicate, add(1.0), add(100.0))
    with session(cluster) as s:
        s.run(v.initializer)
        wanted = 0.0
        for repeat in range(REPEATS):
            for value in (True, False):
                wanted += 1.0 if value else 100.0
                expect(s.run(y, {predicate: value}), wanted, f"predicate {value}, time {repeat}")
        expect(s.run(v), wanted, "at the end")


def row(x):
    return tf.reshape(x, [1, 4])


FIRST = {"x + x": lambda x: x + x, "x": lambda x: x,
         "a product": lambda x: tf.reshape(tf.matmul(row(x), 2 * tf.eye(4)), [4])}
LAST = {"b - a": (lambda b, a: b - a, 1), "b + 1": (lambda b, a: b + 1.0, None), "b": (lambda b, a: b, None),
        "b - tanh a": (lambda b, a: b - tf.tanh(a), None),
        "b times a": (lambda b, a: tf.matmul(row(b), tf.reshape(a, [4, 1])), None)}
BRANCHES = {"both elsewhere": (PS, WORKER1), "one here": (WORKER0, WORKER1), "both on one other": (PS, PS),
            "swapped": (WORKER1, PS), "false one here": (PS, WORKER0)}


@case(ps=1, worker=2, each={f"{where}, {first}, {last}": dict(places=places, first=FIRST[first], last=LAST[last][0])
                            for where, places in BRANCHES.items() for first in FIRST for last in LAST
                            if where == "both elsewhere" or (first, last) == ("x + x", "b - a")})
def branches_on_other_tasks_between_ops_here(cluster, places, first, last):
    numbers = np.array([1, 2, 3, 4], np.float32)

    def build(first_device, true_device, false_device):
        tf.reset_default_graph()
        x = tf.placeholder(tf.float32, [4])
        with tf.device(first_device):
            a = first(x)
            b = tf.cond(tf.reduce_sum(x) > 0, lambda: on(true_device, lambda: a * 2.0),
                        lambda: on(false_device, lambda: a * 3.0))
            return x, last(b, a)
    x, y = build(None, None, None)
    with tf.Session() as local:
        wanted = [local.run(y, {x: sign * numbers}) for sign in (1, -1)]
    x, y = build(WORKER0, *places)
    with session(cluster) as s:
        for _ in range(2):
            expect([s.run(y, {x: sign * numbers}) for sign in (1, -1)], wanted)


@case(ps=1, worker=2)
def there_and_back_without_a_conditional(cluster):
    x = tf.placeholder(tf.float32, [4])
    a = on(WORKER0, lambda: x + x)
    b = on(PS, lambda: a * 2.0)
    with session(cluster) as s:
        expect(s.run(on(WORKER0, lambda: b - a), {x: [1, 2, 3, 4]}), [2.0, 4.0, 6.0, 8.0])


MASTERS = {"a master of TensorFlow, a worker of Weir": dict(ps=["tensorflow"], worker=["tensorflow", "weir"]),
           "a master of Weir, a worker of TensorFlow": dict(ps=["tensorflow"], worker=["weir", "tensorflow"]),
           "all of Weir": dict(ps=1, worker=2)}


def conditional_graph(devices, steps):
    """A conditional of products, then a sort; a gradient through both."""
    numbers = np.random.RandomState(1)
    rows, weights = numbers.randn(9, 6).astype(np.float32), numbers.randn(6, 6).astype(np.float32)
    tf.reset_default_graph()
    with tf.device(devices):
        x, k = tf.placeholder(tf.float32, [None, 6]), tf.placeholder(tf.int32, [])
        w = tf.get_variable("w", initializer=tf.constant(weights), use_resource=False)
        z = tf.cond(tf.equal(k % 2, 0), lambda: tf.matmul(x, w), lambda: tf.matmul(tf.nn.elu(x), w, transpose_b=True))
        loss = tf.reduce_mean(tf.square(tf.nn.top_k(z, 6).values - tf.cumsum(tf.ones_like(z), axis=1)))
        fetches = [loss, tf.gradients(loss, [w])[0], z]
    return tf.global_variables_initializer(), fetches, [{x: rows, k: step} for step in steps]


def gradient_of_a_conditional(cluster):
    steps = [4, 3] * 6
    init, fetches, feeds = conditional_graph(None, steps)
    with tf.Session() as local:
        local.run(init)
        wanted = [local.run(fetches, feed) for feed in feeds]
    init, fetches, feeds = conditional_graph(
        lambda op: PS if op.type in ("VariableV2", "Assign") else WORKER1, steps)
    with session(cluster, isolate_session_state=True) as s:
        s.run(init)
        for number, feed in enumerate(feeds):
            found = s.run(fetches, feed)
            for name, one, right in zip(("loss", "gradient", "product"), found, wanted[number]):
                if not np.allclose(one, right, rtol=1e-4, atol=1e-5):
                    raise CaseFailed(f"step {number}: the {name} is off by {np.abs(one - right).max()}")


for _label, _tasks in MASTERS.items():
    case(each={_label: {}}, **_tasks)(gradient_of_a_conditional)

"""Cases of the family Queue: queues, barriers and staging areas."""
from cases import *


def declare(table):
    for version in ("V2", ""):
        queues(table, version)
        batches(table, version)
        closing(table, version)
        other_queues(table, version)
    types(table)
    barriers(table)
    staging(table)
    for prefix in ("Map", "OrderedMap"):
        maps(table, prefix)


# --- Queues ----------------------------------------------------------------------------------------------------------

def queue(kind, version, types, shapes=(), **attr):
    """A queue and its ops: components are fed, `d` dequeues one element, `m` and `u` several."""
    fed = [f"x{index}" for index in range(len(types))]
    def op(name):
        return "Queue" + name + version
    if kind == "PriorityQueue":
        create, attr = node("q", kind + version, component_types=types[1:], shapes=list(shapes), **attr), {}
    else:
        create = node("q", kind + version, component_types=types, shapes=list(shapes), **attr)
    return [create, *[node(name, "Placeholder", dtype=dtype) for name, dtype in zip(fed, types)],
            node("e", op("Enqueue"), ["q", *fed], Tcomponents=types),
            node("f", op("EnqueueMany"), ["q", *fed], Tcomponents=types),
            node("d", op("Dequeue"), ["q"], component_types=types),
            node("n", "Placeholder", dtype="int32"),
            node("m", op("DequeueMany"), ["q", "n"], component_types=types),
            node("u", op("DequeueUpTo"), ["q", "n"], component_types=types),
            node("s", op("Size"), ["q"]), node("i", op("IsClosed"), ["q"]),
            node("c", op("Close"), ["q"]), node("k", op("Close"), ["q"], cancel_pending_enqueues=True)]


def put(*values, fails=None):
    return run(target=["e"], feed={f"x{index}:0": one for index, one in enumerate(values)}, fails=fails)


def put_many(*values, fails=None):
    return run(target=["f"], feed={f"x{index}:0": one for index, one in enumerate(values)}, fails=fails)


def take(count=1, fails=None):
    return run(fetch=[f"d:{index}" for index in range(count)], fails=fails)


def take_many(number, count=1, op="m", fails=None):
    return run(fetch=[f"{op}:{index}" for index in range(count)], feed={"n:0": i32(number)}, fails=fails)


SIZE, CLOSE, IS_CLOSED = run(fetch=["s:0"]), run(target=["c"]), run(fetch=["i:0"])


def queues(table, version):
    used = ["QueueEnqueue" + version, "QueueDequeue" + version, "QueueSize" + version]
    table.graph("FIFOQueue" + version, "first in, first out", queue("FIFOQueue", version, ["float32"], [[2]]),
                [put(f32([1, 2])), put(f32([3, -4])), SIZE, take(), take(), SIZE], also=used)
    table.graph("QueueEnqueue" + version, "several components", queue("FIFOQueue", version, ["float32", "string", "int64"]),
                [put(f32([1, 2]), text("a"), i64([[7]])), put(f32(3), text(["b", b"\xff"]), i64([], [0])), take(3), take(3)],
                also=used)
    table.graph("QueueEnqueue" + version, "another shape", queue("FIFOQueue", version, ["float32"], [[2]]),
                [put(f32([1, 2, 3]), fails="INVALID_ARGUMENT"), SIZE])
    table.graph("QueueDequeue" + version, "waits for an element of the same step", queue("FIFOQueue", version, ["float32"]),
                [run(fetch=["d:0"], target=["e"], feed={"x0:0": f32(5)})], also=used)
    table.graph("QueueEnqueue" + version, "waits for room in the same step",
                queue("FIFOQueue", version, ["float32"], capacity=1),
                [put(f32(1)), run(fetch=["d:0"], target=["e"], feed={"x0:0": f32(2)}), take()], also=used)
    other = node("p", "FIFOQueue" + version, component_types=["float32"], shared_name="shared")
    table.graph("FIFOQueue" + version, "two nodes of one name",
                [*queue("FIFOQueue", version, ["float32"], shared_name="shared"), other,
                 node("z", "QueueDequeue" + version, ["p"], component_types=["float32"])],
                [put(f32(1)), run(fetch=["z:0"])], also=used)


def batches(table, version):
    used = ["QueueEnqueueMany" + version, "QueueDequeueMany" + version, "QueueDequeueUpTo" + version]
    table.graph("QueueEnqueueMany" + version, "one element for each row",
                queue("FIFOQueue", version, ["float32", "int32"], [[2], []]),
                [put_many(numbers("float32", [3, 2]), i32([7, 8, 9])), SIZE, take(2), take_many(2, 2)], also=used)
    table.graph("QueueDequeueMany" + version, "elements that came one by one",
                queue("FIFOQueue", version, ["float32"], [[2]]),
                [put(f32([1, 2])), put(f32([3, 4])), put(f32([5, 6])), take_many(2), SIZE, take_many(0)], also=used)
    table.graph("QueueDequeueMany" + version, "strings", queue("FIFOQueue", version, ["string"], [[]]),
                [put_many(text(["a", b"\xff", "", "b"])), take_many(3)], also=used)
    table.graph("QueueEnqueueMany" + version, "different numbers of rows", queue("FIFOQueue", version, ["float32", "int32"]),
                [put_many(f32([1, 2]), i32([1, 2, 3]), fails="INVALID_ARGUMENT"),
                 SIZE])
    table.graph("QueueDequeueMany" + version, "no shapes, negative numbers", queue("FIFOQueue", version, ["float32"]),
                [put(f32(1)), take_many(1, fails="INVALID_ARGUMENT"), take_many(-1, fails="INVALID_ARGUMENT"), SIZE])
    table.graph("QueueDequeueUpTo" + version, "fewer after closing", queue("FIFOQueue", version, ["float32"], [[]]),
                [put_many(f32([1, 2, 3, 4, 5])), take_many(2, op="u"), CLOSE, take_many(9, op="u"),
                 take_many(1, op="u", fails="OUT_OF_RANGE")], also=used)
    table.graph("QueueDequeueMany" + version, "too few after closing", queue("FIFOQueue", version, ["float32"], [[]]),
                [put_many(f32([1, 2, 3])), CLOSE, take_many(4, fails="OUT_OF_RANGE"), SIZE, take_many(3)], also=used)


def closing(table, version):
    used = ["QueueIsClosed" + version, "QueueDequeue" + version]
    nodes = queue("FIFOQueue", version, ["float32"])
    table.graph("QueueClose" + version, "what is left can be taken", nodes,
                [put(f32(1)), IS_CLOSED, CLOSE, IS_CLOSED, put(f32(2), fails="CANCELLED"), take(),
                 take(fails="OUT_OF_RANGE"),
                 run(target=["c"], fails="CANCELLED")], also=used)
    table.graph("QueueClose" + version, "waiting elements are cancelled", nodes,
                [put(f32(1)), run(target=["k"]), IS_CLOSED, put(f32(2), fails="CANCELLED"), take()], also=used)


def other_queues(table, version):
    used = ["QueueEnqueue" + version, "QueueDequeue" + version, "QueueEnqueueMany" + version, "QueueDequeueMany" + version,
            "QueueDequeueUpTo" + version]
    table.graph("PaddingFIFOQueue" + version, "elements of different sizes",
                queue("PaddingFIFOQueue", version, ["float32", "string"], [[None, 2], [None]]),
                [put(f32([[1, 2]]), text(["a", "b"])), put(numbers("float32", [3, 2]), text([], [0])),
                 put(f32([], [0, 2]), text([b"\xff"])), take(2), take_many(2, 2)], also=used)
    table.graph("PaddingFIFOQueue" + version, "up to", queue("PaddingFIFOQueue", version, ["int64"], [[None]]),
                [put(i64([1])), put(i64([2, 3, 4])), CLOSE, take_many(5, op="u")], also=used)
    table.graph("PaddingFIFOQueue" + version, "another rank", queue("PaddingFIFOQueue", version, ["int64"], [[None]]),
                [put(i64([[1]]), fails="INVALID_ARGUMENT")])
    for name, attr in (("drawn", {}), ("other seeds", {"seed": 2**40, "seed2": -3}), ("some are kept", {"min_after_dequeue": 3})):
        table.graph("RandomShuffleQueue" + version, name,
                    queue("RandomShuffleQueue", version, ["int32", "float32"], [[], [2]], **{"seed": 3, "seed2": 5, **attr}),
                    [put_many(i32([1, 2, 3, 4, 5, 6, 7, 8]), numbers("float32", [8, 2])), take(2), take_many(3, 2), take(2),
                     SIZE, CLOSE, take_many(3, 2, op="u")], also=used)
    table.graph("PriorityQueue" + version, "smallest first", queue("PriorityQueue", version, ["int64", "string"], [[]]),
                [put(i64(5), text("five")), put(i64(-1), text("minus one")), put(i64(3), text("three")), take(2),
                 put(i64(0), text("zero")), SIZE, take_many(3, 2)], also=used)
    table.graph("PriorityQueue" + version, "rows", queue("PriorityQueue", version, ["int64", "float32"], [[2]]),
                [put_many(i64([2, 1, 3]), f32([[20, 21], [10, 11], [30, 31]])), take_many(2, 2, op="u"), SIZE], also=used)


def types(table):
    for dtype in ALL:
        if dtype in ("qint16", "quint16"):  # TensorFlow cannot join them.
            continue
        table.graph("FIFOQueueV2", dtype, [node("q", "FIFOQueueV2", component_types=[dtype], shapes=[[2]]),
                                           const("x", numbers(dtype, [2])), const("y", numbers(dtype, [2], start=3)),
                                           node("e", "QueueEnqueueV2", ["q", "x"], Tcomponents=[dtype]),
                                           node("f", "QueueEnqueueV2", ["q", "y", "^e"], Tcomponents=[dtype]),
                                           const("n", i32(2)),
                                           node("m", "QueueDequeueManyV2", ["q", "n"], component_types=[dtype])],
                    [run(target=["f"]), run(fetch=["m:0"])], also=["QueueEnqueueV2", "QueueDequeueManyV2"])


# --- Barriers --------------------------------------------------------------------------------------------------------

def barriers(table):
    def nodes(types=("float32", "string"), shapes=([2], []), **attr):
        inserts = []
        for index, dtype in enumerate(types):
            inserts += [node(f"k{index}", "Placeholder", dtype="string"), node(f"x{index}", "Placeholder", dtype=dtype),
                        node(f"i{index}", "BarrierInsertMany", ["b", f"k{index}", f"x{index}"], T=dtype,
                             component_index=index)]
        return [node("b", "Barrier", component_types=list(types), shapes=list(shapes), **attr), *inserts,
                node("n", "Placeholder", dtype="int32"),
                node("t", "BarrierTakeMany", ["b", "n"], component_types=list(types)),
                node("u", "BarrierTakeMany", ["b", "n"], component_types=list(types), allow_small_batch=True),
                node("w", "BarrierTakeMany", ["b", "n"], component_types=list(types), allow_small_batch=True,
                     wait_for_incomplete=True),
                node("r", "BarrierReadySize", ["b"]), node("p", "BarrierIncompleteSize", ["b"]),
                node("c", "BarrierClose", ["b"]), node("d", "BarrierClose", ["b"], cancel_pending_enqueues=True)]

    def insert(component, keys, values, fails=None):
        return run(target=[f"i{component}"], feed={f"k{component}:0": text(keys), f"x{component}:0": values}, fails=fails)

    def take(number, op="t", count=2, fails=None):
        return run(fetch=[f"{op}:{index}" for index in range(2 + count)], feed={"n:0": i32(number)}, fails=fails)

    sizes = run(fetch=["r:0", "p:0"])
    every = ["BarrierInsertMany", "BarrierTakeMany", "BarrierReadySize", "BarrierIncompleteSize"]
    table.graph("Barrier", "two components", nodes(),
                [insert(0, ["a", "b", "c"], numbers("float32", [3, 2])), sizes, insert(1, ["c", "a"], text(["sea", "ay"])),
                 sizes, take(1), take(1), insert(1, ["b", ""], text(["bee", "none"])), sizes, take(1), sizes], also=every)
    table.graph("BarrierTakeMany", "several at once", nodes(),
                [insert(0, ["a", "b", "c"], numbers("float32", [3, 2])),
                 insert(1, ["a", "b", "c"], text(["1", b"\xff", ""])), take(2), sizes], also=every)
    table.graph("BarrierClose", "what is complete can be taken", nodes(),
                [insert(0, ["a", "b"], numbers("float32", [2, 2])), insert(1, ["b"], text(["1"])), run(target=["c"]),
                 insert(0, ["new"], f32([[1, 2]]), fails="CANCELLED"), insert(1, ["a"], text(["2"])), take(2),
                 take(1, fails="OUT_OF_RANGE")], also=every)
    table.graph("BarrierClose", "waiting elements are cancelled", nodes(),
                [insert(0, ["a", "b"], numbers("float32", [2, 2])), insert(1, ["b"], text(["1"])), run(target=["d"]),
                 insert(1, ["a"], text(["2"]), fails="CANCELLED"), take(5, op="u")], also=every)
    table.graph("BarrierTakeMany", "fewer after closing", nodes(),
                [insert(0, ["a", "b"], numbers("float32", [2, 2])), insert(1, ["b", "a"], text(["1", "2"])),
                 run(target=["c"]), take(5, op="u"), take(1, op="u", fails="OUT_OF_RANGE")], also=every)
    table.graph("BarrierInsertMany", "a component twice", nodes(),
                [insert(0, ["a"], f32([[1, 2]])), insert(0, ["a"], f32([[3, 4]]), fails="INVALID_ARGUMENT"), sizes])
    for dtype in ("float64", "float16", "bfloat16", "int8", "int64", "uint16", "complex64", "bool", "string"):
        table.graph("Barrier", dtype, nodes([dtype], [[2]]),
                    [insert(0, ["b", "a"], numbers(dtype, [2, 2])), take(2, count=1)], also=every)


# --- Staging areas ---------------------------------------------------------------------------------------------------

def staging(table):
    def nodes(types, **attr):
        fed = [f"x{index}" for index in range(len(types))]
        area = {"dtypes": types, "shared_name": "area", **attr}
        return [*[node(name, "Placeholder", dtype=dtype) for name, dtype in zip(fed, types)],
                node("e", "Stage", fed, **area), node("d", "Unstage", **area), node("n", "Placeholder", dtype="int32"),
                node("p", "StagePeek", ["n"], **area), node("s", "StageSize", **area), node("c", "StageClear", **area)]

    every = ["Stage", "Unstage", "StageSize"]
    two = nodes(["float32", "string"])
    table.graph("Stage", "first in, first out", two,
                [put(f32([1, 2]), text("a")), put(f32([[3]]), text([b"\xff", ""])), SIZE, take(2), take(2), SIZE], also=every)
    table.graph("StagePeek", "by place", two,
                [put(f32(1), text("a")), put(f32(2), text("b")),
                 run(fetch=["p:0", "p:1"], feed={"n:0": i32(1)}), run(fetch=["p:0", "p:1"], feed={"n:0": i32(0)}), SIZE],
                also=every)
    table.graph("StageClear", "nothing left", two,
                [put(f32(1), text("a")), put(f32(2), text("b")), run(target=["c"]), SIZE, put(f32(3), text("c")), take(2)],
                also=every)
    table.graph("Unstage", "waits for an element of the same step", nodes(["int64"], capacity=1, memory_limit=100),
                [run(fetch=["d:0"], target=["e"], feed={"x0:0": i64([4, 5])}), SIZE], also=every)
    for dtype in ALL:
        table.graph("Stage", dtype, nodes([dtype]), [put(numbers(dtype, 3)), take()], also=["Unstage"])


def maps(table, prefix):
    """Staging areas with keys. An element may come in parts."""
    types = ["float32", "string"]
    area = {"dtypes": types, "shared_name": "area"}

    def stage(name, places, values):
        fed = [f"{name}{index}" for index in range(len(values))]
        return [*[node(one, "Placeholder", dtype=dtype) for one, dtype in zip(fed, values)], const(name + "p", i32(places)),
                node(name, prefix + "Stage", ["key", name + "p", *fed], fake_dtypes=values, **area)]

    def taking(name, op, places):
        types_taken = [types[place] for place in places]
        return [const(name + "p", i32(places)),
                node(name, prefix + op, ["key", name + "p"], **{**area, "dtypes": types_taken})]

    nodes = [node("key", "Placeholder", dtype="int64"), *stage("e", [0, 1], types), *stage("f", [0], ["float32"]),
             *stage("g", [1], ["string"]), *taking("d", "Unstage", [0, 1]), *taking("h", "Unstage", [1]),
             *taking("p", "Peek", [0, 1]), const("np", i32([0, 1])),
             node("n", prefix + "UnstageNoKey", ["np"], **area), node("s", prefix + "Size", **area),
             node("i", prefix + "IncompleteSize", **area), node("c", prefix + "Clear", **area)]

    def at(key, **fed):
        return {"key:0": i64(key), **{name + ":0": value for name, value in fed.items()}}

    def whole(key, first, second):
        return run(target=["e"], feed=at(key, e0=first, e1=second))

    sizes = run(fetch=["s:0", "i:0"])
    every = [prefix + one for one in ("Stage", "Unstage", "Size", "IncompleteSize")]
    table.graph(prefix + "Stage", "by key", nodes,
                [whole(7, f32([1, 2]), text("a")), whole(-3, f32(5), text([b"\xff", ""])), sizes,
                 run(fetch=["d:0", "d:1"], feed=at(7)), run(fetch=["d:0", "d:1"], feed=at(-3)), sizes], also=every)
    table.graph(prefix + "IncompleteSize", "an element in parts", nodes,
                [run(target=["f"], feed=at(1, f0=f32(2))), sizes, run(target=["g"], feed=at(2, g0=text("b"))), sizes,
                 run(target=["g"], feed=at(1, g0=text("a"))), sizes, run(fetch=["d:0", "d:1"], feed=at(1)), sizes],
                also=every)
    table.graph(prefix + "Unstage", "in parts", nodes,
                [whole(1, f32(2), text("a")), run(fetch=["h:0"], feed=at(1)), sizes], also=every)
    table.graph(prefix + "Peek", "the element stays", nodes,
                [whole(1, f32(2), text("a")), run(fetch=["p:0", "p:1"], feed=at(1)), sizes], also=every)
    table.graph(prefix + "Clear", "nothing left", nodes,
                [whole(1, f32(2), text("a")), run(target=["f"], feed=at(9, f0=f32(2))), run(target=["c"]), sizes], also=every)
    table.graph(prefix + "UnstageNoKey", "one element", nodes,
                [whole(5, f32(2), text("a")), run(fetch=["n:0", "n:1", "n:2"]), sizes], also=every)
    if prefix == "OrderedMap":
        table.graph(prefix + "UnstageNoKey", "smallest key first", nodes,
                    [whole(5, f32(2), text("a")), whole(-1, f32(3), text("b")), whole(3, f32(4), text("c")),
                     *[run(fetch=["n:0", "n:1", "n:2"])] * 3], also=every)
    table.graph(prefix + "Stage", "a part twice", nodes,
                [run(target=["f"], feed=at(1, f0=f32(2))),
                 run(target=["f"], feed=at(1, f0=f32(3)), fails="INVALID_ARGUMENT"), sizes], also=every)

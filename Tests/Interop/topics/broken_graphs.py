"""Invalid graphs and requests, sent directly to the services, as clients of other versions or languages might do."""
import os
import socket

import tensorflow.compat.v1 as tf

from cases import CaseFailed, case, expect

FLOAT, INT32 = tf.AttrValue(type=1), tf.AttrValue(type=3)


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def message(field, content):
    """A protobuf with one length-delimited field."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def call(cluster, method, request, seconds=20):
    """The code and message of the response."""
    import grpc
    with grpc.insecure_channel(cluster.addresses["worker"][0]) as channel:
        try:
            channel.unary_unary("/tensorflow." + method, bytes, bytes)(request, timeout=seconds)
            return "OK", ""
        except grpc.RpcError as error:
            return error.code().name, error.details()


class GraphToSend:
    def __init__(self, producer=1882, min_consumer=0, bad_consumers=()):
        self.definition = tf.GraphDef()
        versions = self.definition.versions
        versions.producer, versions.min_consumer = producer, min_consumer
        versions.bad_consumers.extend(bad_consumers)

    def node(self, name, op, *inputs, **attributes):
        node = self.definition.node.add(name=name, op=op, input=inputs)
        for key, value in attributes.items():
            node.attr[key].CopyFrom(value)
        return self

    def constant(self, name="c"):
        return self.node(name, "Const", dtype=FLOAT, value=tf.AttrValue(tensor=tf.make_tensor_proto(1.0)))

    def create_session(self, cluster):
        return call(cluster, "MasterService/CreateSession", message(1, self.definition.SerializeToString()))


def with_constant(*node, **attributes):
    return lambda: GraphToSend().constant().node(*node, **attributes)


# By fault: how to make it, the code, and words of the message.
GRAPHS = {
    "nothing": (lambda: GraphToSend().constant(), "OK"),
    "made for later versions only": (lambda: GraphToSend(99999, 99999).constant(), "INVALID_ARGUMENT", "min consumer", "99999"),
    "made by a later version": (lambda: GraphToSend(99999).constant(), "OK"),
    "made by a negative version": (lambda: GraphToSend(-1).constant(), "INVALID_ARGUMENT", "producer", "-1"),
    "not for this version": (lambda: GraphToSend(bad_consumers=range(1, 4000)).constant(),
                             "INVALID_ARGUMENT", "consumer version"),
    "unknown op": (lambda: GraphToSend().node("q", "FancyNewOp"), "NOT_FOUND", "Op type not registered 'FancyNewOp'"),
    "unknown attribute": (with_constant("i", "Identity", "c", T=FLOAT, fancy=FLOAT), "OK"),
    "missing attribute": (with_constant("i", "Identity", "c"), {"NOT_FOUND", "INVALID_ARGUMENT"}, "'T'", "i"),
    "missing input": (lambda: GraphToSend().node("i", "Identity", "nowhere", T=FLOAT), "INVALID_ARGUMENT", "nowhere", "i"),
    "an output that is not": (with_constant("i", "Identity", "c:3", T=FLOAT), "INVALID_ARGUMENT", "3", "c", "i"),
    "wrong type": (with_constant("i", "Identity", "c", T=INT32), "INVALID_ARGUMENT", "float", "int32", "i"),
    "a cycle": (lambda: GraphToSend().node("a", "Identity", "b", T=FLOAT).node("b", "Identity", "a", T=FLOAT),
                "INVALID_ARGUMENT", "cycle", "2"),
    "a cycle of one": (lambda: GraphToSend().node("a", "Identity", "a", T=FLOAT), "INVALID_ARGUMENT", "cycle"),
    "a cycle by a control edge": (lambda: GraphToSend().constant().node("a", "Identity", "c", "^b", T=FLOAT)
                                  .node("b", "Identity", "a", T=FLOAT), "INVALID_ARGUMENT", "cycle"),
    "two of one name": (lambda: GraphToSend().constant().constant(), "INVALID_ARGUMENT", "'c'"),
    "a name that is none": (lambda: GraphToSend().constant("a b&c"), "INVALID_ARGUMENT", "a b&c"),
}


@case(ps=1, worker=1, each={what: dict(make=make, code=code, words=words) for what, (make, code, *words) in GRAPHS.items()})
def a_graph_with(cluster, make, code, words):
    found, text = make().create_session(cluster)
    expect(found in code if isinstance(code, set) else found == code, True, f"code {code} instead of {found} ({text[:300]})")
    for word in words:
        if word not in text:
            raise CaseFailed(f"expected a text with {word!r}, found {text[:400]!r}")
    expect(GraphToSend().constant().create_session(cluster)[0], "OK", "a good graph afterwards")


@case(ps=1, worker=1, weir_only=True)
def a_type_that_is_none_is_named_by_its_number(cluster):
    """TensorFlow treats it as a reference to type 9899."""
    graph = with_constant("i", "Identity", "c", T=tf.AttrValue(type=9999))
    a_graph_with(cluster, graph, "INVALID_ARGUMENT", ["9999"])


@case(ps=1, worker=1)
def a_node_with_too_few_inputs_is_refused_at_the_latest_when_it_runs(cluster):
    import grpc
    request = message(1, GraphToSend().constant().node("i", "Add", "c", T=FLOAT).definition.SerializeToString())
    with grpc.insecure_channel(cluster.addresses["worker"][0]) as channel:
        try:
            made = channel.unary_unary("/tensorflow.MasterService/CreateSession", bytes, bytes)(request, timeout=20)
        except grpc.RpcError as error:
            expect(error.code().name, "INVALID_ARGUMENT")
            return
        handle = made[2:2 + made[1]]
        run = message(1, handle) + message(3, b"i:0")
        try:
            channel.unary_unary("/tensorflow.MasterService/RunStep", bytes, bytes)(run, timeout=20)
        except grpc.RpcError as error:
            expect(error.code().name, "INVALID_ARGUMENT")
            return
    raise CaseFailed("expected INVALID_ARGUMENT, found no error")


# By request: method, message, code, words.
REQUESTS = {
    "garbage": ("MasterService/CreateSession", b"\xff\xff\xff\xff\x01garbage", {"INTERNAL", "INVALID_ARGUMENT"}),
    "a method that is not": ("MasterService/FlyToTheMoon", b"", "UNIMPLEMENTED"),
    "a service that is not": ("NoService/At", b"", "UNIMPLEMENTED"),
    "a step of no session": ("MasterService/RunStep", message(1, b"deadbeef"), "ABORTED", "Session deadbeef is not found"),
    "an extension of no session": ("MasterService/ExtendSession", message(1, b"deadbeef"), "ABORTED", "deadbeef"),
    "an end of no session": ("MasterService/CloseSession", message(1, b"deadbeef"), "ABORTED", "deadbeef"),
    "a run of no graph": ("WorkerService/RunGraph", message(1, b"deadbeef"), "ABORTED", "deadbeef"),
    "a question": ("WorkerService/GetStatus", b"", "OK"),
}


@case(ps=1, worker=1, each={what: dict(method=method, request=request, code=code, words=words)
                            for what, (method, request, code, *words) in REQUESTS.items()})
def a_request_that_is(cluster, method, request, code, words):
    found, text = call(cluster, method, request)
    expect(found in code if isinstance(code, set) else found == code, True, f"code {code} instead of {found} ({text[:300]})")
    for word in words:
        if word not in text:
            raise CaseFailed(f"expected a text with {word!r}, found {text[:400]!r}")


@case(ps=1, worker=1, weir_only=True, each={"a browser's": dict(content=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                                            "random bytes": dict(content=os.urandom(100_000))})
def what_is_no_grpc_harms_nobody(cluster, content):
    host, port = cluster.addresses["worker"][0].split(":")
    with socket.create_connection((host, int(port)), 10) as stranger:
        stranger.settimeout(10)
        try:
            stranger.sendall(content)
            while stranger.recv(1000):  # until the server closes it
                pass
        except TimeoutError:
            raise CaseFailed("expected the connection's end within 10 s, found it open") from None
        except OSError:
            pass
    expect(GraphToSend().constant().create_session(cluster)[0], "OK", "a good graph afterwards")

import Glibc
import Weir
import WeirCluster

extension BenchmarkCase {
    /// The messages of a step between two tasks: heads, and whole frames that one thread sends and receives through a pair of
    /// sockets. Switching between threads is not included, because it costs time but not instructions.
    static let links: [BenchmarkCase] = [
        BenchmarkCase("links/run-graph", iterations: 200) {
            let request = try runGraph()
            return { keep(try RunGraph(linkHead: try request.linkHead(), variants: .none)) }
        },
        BenchmarkCase("links/run-graph-reply", iterations: 200) {
            let reply = RunGraphReply(received: [NamedTensor("loss:0", Tensor(Float(1)))])
            return { keep(try RunGraphReply(linkHead: try reply.linkHead(), variants: .none)) }
        },
        BenchmarkCase("links/receive-tensor", iterations: 200) {
            let request = ReceiveTensor(step: 7, key: key, requestID: 9)
            return { keep(try ReceiveTensor(linkHead: request.linkHead)) }
        },
        BenchmarkCase("links/tensor", iterations: 200) {
            let delivery = RendezvousItem(try .sample([32, 32]))
            return { keep(try LinkTensor(head: try LinkTensor(delivery).head)) }
        },
        exchange("call") { LinkFrame(kind: .receiveTensor, call: 1, head: ReceiveTensor(step: 7, key: key).linkHead) },
        exchange("tensor-4B") { try tensorFrame([1]) },
        exchange("tensor-4KB") { try tensorFrame([32, 32]) },
        exchange("tensor-64KB") { try tensorFrame([128, 128]) },
    ]

    private static let key = RendezvousKey(
        source: "/job:ps/replica:0/task:0/device:CPU:0", incarnation: 1,
        destination: "/job:worker/replica:0/task:0/device:CPU:0", tensor: "edge_12_weights/read")

    private static func runGraph() throws -> RunGraph {
        let feeds = try ["x:0", "y:0"].map { NamedTensor($0, try .sample([32, 4])) }
        return RunGraph(session: "session", graph: "graph", step: 7, sends: feeds, receives: ["loss:0", "accuracy:0"])
    }

    private static func tensorFrame(_ shape: Shape) throws -> LinkFrame {
        let delivery = RendezvousItem(try .sample(shape))
        return LinkFrame(kind: .tensor, call: 1, head: try LinkTensor(delivery).head, payload: delivery.tensor)
    }

    /// Sends and receives a frame. The frame must fit into the sockets' buffers, because one thread does both.
    private static func exchange(_ label: String, _ make: @escaping @Sendable () throws -> LinkFrame) -> BenchmarkCase {
        BenchmarkCase("links/frame/\(label)", iterations: 100) {
            let frame = try make()
            var descriptors: [Int32] = [-1, -1]
            guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &descriptors) == 0 else {
                throw Status.unavailable("no sockets: \(String(cString: strerror(errno)))")
            }
            let sender = LinkSocket(descriptor: descriptors[0]), receiver = LinkSocket(descriptor: descriptors[1])
            return {
                try sender.send(frame)
                keep(try receiver.receive())
            }
        }
    }
}

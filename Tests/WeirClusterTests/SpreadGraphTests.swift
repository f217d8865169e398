import Testing
import Weir
import WeirDevice
import WeirGraph
import WeirOps
import WeirTensor
import WeirTesting

@testable import WeirCluster

/// Results do not depend on the tasks of a graph's nodes.
@Suite("Graphs distributed over tasks", .serialized)
struct SpreadGraphTests {
    private static let transports: [ServerOptions.TensorTransport] = [.links, .grpc]
    private static let tasks = ["/job:ps/task:0", "/job:worker/task:0", "/job:worker/task:1"]

    private func onCluster(
        _ transport: ServerOptions.TensorTransport, _ build: (GraphBuilder) throws -> Void, _ run: (Session) async throws -> Void
    ) async throws {
        var options = ServerOptions()
        options.tensorTransport = transport
        try await TestCluster.with([("ps", 1), ("worker", 2)], options: options) { cluster in
            let b = GraphBuilder(registry: .standard)
            try build(b)
            var configuration = SessionConfiguration()
            configuration.operationTimeout = .seconds(10)
            let session = try await Session(b.graph(), target: .address(cluster.server("worker").target), configuration: configuration)
            try await run(session)
            try await session.close()
        }
    }

    @Test("a tensor may go to a different task in each step of a session", arguments: transports)
    func otherDestinations(_ transport: ServerOptions.TensorTransport) async throws {
        var fed: Output?
        var ends: [Output] = []
        try await onCluster(transport) { b in
            let x = b.add("Placeholder", name: "x", attributes: ["dtype": .type(.float32)])[0]
            let halves = b.device(Self.tasks[0]) { b.add("Split", [b.constant(Tensor(Int32(0))), x], attributes: ["num_split": 2]).outputs }
            ends = Self.tasks.flatMap { task in halves.map { half in b.device(task) { b.add("Neg", [half])[0] } } }
            fed = x
        } _: { session in
            guard let fed else { return }
            for order in [[0], [2], [4], [3], [0, 5], [1, 4], [5], [0]] {
                let values = try await session.run(order.map { ends[$0] }, feeding: [fed: Tensor([1, 2] as [Float])])
                #expect(try values.map { try $0.array(of: Float.self) } == order.map { [$0 % 2 == 0 ? -1 : -2] })
            }
        }
    }

    @Test("with any stream delays, a GPU's tensors arrive complete on another task's GPU", arguments: transports, 1...4 as ClosedRange<UInt64>)
    func tensorsOfGPUs(_ transport: ServerOptions.TensorTransport, _ seed: UInt64) async throws {
        var options = ServerOptions()
        options.tensorTransport = transport
        options.runtime.simulatedGPUCount = 1
        options.runtime.simulatedGPUDelays = SimulatedDelays(seed: seed, longest: 300)
        try await TestCluster.with([("ps", 1), ("worker", 1)], options: options) { cluster in
            let b = GraphBuilder(registry: .standard)
            let x = b.placeholder(.float32, shape: [3], name: "x")
            var value = x
            // Several kernels on each GPU, so that the stream is late when the tensor leaves.
            for task in ["/job:ps/task:0", "/job:worker/task:0", "/job:ps/task:0"] {
                b.device("\(task)/device:GPU:0") { for _ in 0..<5 { value = b.add("AddV2", [value, value])[0] } }
            }
            let session = try await Session(b.graph(), target: .server(cluster.server("worker")))
            for step in 1...5 {
                let fed = (1...3).map { Float($0 * step) }
                #expect(try await session.run(value, feeding: [x: Tensor(fed)]).array(of: Float.self) == fed.map { $0 * 32768 })
            }
            try await session.close()
        }
    }

    @Test("a node with a control edge from another task's dead node is dead", arguments: transports)
    func deadControlEdges(_ transport: ServerOptions.TensorTransport) async throws {
        var fed: Output?
        var ends: [Output] = []
        try await onCluster(transport) { b in
            let p = b.placeholder(.bool, shape: [], name: "p")
            fed = p
            for held in ["Const", "Fill", "RandomUniform", "NoOp"] {
                let branch = b.device(Self.tasks[1]) { b.add("Switch", [b.constant(Tensor(Float(1))), p]) }
                ends += b.device(Self.tasks[2]) {
                    let passed = b.add("Identity", [branch[0]])
                    let value = b.controlDependencies([passed]) { () -> Output in
                        switch held {
                        case "Fill": return b.add("Fill", [b.constant(Tensor([Int32]())), b.constant(Tensor(Float(5)))])[0]
                        case "RandomUniform":
                            let random = b.add("RandomUniform", [b.constant(Tensor([Int32]()))], attributes: ["dtype": .type(.float32)])[0]
                            return b.add("AddV2", [b.add("Mul", [random, b.constant(Tensor(Float(0)))])[0], b.constant(Tensor(Float(5)))])[0]
                        case "NoOp":
                            let after = b.noOp()
                            return b.controlDependencies([after]) { b.constant(Tensor(Float(5))) }
                        default: return b.constant(Tensor(Float(5)))
                        }
                    }
                    let taken = b.add("Mul", [branch[1], b.constant(Tensor(Float(7)))])[0]
                    return [b.add("Merge", [taken, value])[0]]
                }
            }
        } _: { session in
            guard let fed else { return }
            for number in 0..<20 {
                let values = try await session.run(ends, feeding: [fed: Tensor(number % 2 == 0)])
                #expect(try values.map { try $0.scalar(of: Float.self) } == ends.map { _ in number % 2 == 0 ? 7 : 5 })
            }
        }
    }

    @Test("each branch of a conditional may be on a different task", arguments: transports)
    func branchesElsewhere(_ transport: ServerOptions.TensorTransport) async throws {
        var fed: Output?
        var end: Output?
        try await onCluster(transport) { b in
            let x = b.placeholder(.float32, shape: [4], name: "x")
            fed = x
            let (a, p) = b.device(Self.tasks[1]) {
                (b.add("AddV2", [x, x])[0], b.add("Greater", [b.add("Sum", [x, b.constant(Tensor([Int32(0)]))])[0], b.constant(Tensor(Float(0)))])[0])
            }
            let branch = b.device(Self.tasks[1]) { b.add("Switch", [a, p]) }
            let yes = b.device(Self.tasks[0]) { b.add("Mul", [branch[1], b.constant(Tensor(Float(2)))])[0] }
            let no = b.device(Self.tasks[2]) { b.add("Mul", [branch[0], b.constant(Tensor(Float(3)))])[0] }
            end = b.device(Self.tasks[1]) { b.add("Sub", [b.add("Merge", [no, yes])[0], a])[0] }
        } _: { session in
            guard let fed, let end else { return }
            for sign in [1, -1, 1] as [Float] {
                let value = try await session.run(end, feeding: [fed: Tensor([1 * sign, 2 * sign, 3 * sign, 4 * sign])])
                #expect(try value.array(of: Float.self) == [1, 2, 3, 4].map { $0 * sign * (sign > 0 ? 2 : 4) })
            }
        }
    }

    @Test("a function's body may span tasks and update their variables", arguments: transports)
    func functionsElsewhere(_ transport: ServerOptions.TensorTransport) async throws {
        var initialize: Operation?
        var end: Output?
        try await onCluster(transport) { b in
            let float = OpSchema.ArgumentType.fixed(.float32)
            let handle = OpSchema.ArgumentType.fixed(.resource)
            b.addFunction(
                FunctionDefinition(
                    name: "step", inputs: [.init(name: "a", type: float), .init(name: "v", type: handle)], outputs: [.init(name: "r", type: float)],
                    nodes: [
                        NodeDefinition(name: "double", op: "AddV2", inputs: ["a", "a"], device: Self.tasks[2], attributes: ["T": .type(.float32)]),
                        NodeDefinition(
                            name: "add", op: "AssignAddVariableOp", inputs: ["v", "double:z:0"], attributes: ["dtype": .type(.float32)]),
                        NodeDefinition(name: "read", op: "ReadVariableOp", inputs: ["v", "^add"], attributes: ["dtype": .type(.float32)]),
                    ], returns: ["r": "read:value:0"], isStateful: true))
            let v = b.device(Self.tasks[0]) {
                b.add("VarHandleOp", name: "v", attributes: ["dtype": .type(.float32), "shape": .shape([]), "shared_name": "v"])[0]
            }
            initialize = b.add("AssignVariableOp", [v, b.constant(Tensor(Float(1)))])
            end = b.device(Self.tasks[1]) { b.add("step", [b.constant(Tensor(Float(3))), v])[0] }
        } _: { session in
            guard let initialize, let end else { return }
            try await session.run(initialize)
            for sum in [7, 13, 19] as [Float] { #expect(try await session.run(end).scalar(of: Float.self) == sum) }
        }
    }

    @Test("a tensor list works on another task", arguments: transports)
    func lists(_ transport: ServerOptions.TensorTransport) async throws {
        var end: Output?
        try await onCluster(transport) { b in
            let list = b.device(Self.tasks[0]) {
                b.add(
                    "TensorListFromTensor", [b.constant(Tensor([1, 2, 3] as [Float])), b.constant(Tensor([Int32]()))],
                    attributes: ["element_dtype": .type(.float32), "shape_type": .type(.int32)])[0]
            }
            end = b.device(Self.tasks[2]) {
                let zeros = b.add("ZerosLike", [list])[0]
                let sum = b.add("AddN", [zeros, list])[0]
                return b.add(
                    "TensorListStack", [sum, b.constant(Tensor([Int32]()))], attributes: ["element_dtype": .type(.float32)])[0]
            }
        } _: { session in
            guard let end else { return }
            let values = try await session.run(end)
            #expect(try values.array(of: Float.self) == [1, 2, 3])
        }
    }
}

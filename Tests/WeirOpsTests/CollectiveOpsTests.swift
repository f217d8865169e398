import Testing
import WeirDevice
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// Collective ops in graphs over the devices of one process.
@Suite("Collective ops on the devices of a process", .timeLimit(.minutes(2)))
struct CollectiveOpsTests {
    private func group(_ size: Int, _ instance: Int, key: Int = 1) -> Attributes {
        ["group_size": .int(size), "group_key": .int(key), "instance_key": .int(instance)]
    }
    private func with(_ attributes: Attributes, _ more: [String: AttributeValue]) -> Attributes {
        Attributes(attributes.values.merging(more) { $1 })
    }
    private func reduction(_ size: Int, _ instance: Int, _ merge: AttributeValue = "Add", _ final: AttributeValue = "Id") -> Attributes {
        with(group(size, instance), ["merge_op": merge, "final_op": final, "subdiv_offsets": .ints([0])])
    }
    private func scalars(_ b: GraphBuilder, _ values: Int...) -> [Output] { values.map { b.constant(Tensor(Int32($0))) } }
    private func session(_ b: GraphBuilder, cpus: Int = 4, gpus: Int = 0) throws -> DirectSession {
        var options = RuntimeOptions(cpuCount: cpus, simulatedGPUCount: gpus)
        options.simulatedGPUDelays = SimulatedDelays(seed: 7, longest: 100)
        return try DirectSession(b.graph(), registry: .standard, options: options)
    }

    @Test("four CPUs reduce: every one gets the sum, in every step", arguments: [3, 50_000])
    func reduce(_ count: Int) throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [nil], name: "x")
        let sums = (0..<4).map { device in
            b.device("/cpu:\(device)") {
                b.add("CollectiveReduce", [b.add("Mul", [x, b.scalar(Double(1 << device), .float32)])[0]], attributes: reduction(4, 1))[0]
            }
        }
        let session = try session(b)
        for step in 1...3 {
            let value = Tensor([Float](repeating: Float(step), count: count))
            for sum in try session.run(feeds: [(x.name, value)], fetches: sums.map(\.name)) {
                #expect(try sum.array(of: Float.self) == [Float](repeating: Float(step * 15), count: count))
            }
        }
    }

    @Test("two GPUs with late streams run all kinds of operations", arguments: ["/cpu", "/gpu"])
    func kinds(_ device: String) throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [2, 2], name: "x")
        var fetches: [[Output]] = []
        for member in 0..<2 {
            b.device("\(device):\(member)") {
                let own = b.add("AddV2", [x, b.scalar(Double(10 * member), .float32)])[0]
                func second(_ op: String, _ inputs: [Output], _ instance: Int, _ attributes: Attributes = [:]) -> Output {
                    b.add(op, inputs + scalars(b, 2, 1, instance), attributes: attributes)[0]
                }
                let add: Attributes = ["merge_op": "Add", "final_op": "Div"]
                let shape = b.constant(Tensor([2, 2] as [Int32]))
                let broadcast: Output =
                    member == 1
                    ? b.add("CollectiveBcastSend", [own], attributes: with(group(2, 3), ["shape": .shape([2, 2])]))[0]
                    : b.add("CollectiveBcastRecv", attributes: with(group(2, 3), ["shape": .shape([2, 2]), "T": .type(.float32)]))[0]
                let secondBroadcast: Output =
                    member == 0
                    ? second("CollectiveBcastSendV2", [own], 7)
                    : b.add("CollectiveBcastRecvV2", scalars(b, 2, 1, 7) + [shape], attributes: ["T": .type(.float32)])[0]
                fetches.append([
                    b.add("CollectiveReduce", [own], attributes: reduction(2, 1, "Max"))[0],
                    b.add("CollectiveGather", [own], attributes: with(group(2, 2), ["shape": .shape([4, 2])]))[0],
                    broadcast,
                    second("CollectiveReduceV2", [own], 4, add),
                    second("CollectiveGatherV2", [own], 5),
                    second("CollectiveReduceScatterV2", [own], 6, add),
                    secondBroadcast,
                    second("CollectiveAllToAllV2", [own], 8),
                ])
            }
        }
        let session = try session(b, cpus: 2, gpus: 2)
        for _ in 0..<3 {
            let results = try session.run(
                feeds: [(x.name, Tensor([1, 2, 3, 4] as [Float], ofShape: [2, 2]))], fetches: fetches.flatMap { $0 }.map(\.name))
            for member in 0..<2 {
                let values = try results[member * 8..<member * 8 + 8].map { try $0.array(of: Float.self) }
                #expect(values[0] == [11, 12, 13, 14])
                #expect(values[1] == [1, 2, 3, 4, 11, 12, 13, 14])
                #expect(values[2] == [11, 12, 13, 14])
                #expect(values[3] == [6, 7, 8, 9])
                #expect(values[4] == values[1])
                #expect(values[5] == (member == 0 ? [6, 7] : [8, 9]))
                #expect(values[6] == [1, 2, 3, 4])
                #expect(values[7] == (member == 0 ? [1, 2, 11, 12] : [3, 4, 13, 14]))
            }
        }
    }

    @Test("the third version of the ops takes a communicator, whose members have the ranks that they ask for")
    func communicators() throws {
        let b = GraphBuilder(registry: .standard)
        let none = b.constant(Tensor([Int32](), ofShape: [0, 0]))
        var fetches: [Output] = []
        for member in 0..<2 {
            b.device("/cpu:\(member)") {
                let communicator = b.add("CollectiveInitializeCommunicator", scalars(b, 5, 1 - member, 2))[0]
                let x = b.constant(Tensor([Float(member), Float(member + 2)]))
                let sum = b.add("CollectiveReduceV3", [x, communicator, none], attributes: ["reduction": "Add"])[0]
                fetches.append(sum)
                b.controlDependencies([sum.operation]) {
                    fetches.append(b.add("CollectiveAllToAllV3", [x, communicator, none])[0])
                }
            }
        }
        let session = try session(b)
        let results = try session.run(fetches: fetches.map(\.name)).map { try $0.array(of: Float.self) }
        // CPU 1 has rank 0.
        #expect(results == [[1, 5], [3, 2], [1, 5], [1, 0]])
        let error = #expect(throws: Status.self) { try session.run(fetches: fetches.map(\.name)) }
        #expect(error?.code == .alreadyExists)
    }

    @Test("the group of a device is the row of the matrix that has it")
    func assignment() throws {
        func assign(_ device: Int, _ key: Int) throws -> [Int32] {
            let b = GraphBuilder(registry: .standard)
            let groups = b.constant(Tensor([0, 1, 2, 3] as [Int32], ofShape: [2, 2]))
            let made = b.add("CollectiveAssignGroupV2", [groups] + scalars(b, device, key))
            return try session(b, cpus: 1).run(fetches: [made[0].name, made[1].name]).map { try $0.scalar(of: Int32.self) }
        }
        #expect(try assign(1, 5) == [2, 5])
        #expect(try assign(2, 5) == [2, 6])
        #expect(throws: Status.self) { try assign(4, 5) }
        #expect(throws: Status.self) { try assign(2, -1) }
    }

    @Test("equal nodes on one device are neither merged nor folded")
    func optimizer() throws {
        let b = GraphBuilder(registry: .standard)
        let attributes = with(reduction(2, 1), ["timeout_seconds": 30.0])
        // If the nodes of CPU 0 were one, CPU 1 would wait for the other.
        let sums = [[1, 1], [1, 2]].enumerated().map { device, values in
            b.device("/cpu:\(device)") { values.map { b.add("CollectiveReduce", [b.scalar(Double($0), .float32)], attributes: attributes)[0] } }
        }
        let session = try session(b)
        for _ in 0..<3 {
            let results = try session.run(fetches: sums.flatMap { $0 }.map(\.name)).map { try $0.scalar(of: Float.self) }
            // Either node of CPU 0 may meet either one of CPU 1.
            #expect(results[..<2].sorted() == [2, 3] && results[2...].sorted() == [2, 3])
        }
    }

    @Test("when one device's part of a step fails, the step fails with its error, and the next one works")
    func failure() throws {
        let b = GraphBuilder(registry: .standard)
        let divisor = b.placeholder(.int32, shape: [], name: "divisor")
        let sums = (0..<2).map { device in
            b.device("/cpu:\(device)") { () -> Output in
                let one = b.constant(Tensor(Int32(6)))
                return b.add("CollectiveReduce", [device == 0 ? one : b.add("FloorDiv", [one, divisor])[0]], attributes: reduction(2, 1))[0]
            }
        }
        let session = try session(b)
        func run(_ value: Int32) throws -> [Int32] {
            try session.run(feeds: [(divisor.name, Tensor(value))], fetches: sums.map(\.name)).map { try $0.scalar(of: Int32.self) }
        }
        for _ in 0..<3 {
            #expect(try run(2) == [9, 9])
            let error = #expect(throws: Status.self) { try run(0) }
            #expect(error?.code == .invalidArgument && error?.message.contains("division by zero") == true)
        }
        #expect(try run(3) == [8, 8])
    }

    @Test("devices whose tensors have different shapes fail with the reason")
    func shapes() throws {
        let b = GraphBuilder(registry: .standard)
        let sums = (0..<2).map { device in
            b.device("/cpu:\(device)") {
                b.add("CollectiveReduce", [b.constant(Tensor([Float](repeating: 1, count: 2 + device)))], attributes: reduction(2, 1))
            }
        }
        let session = try session(b)
        let error = #expect(throws: Status.self) { try session.run(targets: sums.map(\.name)) }
        #expect(error?.code == .invalidArgument)
    }

    @Test("a step that is cancelled ends although another member never comes; a timeout ends it, too")
    func waitsForNobody() async throws {
        let b = GraphBuilder(registry: .standard)
        let one = b.device("/cpu:0") { b.add("CollectiveReduce", [b.scalar(1, .float32)], attributes: reduction(2, 1)) }
        let timed = b.device("/cpu:0") {
            b.add("CollectiveReduce", [b.scalar(1, .float32)], attributes: with(reduction(2, 2), ["timeout_seconds": 0.02]))
        }
        let session = try session(b)
        // Not with `run`, which would keep its thread from the timer.
        func result(_ target: WeirGraph.Operation, _ cancellation: Cancellation) async throws -> Result<[Tensor], Status> {
            let plan = try session.plan(feeds: [], fetches: [], targets: [target.name])
            return await withCheckedContinuation { continuation in
                session.start(plan, [], cancellation: cancellation) { continuation.resume(returning: $0) }
                if cancellation !== never { cancellation.cancel() }
            }
        }
        let never = Cancellation()
        await #expect(throws: Status.self) { try await result(one, Cancellation()).get() }
        let error = await #expect(throws: Status.self) { try await result(timed, never).get() }
        #expect(error?.code == .deadlineExceeded)
    }

    @Test("wrong attributes and inputs fail with TensorFlow's messages")
    func mistakes() throws {
        func message(_ make: (GraphBuilder) -> WeirGraph.Operation) throws -> String {
            let b = GraphBuilder(registry: .standard)
            let node = b.device("/cpu:0") { make(b) }
            let error = #expect(throws: Status.self) { try session(b, cpus: 1).run(targets: [node.name]) }
            return error?.message ?? ""
        }
        let vector = Tensor([1, 2] as [Float])
        #expect(
            try message { $0.add("CollectiveReduce", [$0.constant(vector)], attributes: reduction(0, 1)) }
                .contains("group_size must be positive integer but got 0"))
        #expect(
            try message { b in b.add("CollectiveReduceV2", [b.constant(vector)] + scalars(b, -1, 1, 1), attributes: ["merge_op": "Add", "final_op": "Id"]) }
                .contains("group_size must be positive integer but got -1"))
        #expect(
            try message { b in
                b.add("CollectiveGatherV2", [b.constant(vector), b.constant(Tensor([2] as [Int32]))] + scalars(b, 1, 1))
            }.contains("Unexpected dimensions on input group_size"))
        #expect(
            try message { b in
                b.add("CollectiveBcastSend", [b.constant(vector)], attributes: with(group(1, 1), ["shape": .shape([3])]))
            }.contains("does not match shape of input"))
        #expect(
            try message { b in b.add("CollectiveInitializeCommunicator", scalars(b, 1, 3, 2)) }
                .contains("rank must be less than group size but got 3 >= 2"))
    }

    @Test("a permutation of replicas has a gradient, but no kernel")
    func permutation() throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.constant(Tensor([1, 2] as [Float]))
        let moved = b.add("CollectivePermute", [x, b.constant(Tensor([0, 1, 1, 0] as [Int32], ofShape: [2, 2]))])[0]
        let gradient = try #require(b.gradients(of: [moved], with: [x])[0])
        #expect(b.node(gradient.endpoint.node).op.name == "CollectivePermute")
        let error = #expect(throws: Status.self) { try session(b, cpus: 1) }
        #expect(error?.code == .invalidArgument)
    }

    @Test("a group of one gets what it gives")
    func alone() throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.constant(Tensor([1, 2] as [Float]))
        let outputs = [
            b.add("CollectiveReduce", [x], attributes: reduction(1, 1, "Add", "Div"))[0],
            b.add("CollectiveGather", [x], attributes: with(group(1, 2), ["shape": .shape([2])]))[0],
            b.add("CollectiveBcastSend", [x], attributes: with(group(1, 3), ["shape": .shape([2])]))[0],
        ]
        let results = try session(b, cpus: 1).run(fetches: outputs.map(\.name))
        for result in results { #expect(try result.array(of: Float.self) == [1, 2]) }
    }
}

import Testing
import Weir
import WeirGraph
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("Variables in parts", .serialized)
struct PartitioningTests {
    private let rows = Result { try RandomNetwork.table(rows: 12, seed: 2) }

    private func table(_ shape: Shape) throws -> ModelVariable {
        let builder = GraphBuilder(registry: .standard)
        let variable = builder.variable("table") { builder.filled(shape, with: 1) }
        let loss = shape.rank > 0 ? (variable.value * variable.value).sum() : variable.value * variable.value
        return try ModelGraph(builder.graph(), inputs: [:], loss: loss.endpoint).parameters[0]
    }

    @Test("rows are divided as TensorFlow's partitioners do: the first parts have one more")
    func division() throws {
        let table = try self.table([10, 3])
        #expect(VariablePartitioning.parts(3).rows(of: table) == [0..<4, 4..<7, 7..<10])
        #expect(VariablePartitioning.parts(1).rows(of: table) == [0..<10])
        #expect(VariablePartitioning.parts(99).rows(of: table).count == 10)
        // A row has 12 bytes: four rows fit, so three parts are needed.
        #expect(VariablePartitioning.bytes(maximum: 50).rows(of: table) == [0..<4, 4..<7, 7..<10])
        #expect(VariablePartitioning.bytes(maximum: 120).rows(of: table).count == 1)
        #expect(VariablePartitioning.bytes(maximum: 119).rows(of: table).count == 2)
        #expect(VariablePartitioning.bytes(maximum: 1).rows(of: table).count == 10)
        #expect(try VariablePartitioning.parts(3).rows(of: self.table([])).count == 1)
    }

    @Test("a number of parts or bytes below 1 is refused", arguments: [VariablePartitioning.parts(0), .bytes(maximum: -1)])
    func wrongNumbers(_ partitioning: VariablePartitioning) throws {
        let model = try ModelGraph(GatherNetwork())
        let error = #expect(throws: Status.self) {
            try SingleDevice().plan(model, TrainingSetting(optimizer: GradientDescent(learningRate: 1), batchSize: 1, partitioning: partitioning))
        }
        #expect(error?.code == .invalidArgument && error?.message.contains("at least 1") == true)
    }

    @Test("a specification of a part is TensorFlow's")
    func specification() {
        let slice = VariableSlice(fullName: "w", fullShape: [10, 4], offset: 4)
        #expect(slice.specification(of: [3, 4]) == "10 4 4,3:0,4")
        let block = VariableSlice(fullName: "w", fullShape: [10, 4], offsets: [5, 2])
        #expect(block.specification(of: [5, 2]) == "10 4 5,5:2,2" && block.offset == 5)
    }

    @Test("initial values in parts are those of whole variables, bit for bit", arguments: [2, 5])
    func initialValues(_ parts: Int) async throws {
        let model = try ModelGraph(GatherNetwork())
        let whole = try await StartedClients(SingleDevice(), model, rows: rows.get())
        let cut = try await StartedClients(SingleDevice(), model, rows: rows.get(), partitioning: .parts(parts))
        for name in ["embedding/table", "output/weights"] { #expect(try await whole.value(name) == cut.value(name), "\(name)") }
        let names = cut.loops[0].client.graph.nodes.compactMap { $0.attributes.string("shared_name")?.description }
        #expect(names.contains("embedding/table/part_\(parts - 1)") && !names.contains("embedding/table"))
    }

    @Test("gradients of variables in parts are those of whole variables", arguments: [false, true])
    func gradients(_ readsTable: Bool) async throws {
        let model = try ModelGraph(GatherNetwork(readsTable: readsTable))
        let expected = try await OneStep.run(SingleDevice(), model, rows: rows.get(), batchSize: 12)
        for partitioning in [VariablePartitioning.parts(5), .bytes(maximum: 64)] {
            let found = try await OneStep.run(SingleDevice(), model, rows: rows.get(), batchSize: 12, partitioning: partitioning)
            #expect(try found.difference(from: expected) <= 1e-5)
            #expect(abs(found.loss - expected.loss) <= 1e-5 * abs(expected.loss))
        }
    }

    @Test("every strategy with parameter servers trains variables in parts", arguments: ["sync", "async", "in-graph"])
    func strategies(_ name: String) async throws {
        let workers = name == "async" ? 1 : 3
        let strategies: [any Strategy] = [SynchronousReplicas(), AsynchronousReplicas(), InGraphReplication()]
        let strategy = try #require(strategies.first { $0.name == name })
        try await TestCluster.with([("ps", 3), ("worker", workers)]) { cluster in
            for network in [GatherNetwork(), GatherNetwork(readsTable: true)] {
                let model = try ModelGraph(network)
                let expected = try await OneStep.run(SingleDevice(), model, rows: rows.get(), batchSize: 12)
                let found = try await OneStep.run(
                    strategy, model, rows: rows.get(), batchSize: 12 / workers, cluster: cluster.spec, partitioning: .parts(3))
                #expect(try found.difference(from: expected) <= 1e-5)
            }
        }
    }

    @Test("parts lie on different parameter servers")
    func placement() throws {
        let cluster = try ClusterSpec(["ps": ["a:1", "b:1", "c:1"], "worker": ["d:1"]])
        let setting = TrainingSetting(cluster: cluster, optimizer: GradientDescent(learningRate: 1), batchSize: 1, partitioning: .parts(3))
        let plan = try AsynchronousReplicas().plan(ModelGraph(GatherNetwork()), setting)
        let handles = plan.clients[0].graph.nodes.filter { $0.attributes.string("shared_name")?.description.hasPrefix("embedding/table/part_") == true }
        #expect(handles.count == 3 && Set(handles.map(\.requestedDevice)).count == 3)
    }

    @Test("a variable that a node needs as a whole is not cut, and the node is named")
    func otherUse() throws {
        let model = try ModelGraph(GatherNetwork(gathersByVector: true))
        let setting = TrainingSetting(optimizer: GradientDescent(learningRate: 1), batchSize: 1, partitioning: .parts(2))
        let error = #expect(throws: Status.self) { try SingleDevice().plan(model, setting) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("embedding/table") == true && error?.message.contains("ResourceGatherNd") == true)
    }

    @Test("a strategy that cannot cut variables says so")
    func unsupported() throws {
        let model = try ModelGraph(GatherNetwork())
        let error = #expect(throws: Status.self) {
            try AllReduceReplicas().plan(
                model, TrainingSetting(optimizer: GradientDescent(learningRate: 1), batchSize: 1, partitioning: .parts(2)))
        }
        #expect(error?.code == .invalidArgument && error?.message.contains("'allreduce' does not cut variables") == true)
    }

    @Test("rows of parts are looked up like rows of the whole, and an index out of range fails", arguments: [1, 2, 3, 7])
    func lookup(_ parts: Int) async throws {
        let builder = GraphBuilder(registry: .standard)
        let ids = builder.placeholder(.int32, shape: [nil, 2], name: "ids")
        let table = builder.variable("table") { builder.constant(Tensor((0..<14).map(Float.init), ofShape: [7, 2])) }
        let weight = builder.variable("weight") { builder.constant(Tensor([Float(1)])) }
        let loss = (table.handle.gatherVariable(ids).sum() * weight.value).sum()
        let model = try ModelGraph(builder.graph(), inputs: ["ids": ids.endpoint], loss: loss.endpoint)
        let copy = GraphBuilder(registry: .standard)
        let declared = try model.declareVariables(in: copy, partitioning: .parts(parts))
        let replica = try model.replica(in: copy, variables: declared)
        let session = try await Session(copy.graph())
        try await session.run(copy.initializer)
        let input = try #require(replica.inputs["ids"])
        func sum(_ numbers: [Int32]) async throws -> Float {
            try await session.run(replica.loss, feeding: [input: Tensor(numbers, ofShape: [numbers.count / 2, 2])]).scalar(of: Float.self)
        }
        #expect(try await sum([6, 0, 3, 3]) == 25 + 1 + 13 + 13)
        for id in Int32(0)..<7 { #expect(try await sum([id, id]) == Float(2 * (4 * id + 1))) }
        #expect(try await sum([]) == 0)
        for wrong in [Int32(7), -1, .max, .min] {
            await #expect(throws: Status.self, "\(wrong)") { try await sum([0, wrong]) }
        }
    }

    @Test("a checkpoint of parts is one of the whole variable, and the other way round", arguments: [(3, 1), (1, 3), (3, 2)])
    func checkpoints(_ saved: Int, _ restored: Int) async throws {
        let scratch = FileSystemScratch()
        let model = try ModelGraph(GatherNetwork())
        func declared(_ parts: Int, _ factor: Double) async throws -> (Saver, Session, [String: Output]) {
            let builder = GraphBuilder(registry: .standard)
            let variables = try model.declareVariables(in: builder, partitioning: .parts(parts))
            let scaled = variables.all.map { $0.assign($0.value * factor) }
            let saver = Saver(builder, variables.all)
            let session = try await Session(builder.graph())
            try await session.run(builder.initializer)
            for operation in scaled { try await session.run(operation) }
            return (saver, session, variables.values)
        }
        let (saver, first, expected) = try await declared(saved, 3)
        let path = try await saver.save(first, to: "\(scratch.path)/model")
        let (other, second, found) = try await declared(restored, 0)
        try await other.restore(second, from: path)
        for name in ["embedding/table", "output/weights"] {
            let (a, b) = (try #require(expected[name]), try #require(found[name]))
            #expect(try await first.run(a) == second.run(b), "\(name)")
        }
    }
}

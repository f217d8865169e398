import Testing
import Weir
import WeirTensor

@testable import WeirTrain

/// Strategies by name, with the options that each takes.
@Suite("Strategies by name")
struct StrategyCatalogTests {
    /// A value of each option.
    private static let values: [StrategyParameter: ParameterValue] = [
        .stages: .integer(2), .layers: .text("hidden1=/cpu:0"), .microBatches: .integer(8), .schedule: .text("gpipe"), .replicas: .integer(3),
        .mesh: .text("data=2,model=2"), .cuts: .text("head=whole"), .shards: .integer(4), .required: .integer(1), .maximumLead: .integer(0),
        .ledger: .boolean(true), .bucketBytes: .integer(100), .workerStrategy: .text("pipeline"), .balance: .text("bytes"), .partBytes: .integer(64),
    ]
    private func arguments(_ parameters: StrategyParameter...) -> StrategyArguments {
        var result = StrategyArguments()
        for parameter in parameters { result[parameter] = StrategyCatalogTests.values[parameter] }
        return result
    }

    @Test("each name makes the strategy of that name, and each option is taken by a strategy")
    func names() throws {
        let names = StrategyCatalog.names
        #expect(Set(names).count == names.count && names.count == 11)
        for name in names { #expect(try StrategyCatalog.strategy(name, arguments(.mesh)).name == name) }
        for parameter in StrategyParameter.allCases {
            #expect(StrategyCatalogTests.values[parameter] != nil, "\(parameter)")
            #expect(!StrategyCatalog.names(taking: parameter).isEmpty, "\(parameter)")
        }
        #expect(StrategyCatalog.names(with: StrategyArguments()) == names.filter { $0 != "mesh" })
        #expect(StrategyCatalog.names(with: arguments(.mesh)) == names)
        let error = #expect(throws: Status.self) { try StrategyCatalog.strategy("synch", StrategyArguments()) }
        #expect(error?.message == "--strategy must be of \(names.joined(separator: ", ")), found 'synch'")
    }

    @Test("an option that a strategy does not take is refused, with the strategies that do", arguments: StrategyParameter.allCases)
    func refused(_ parameter: StrategyParameter) throws {
        let given = arguments(parameter)
        let takers = StrategyCatalog.names(taking: parameter)
        for name in StrategyCatalog.names {
            if takers.contains(name) {
                try StrategyCatalog.check(given, for: [name])
            } else {
                let error = #expect(throws: Status.self) { try StrategyCatalog.check(given, for: [name]) }
                let message = error?.message ?? ""
                #expect(error?.code == .invalidArgument && message.hasPrefix("--\(parameter.rawValue) needs strategy "), "\(message)")
                #expect(takers.allSatisfy { message.contains($0) } && message.contains("found \(name)"), "\(message)")
                // Of several strategies, one is enough; the others do not get the option.
                try StrategyCatalog.check(given, for: [name, takers[0]])
            }
        }
    }

    @Test("strategies get the values of the options that they take")
    func values() throws {
        let all = arguments(
            .stages, .layers, .microBatches, .schedule, .replicas, .mesh, .cuts, .shards, .required, .maximumLead, .ledger, .bucketBytes, .balance, .partBytes)
        func made<S>(_ name: String, _ type: S.Type) throws -> S { try #require(try StrategyCatalog.strategy(name, all) as? S) }
        #expect(try made("layers", LayerParallel.self).stageCount == 2)
        let pipelines = try made("pipelines", DataParallelPipelines.self)
        #expect(pipelines.replicaCount == 3 && pipelines.pipeline.microBatchCount == 8 && pipelines.pipeline.order == .gPipe)
        #expect(try made("tensor", TensorParallel.self).rules.map(\.0) == ["head"])
        #expect(try made("mesh", MeshParallel.self).axes.map(\.size) == [2, 2])
        #expect(try made("in-graph", InGraphReplication.self).shards == 4)
        #expect(try made("async", AsynchronousReplicas.self).maximumLead == 0)
        let sync = try made("sync", SynchronousReplicas.self)
        #expect(sync.required == 1 && sync.ledger)
        #expect(try made("hybrid", HybridReplicas.self).bucketByteCount == 100)
        guard case .towers(let shards) = try made("allreduce", AllReduceReplicas.self).work else { throw Status.internalError("expected towers") }
        #expect(shards == 4)

        var options = try TrainingOptions(DenseNetwork(inputCount: 4, classCount: 3), table: .iris())
        try options.setStrategy("sync", all)
        #expect(options.strategy is SynchronousReplicas && options.balance == .bytes && options.partitioning == .bytes(maximum: 64))
        try options.setStrategy("allreduce", all)
        #expect(options.strategy is AllReduceReplicas && options.balance == .roundRobin && options.partitioning == nil)
    }

    @Test("a strategy of workers that there is not is refused with those that there are, and so is a strategy that is named twice")
    func wrongNames() {
        for name in ["foo", "sync"] {
            var given = StrategyArguments()
            given[.workerStrategy] = .text(name)
            let error = #expect(throws: Status.self) { try StrategyCatalog.strategy("allreduce", given) }
            #expect(
                error?.message
                    == "--worker-strategy must be of layers, pipeline, pipelines, tensor, mesh, in-graph, which have one client; found '\(name)'")
        }
        let twice = #expect(throws: Status.self) { try StrategyCatalog.check(StrategyArguments(), for: ["sync", "single", "sync"], option: "--strategies") }
        #expect(twice?.message == "--strategies must name each strategy once, found 'sync' again")
    }

    @Test("all-reduce takes the options of its workers' strategy")
    func workers() throws {
        let given = arguments(.workerStrategy, .microBatches, .bucketBytes)
        try StrategyCatalog.check(given, for: ["allreduce"])
        let strategy = try #require(try StrategyCatalog.strategy("allreduce", given) as? AllReduceReplicas)
        guard case .strategy(let inner) = strategy.work else { throw Status.internalError("expected a strategy") }
        #expect((inner as? PipelineParallel)?.microBatchCount == 8 && strategy.bucketByteCount == 100)
        func refuse(_ given: StrategyArguments, _ expected: String) {
            let error = #expect(throws: Status.self) {
                try StrategyCatalog.check(given, for: ["allreduce"])
                _ = try StrategyCatalog.strategy("allreduce", given)
            }
            #expect(error?.code == .invalidArgument && error?.message.contains(expected) == true, "\(error?.message ?? "")")
        }
        refuse(arguments(.workerStrategy, .replicas), "--replicas needs strategy pipelines, or such a --worker-strategy; found allreduce")
        refuse(arguments(.workerStrategy, .shards), "expected one of the two")
        refuse(arguments(.microBatches), "--micro-batches needs strategy pipeline or pipelines, or such a --worker-strategy")
        var wrong = StrategyArguments()
        wrong[.workerStrategy] = .text("sync")
        refuse(wrong, "--worker-strategy must be of layers, pipeline, pipelines, tensor, mesh, in-graph")
    }

    @Test("values of the wrong type or name are refused")
    func wrongValues() {
        func refuse(_ name: String, _ parameter: StrategyParameter, _ value: ParameterValue, _ expected: String) {
            var given = StrategyArguments()
            given[parameter] = value
            let error = #expect(throws: Status.self) {
                var options = try TrainingOptions(DenseNetwork(inputCount: 4, classCount: 3), table: .iris())
                try options.setStrategy(name, given)
            }
            #expect(error?.code == .invalidArgument && error?.message.contains(expected) == true, "\(error?.message ?? "")")
        }
        refuse("pipeline", .schedule, .text("lifo"), "--schedule must be gpipe or 1f1b, found 'lifo'")
        refuse("sync", .balance, .text("even"), "--balance must be roundrobin or bytes, found 'even'")
        refuse("sync", .required, .text("two"), "--required must be an integer, found 'two'")
        refuse("sync", .ledger, .integer(1), "--ledger must be true or false, found '1'")
        refuse("mesh", .cuts, .text("head=whole"), "Strategy 'mesh' needs --mesh")
    }

    @Test("a sweep's trial gets only what its strategy takes, and an option that no strategy of the sweep takes is refused")
    func sweeps() throws {
        let base: [String: ParameterValue] = [
            "strategy": .text("sync"), "micro_batches": .integer(8), "required": .integer(2), "batch": .integer(16), "max-lead": .integer(1),
        ]
        #expect(try StrategyCatalog.taken(of: base, usual: "single").keys.sorted() == ["batch", "required", "strategy"])
        var other = base
        other["strategy"] = nil
        #expect(try StrategyCatalog.taken(of: other, usual: "async").keys.sorted() == ["batch", "max-lead"])
        other["strategy"] = .text("none")
        #expect(throws: Status.self) { try StrategyCatalog.taken(of: other, usual: "async") }

        func check(_ base: [String: ParameterValue], _ parameters: [SweepParameter]) throws {
            let base = base.merging(["steps": .integer(10)]) { given, _ in given }
            let specification = try SweepSpecification(base: base, parameters: parameters, method: .grid, objective: .init("loss", .min))
            try StrategyCatalog.check(specification, usual: "single")
        }
        let strategies = SweepParameter("strategy", .values([.text("sync"), .text("pipeline")]))
        try check(["micro_batches": .integer(8)], [strategies, SweepParameter("required", .values([.integer(1), .integer(2)]))])
        try check(["strategy": .text("allreduce"), "stages": .integer(2)], [SweepParameter("worker-strategy", .values([.text("layers"), .text("tensor")]))])
        let unused = #expect(throws: Status.self) { try check(["max-lead": .integer(1)], [strategies]) }
        #expect(unused?.message == "--max-lead needs strategy async; found sync, pipeline")
        let single = #expect(throws: Status.self) { try check([:], [SweepParameter("micro-batches", .values([.integer(2)]))]) }
        #expect(single?.message.hasPrefix("--micro-batches needs strategy pipeline or pipelines") == true)
    }
}

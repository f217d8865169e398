import Synchronization
import Testing
import Weir
import WeirTesting
import WeirWire

@testable import WeirTrain

@Suite("Checkpoints of trainings", .timeLimit(.minutes(2)))
struct TrainingCheckpointTests {
    private let scratch = FileSystemScratch()

    private func options(_ strategy: any Strategy, steps: Int, batch: Int = 16) throws -> TrainingOptions {
        let table = try Table.iris()
        let network = DenseNetwork(inputCount: table.featureCount, hidden: [8], classCount: table.classes.count)
        var options = try TrainingOptions(
            network, table: table, strategy: strategy, optimizer: Adam(learningRate: 0.02), stepCount: steps, batchSize: batch)
        options.devices = ["/cpu:0", "/cpu:1"]
        options.localDevices = try LocalDevices(cpuCount: 2)
        return options
    }

    /// Trains, and returns the report and what the last checkpoint has.
    private func train(
        _ strategy: any Strategy, until steps: Int, _ checkpoint: TrainingCheckpoint, cluster: ClusterSpec = ClusterSpec()
    ) async throws -> (report: TrainingReport, state: [String: Tensor]) {
        var options = try options(strategy, steps: steps)
        options.checkpoint = checkpoint
        if !cluster.tasks.isEmpty {
            options.devices = ["/cpu:0"]
            options.localDevices = nil
        }
        let report = try await Trainer(options, cluster: cluster).run()
        let reader = try BundleReader("\(checkpoint.prefix)-\(steps)")
        var state: [String: Tensor] = [:]
        for (name, _) in try reader.tensors() { state["\(name)"] = try reader.tensor(name) }
        return (report, state)
    }

    @Test(
        "a training that goes on from a checkpoint has the bits of one without an interruption",
        arguments: [SingleDevice(), InGraphReplication(), AllReduceReplicas(shards: 2), LayerParallel()] as [any Strategy])
    func sameNumbers(_ strategy: any Strategy) async throws {
        let whole = try await train(strategy, until: 25, TrainingCheckpoint("\(scratch.path)/whole/model"))
        let prefix = "\(scratch.path)/cut/model"
        _ = try await train(strategy, until: 12, TrainingCheckpoint(prefix, every: 5))
        let rest = try await train(strategy, until: 25, TrainingCheckpoint(prefix, from: .latest))
        #expect(rest.state == whole.state && rest.state.count > 8)
        #expect(rest.report.testMetrics == whole.report.testMetrics && rest.report.trainMetrics == whole.report.trainMetrics)
        // The batches are those that follow.
        let losses = whole.report.losses.filter { $0.step > 12 }
        #expect(rest.report.losses.map(\.step) == losses.map(\.step) && rest.report.losses.map(\.loss) == losses.map(\.loss))
    }

    @Test("replicas save on the way and at the end, and go on from the latest", arguments: [SynchronousReplicas(), AllReduceReplicas()] as [any Strategy])
    func replicas(_ strategy: any Strategy) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let prefix = "\(scratch.path)/model"
            let first = try await train(strategy, until: 12, TrainingCheckpoint(prefix, every: 5), cluster: cluster.spec)
            #expect(first.state["global_step"] == Tensor(12 as Int64))
            #expect(scratch.names.filter { $0.hasSuffix(".index") } == ["model-10.index", "model-12.index", "model-5.index"])
            let rest = try await train(strategy, until: 20, TrainingCheckpoint(prefix, from: .latest), cluster: cluster.spec)
            #expect(rest.state["global_step"] == Tensor(20 as Int64))
            #expect(rest.report.losses.allSatisfy { $0.step > 12 } && rest.report.updatesByWorker.reduce(0, +) <= 2 * 8 + 2)
        }
    }

    @Test("a training whose checkpoint is complete makes no step, and is evaluated")
    func complete() async throws {
        let prefix = "\(scratch.path)/model"
        let first = try await train(SingleDevice(), until: 6, TrainingCheckpoint(prefix))
        let again = try await train(SingleDevice(), until: 6, TrainingCheckpoint(prefix, from: .latest))
        #expect(again.report.losses.isEmpty && again.report.updatesByWorker.allSatisfy { $0 == 0 })
        #expect(again.report.testMetrics == first.report.testMetrics)
    }

    @Test(
        "a training goes on with another strategy, which cuts the variables otherwise",
        arguments: [(SingleDevice(), TensorParallel()), (TensorParallel(), SingleDevice()), (LayerParallel(), TensorParallel())]
            as [(any Strategy, any Strategy)])
    func otherStrategy(_ first: any Strategy, _ second: any Strategy) async throws {
        let whole = try await train(SingleDevice(), until: 25, TrainingCheckpoint("\(scratch.path)/whole/model"))
        let prefix = "\(scratch.path)/cut/model"
        _ = try await train(first, until: 12, TrainingCheckpoint(prefix))
        let rest = try await train(second, until: 25, TrainingCheckpoint(prefix, from: .latest))
        #expect(rest.report.losses.map(\.step) == Array(13...25))
        #expect(rest.state.keys.sorted() == whole.state.keys.sorted() && rest.state["hidden1/kernel/Adam"]?.shape == [4, 8])
        for (name, value) in whole.state where value.dtype == .float32 {
            let found = try #require(rest.state[name]).array(of: Float.self)
            #expect(zip(found, try value.array(of: Float.self)).allSatisfy { abs($0 - $1) < 1e-4 }, "\(name)")
        }
    }

    @Test("a training that goes on with another seed, or other batches, says so, and one with the same does not")
    func otherBatches() async throws {
        let prefix = "\(scratch.path)/model"
        _ = try await train(SingleDevice(), until: 2, TrainingCheckpoint(prefix))
        func notices(_ change: (inout TrainingOptions) -> Void) async throws -> [String] {
            var options = try options(SingleDevice(), steps: 2)
            options.checkpoint = TrainingCheckpoint(prefix, from: .latest)
            change(&options)
            let notices = Mutex<[String]>([])
            _ = try await Trainer(options) { event in
                if case .notice(let text) = event { notices.withLock { $0.append(text) } }
            }.run()
            return notices.withLock { $0.filter { $0.contains("training with") } }
        }
        #expect(try await notices { _ in }.isEmpty)
        let seed = try await notices { $0.seed = 7 }
        #expect(
            seed == [
                "checkpoint \(prefix)-2 is of a training with seed 1, this one has seed 7: its batches are not those that would have followed, and rows "
                    + "that it holds out may have been trained on"
            ])
        let batch = try await notices { $0.batchSize = 8 }
        #expect(batch.count == 1 && batch[0].contains("batch size 16, this one has batch size 8") && !batch[0].contains("holds out"))
        let folds = try await notices { $0.foldCount = 4 }
        #expect(folds.count == 1 && folds[0].contains("number of folds 5, this one has number of folds 4") && folds[0].contains("holds out"))
    }

    @Test("the facts of a training are saved by each layout", arguments: Saver.Layout.allCases)
    func facts(_ layout: Saver.Layout) async throws {
        var checkpoint = TrainingCheckpoint("\(scratch.path)/model")
        checkpoint.layout = layout
        let state = try await train(SingleDevice(), until: 1, checkpoint).state
        #expect(state["training/seed"] == Tensor(Int64(1)) && state["training/batch_size"] == Tensor(Int64(16)) && state["training/folds"] == Tensor(Int64(5)))
    }

    @Test("folders of checkpoints are made, and one that cannot be is an error before the first fold")
    func folders() async throws {
        var options = try options(SingleDevice(), steps: 1)
        options.foldCount = 2
        options.checkpoint = TrainingCheckpoint("\(scratch.path)/new/run/model")
        try CrossValidation(options).prepare()
        #expect(try FileSystem.contents(of: "\(scratch.path)/new/run/fold-2").isEmpty)
        try AtomicFile.write([], to: "\(scratch.path)/fold-2")
        options.checkpoint = TrainingCheckpoint("\(scratch.path)/model")
        let events = Mutex(0)
        let validation = CrossValidation(options) { _ in events.withLock { $0 += 1 } }
        let error = await #expect(throws: Status.self) { try await validation.run() }
        #expect(error?.message.contains("'\(scratch.path)/fold-2/model' need a folder") == true, "\(error?.message ?? "")")
        #expect(events.withLock { $0 } == 0)
        options.checkpoint = TrainingCheckpoint("\(scratch.path)/fold-2/model")
        let trainer = Trainer(options) { _ in events.withLock { $0 += 1 } }
        let single = await #expect(throws: Status.self) { try await trainer.run() }
        #expect(single?.message.contains("'\(scratch.path)/fold-2/model' need a folder") == true && events.withLock { $0 } == 0)
    }

    @Test("a checkpoint of another network is refused, and so is one that is not there")
    func otherNetwork() async throws {
        _ = try await train(SingleDevice(), until: 2, TrainingCheckpoint("\(scratch.path)/model"))
        var other = try options(SingleDevice(), steps: 4)
        other.model = try ModelGraph(DenseNetwork(inputCount: 4, hidden: [9], classCount: 3))
        other.checkpoint = TrainingCheckpoint("\(scratch.path)/model", from: .latest)
        let refusedTrainer = Trainer(other)
        let refused = await #expect(throws: Status.self) { try await refusedTrainer.run() }
        #expect(refused?.code == .invalidArgument)
        for part in [
            "Checkpoint \(scratch.path)/model-2, of ", "'hidden1/kernel' is float [4,9], the checkpoint has float [4,8]",
            "strategy 'single' cannot go on from this checkpoint",
        ] { #expect(refused?.message.contains(part) == true, "\(refused?.message ?? "")") }
        other.checkpoint = TrainingCheckpoint("\(scratch.path)/model", from: .path("\(scratch.path)/none-3"))
        let missingTrainer = Trainer(other)
        let missing = await #expect(throws: Status.self) { try await missingTrainer.run() }
        #expect(missing?.code == .notFound)
    }

    @Test("a prefix without a name, and intervals below 1, are refused before anything starts")
    func wrongOptions() async throws {
        for checkpoint in [TrainingCheckpoint("run/"), TrainingCheckpoint("run/model", every: 0), TrainingCheckpoint("m", maxToKeep: 0)] {
            var options = try options(SingleDevice(), steps: 1)
            options.checkpoint = checkpoint
            let trainer = Trainer(options)
            let error = await #expect(throws: Status.self) { try await trainer.run() }
            #expect(error?.code == .invalidArgument)
        }
        var options = try options(SingleDevice(), steps: 1)
        options.evaluationInterval = 0
        let trainer = Trainer(options)
        let error = await #expect(throws: Status.self) { try await trainer.run() }
        #expect(error?.code == .invalidArgument)
    }

    @Test("the latest checkpoint of another prefix in the folder is not taken")
    func otherPrefix() async throws {
        _ = try await train(SingleDevice(), until: 2, TrainingCheckpoint("\(scratch.path)/model"))
        #expect(try TrainingCheckpoint("\(scratch.path)/model", from: .latest).restoredPath() == "\(scratch.path)/model-2")
        for prefix in ["mode", "model-", "model-2"] {
            #expect(try TrainingCheckpoint("\(scratch.path)/\(prefix)", from: .latest).restoredPath() == nil)
        }
    }

    @Test("cross-validation saves each fold in a folder of its own")
    func folds() async throws {
        var options = try options(SingleDevice(), steps: 3)
        options.foldCount = 2
        options.checkpoint = TrainingCheckpoint("\(scratch.path)/model")
        _ = try await CrossValidation(options).run()
        #expect(scratch.names == ["fold-1", "fold-2"])
        #expect(try Saver.latestCheckpoint(in: "\(scratch.path)/fold-2") == "\(scratch.path)/fold-2/model-3")
    }

    @Test("milestones are the multiples of two intervals")
    func milestones() {
        let milestones = TrainingMilestones(evaluationInterval: 4, checkpointInterval: 10)
        #expect([0, 3, 4, 8, 10, 18].map { milestones.next(after: $0, before: 20) } == [4, 4, 8, 10, 12, 20])
        #expect(milestones.evaluates(after: 3, at: 4) && !milestones.evaluates(after: 4, at: 7) && milestones.saves(after: 9, at: 21))
        let none = TrainingMilestones(evaluationInterval: nil, checkpointInterval: .max)
        #expect(none.next(after: .max - 1, before: .max) == .max && none.next(after: 0, before: 5) == 5 && !none.evaluates(after: 0, at: 5))
    }
}

import Synchronization
import Testing
import WeirCluster
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("Training", .serialized)
struct TrainingTests {
    private func options(_ strategy: any Strategy, steps: Int = 120, seed: Int = 1) throws -> TrainingOptions {
        let table = try Table.iris()
        let network = DenseNetwork(inputCount: table.featureCount, classCount: table.classes.count, seed: seed)
        return try TrainingOptions(network, table: table, strategy: strategy, stepCount: steps, seed: seed)
    }
    private static let replicated: [any Strategy] = [SynchronousReplicas(), AsynchronousReplicas()]

    @Test("a training in this process has the CPUs that it names, and refuses devices that the process does not have")
    func processDevices() async throws {
        var options = try options(InGraphReplication(), steps: 4)
        options.devices = ["/cpu:0", "/cpu:1"]
        let report = try await Trainer(options).run()
        #expect(report.updatesByWorker == [4, 4])
        for (device, local) in [("/gpu:0", nil), ("/cpu:2", try LocalDevices(cpuCount: 2)), ("/cpu:\(Int.max)", nil)] as [(String, LocalDevices?)] {
            options.devices = ["/cpu:0", device]
            options.localDevices = local
            let error = await #expect(throws: Status.self) { try await Trainer(options).run() }
            #expect(error?.code == .invalidArgument && error?.message.contains("cannot compute on '\(device)'") == true, "\(error?.message ?? "")")
        }
        options.devices = ["/gpu:0"]
        options.localDevices = try LocalDevices(simulatedGPUCount: 1)
        #expect(try await Trainer(options).run().stepCount == 4)
    }

    @Test("one process learns the irises")
    func single() async throws {
        let report = try await Trainer(options(SingleDevice(), steps: 200)).run()
        #expect(report.trainAccuracy > 0.9 && report.testRowCount == 30)
        #expect((report.losses.last?.loss ?? 1) < 0.5)
    }

    @Test(
        "the steps that are asked for are traced, and of a training with fewer steps the first",
        arguments: [([2, 5], [2, 5]), ([7], [1]), ([], [])] as [(Set<Int>, [Int])])
    func tracedSteps(_ asked: Set<Int>, _ traced: [Int]) async throws {
        var options = try options(SingleDevice(), steps: 6)
        options.tracedSteps = asked
        let report = try await Trainer(options).run()
        #expect(report.timelines.map(\.step) == traced)
        #expect(report.timelines.allSatisfy { $0.timeline.intervalCount > 0 })
        #expect(zip(report.timelines, report.timelines.dropFirst()).allSatisfy { $0.timeline.end <= $1.timeline.start })
    }

    @Test("a step of several clients is one timeline", arguments: replicated)
    func tracedClients(_ strategy: any Strategy) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            var options = try options(strategy, steps: 20)
            options.tracedSteps = [2, 4]
            let report = try await Trainer(options, cluster: cluster.spec).run()
            #expect(report.timelines.map(\.step) == [2, 4])
            #expect((report.timelines.first?.timeline.lanes.count ?? 0) >= 2)
            #expect(report.utilization?.links.isEmpty == false)
        }
    }

    @Test("a plan is made without starting anything, and says whom it calls")
    func checkedPlan() throws {
        let cluster = try ClusterSpec(["ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:2"]])
        #expect(try Trainer(options(SingleDevice()), cluster: cluster).checkedPlan().clients.allSatisfy { $0.master == nil })
        #expect(try Trainer(options(AsynchronousReplicas()), cluster: cluster).checkedPlan().clients.allSatisfy { $0.master != nil })
        let error = #expect(throws: Status.self) { try Trainer(options(AsynchronousReplicas())).checkedPlan() }
        #expect(error?.code == .invalidArgument)
    }

    @Test("rows that the network has not seen are told apart: the mean over 5 folds is 0.95 or more", arguments: 1...3)
    func crossValidation(_ seed: Int) async throws {
        let options = try options(SingleDevice(), steps: 200, seed: seed)
        let report = try await CrossValidation(options).run()
        #expect(report.folds.count == 5 && report.testRowCount == 150)
        #expect(report.testAccuracy.mean >= 0.95, "\(report.folds.map(\.testAccuracy))")
        #expect(report.testAccuracy.least <= report.testAccuracy.mean && report.testAccuracy.greatest >= report.testAccuracy.mean)
    }

    @Test("replicas without a parameter server to share variables on are refused, and do not wait for each other", arguments: replicated)
    func nothingShared(_ strategy: any Strategy) async throws {
        let cluster = try ClusterSpec(["worker": ["127.0.0.1:1", "127.0.0.1:2"]])
        let error = await #expect(throws: Status.self) { try await Trainer(options(strategy), cluster: cluster).run() }
        #expect(error?.code == .invalidArgument && error?.message.contains("needs a job 'ps'") == true)
    }

    @Test(
        "a cluster without workers is refused by strategies that could train without one",
        arguments: [AllReduceReplicas(), LayerParallel()] as [any Strategy])
    func withoutWorkers(_ strategy: any Strategy) async throws {
        let cluster = try ClusterSpec(["ps": ["127.0.0.1:1"], "wrker": ["127.0.0.1:2"]])
        let error = await #expect(throws: Status.self) { try await Trainer(options(strategy), cluster: cluster).run() }
        #expect(error?.code == .invalidArgument && error?.message.contains("found only ps, wrker; is 'wrker' meant to be 'worker'?") == true)
    }

    @Test("a classifier with fewer outputs than classes is refused before the first step")
    func fewOutputs() async throws {
        let one = #expect(throws: Status.self) { try ModelGraph(DenseNetwork(inputCount: 4, hidden: [], classCount: 1)) }
        #expect(one?.code == .invalidArgument && one?.message.contains("at least 2; found [?,1]. Give the last layer") == true, "\(one?.message ?? "")")
        let two = try TrainingOptions(DenseNetwork(inputCount: 4, hidden: [], classCount: 2), table: Table.iris(), stepCount: 1)
        let error = await #expect(throws: Status.self) { try await Trainer(two) { _ in Issue.record("training began") }.run() }
        #expect(error?.message.contains("The rows have 3 classes (setosa, versicolor, virginica), and") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("Dense(3)") == true)
    }

    @Test("one worker's client checks the options as all clients together do", arguments: [0, -1])
    func workerOptions(_ steps: Int) async throws {
        let cluster = try ClusterSpec(["ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:2"]])
        let error = await #expect(throws: Status.self) { try await Trainer(options(SynchronousReplicas(), steps: steps), cluster: cluster).run(asWorker: 0) }
        #expect(error?.code == .invalidArgument && error?.message.contains("found \(steps)") == true)
        let backups = try options(SynchronousReplicas(required: 2))
        let tooMany = await #expect(throws: Status.self) { try await Trainer(backups, cluster: cluster).run(asWorker: 0) }
        #expect(tooMany?.code == .invalidArgument && tooMany?.message.contains("found 2") == true)
    }

    @Test("a strategy with one client for all workers does not run as one of them", arguments: [SingleDevice(), InGraphReplication()] as [any Strategy])
    func notOneWorker(_ strategy: any Strategy) async throws {
        let cluster = try ClusterSpec(["ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:2"]])
        let error = await #expect(throws: Status.self) { try await Trainer(options(strategy), cluster: cluster).run(asWorker: 0) }
        #expect(error?.code == .invalidArgument && error?.message.contains("'\(strategy.name)' has one client") == true)
    }

    @Test("initial values of shapes that no tensor has are errors of the builder", arguments: [[-1, 2], [1 << 40, 1 << 40]])
    func impossibleShapes(_ dimensions: [Int]) {
        let glorot = GraphBuilder(registry: .standard), filled = GraphBuilder(registry: .standard)
        _ = glorot.glorotUniform(Shape(dimensions), seed: 1)
        _ = filled.filled(Shape(dimensions), with: 1)
        for builder in [glorot, filled] { #expect(builder.failure?.code == .invalidArgument) }
    }

    @Test("a dimension of more than 31 bits is an initial value's, too")
    func longDimension() throws {
        let builder = GraphBuilder(registry: .standard)
        #expect(builder.glorotUniform([1 << 33, 2], seed: 1).shape == [1 << 33, 2])
        _ = try builder.graph()
    }

    @Test("an optimizer that needs the number of updates, without a global step, is an error of the builder")
    func missingGlobalStep() {
        for optimizer in [
            AdagradDualAveraging(learningRate: 0.1), Adam(learningRate: LearningRate(CosineDecay(0.1, steps: 10))),
            Adam().averaged(decay: 0.9, countsUpdates: true),
        ] as [any Optimizer] {
            let builder = GraphBuilder(registry: .standard)
            let variable = builder.variable("v") { builder.filled([2], with: 0) }
            _ = builder.apply(optimizer, [(variable, variable.value)])
            #expect(builder.failure?.code == .invalidArgument && builder.failure?.message.contains("'globalStep' must be given") == true)
        }
    }

    @Test("variables of any size are spread over parameter servers by their bytes")
    func hugeVariables() {
        let setter = ReplicaDeviceSetter(parameterServers: 2, worker: "/job:worker/task:0", balance: .bytes)
        for number in 0..<4 {
            let node = NodeDefinition(
                name: "v\(number)", op: "VarHandleOp", attributes: ["dtype": .type(.complex128), "shape": .shape([1 << 60])])
            #expect(setter.device(node).contains("/job:ps/task:"))
        }
    }

    @Test("there are at least two folds", arguments: [1, 0, -1])
    func tooFewFolds(_ count: Int) async throws {
        var options = try options(SingleDevice())
        options.foldCount = count
        let error = await #expect(throws: Status.self) { try await CrossValidation(options).run() }
        #expect(error?.code == .invalidArgument && error?.message.contains("found \(count)") == true)
    }

    @Test("more folds than rows are refused before the first begins")
    func tooManyFolds() async throws {
        var options = try options(SingleDevice())
        options.foldCount = 200
        let events = Mutex(0)
        let error = await #expect(throws: Status.self) { try await CrossValidation(options) { _ in events.withLock { $0 += 1 } }.run() }
        #expect(error?.code == .invalidArgument && error?.message.contains("200 folds") == true && events.withLock { $0 } == 0)
    }

    @Test("as many folds as are asked for are held out, from the first on")
    func trainedFolds() async throws {
        var options = try options(SingleDevice(), steps: 3)
        options.foldCount = 3
        let all = try await CrossValidation(options).run()
        options.trainedFoldCount = 2
        let folds = Mutex<[Int]>([])
        let some = try await CrossValidation(options) { event in if case .fold(let fold) = event { folds.withLock { $0.append(fold) } } }.run()
        #expect(folds.withLock { $0 } == [0, 1] && some.testRowCount == 100 && all.testRowCount == 150)
        #expect(some.folds.map { $0.losses.map(\.loss) } == all.folds.prefix(2).map { $0.losses.map(\.loss) })
        options.trainedFoldCount = 3
        #expect(try await CrossValidation(options).run().folds.count == 3)
    }

    @Test("at least one fold is held out, and at most all", arguments: [0, -1, 6, .max])
    func wrongTrainedFolds(_ count: Int) async throws {
        var options = try options(SingleDevice())
        options.trainedFoldCount = count
        let events = Mutex(0)
        let error = await #expect(throws: Status.self) { try await CrossValidation(options) { _ in events.withLock { $0 += 1 } }.run() }
        #expect(error?.code == .invalidArgument && error?.message.contains("Of 5 folds, 1 to all") == true && events.withLock { $0 } == 0)
        #expect(error?.message.contains("found \(count)") == true)
    }

    @Test("replicas learn together", arguments: replicated + [InGraphReplication()])
    func replicas(_ strategy: any Strategy) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let report = try await Trainer(options(strategy), cluster: cluster.spec).run()
            #expect(report.trainAccuracy > 0.8)
            #expect(report.updatesByWorker.count == 2 && report.updatesByWorker.allSatisfy { $0 > 0 })
            #expect(report.bytesMoved > 0)
        }
    }

    @Test("one worker makes as many updates as there are steps, and reports each", arguments: replicated)
    func updates(_ strategy: any Strategy) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 1)]) { cluster in
            let report = try await Trainer(options(strategy, steps: 5), cluster: cluster.spec).run()
            #expect(report.updatesByWorker == [5])
            #expect(report.losses.map(\.step) == [1, 2, 3, 4, 5])
        }
    }

    @Test("a cluster can be trained on again, by clients of their own that come in any order", arguments: replicated)
    func again(_ strategy: any Strategy) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            for _ in 0..<2 {
                let trainer = try Trainer(options(strategy, steps: 40), cluster: cluster.spec)
                async let second = trainer.run(asWorker: 1)
                let first = try await trainer.run(asWorker: 0)
                #expect(first.updatesByWorker[0] > 0)
                #expect(try await second.trainAccuracy > 0.3)
            }
        }
    }

    @Test("when a worker is lost, training goes on with backups, and ends naming it without", arguments: [2, 3])
    func lostWorker(_ required: Int) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 3)]) { cluster in
            let options = try options(SynchronousReplicas(required: required), steps: 150)
            let leaving = Mutex<Task<Void, Never>?>(nil)
            let trainer = Trainer(options, cluster: cluster.spec) { event in
                guard case .step(let step) = event, step.step >= 10 else { return }
                leaving.withLock { leaving in
                    if leaving == nil { leaving = Task { await (try? cluster.server("worker", 2))?.stop() } }
                }
            }
            if required == 2 {
                let report = try await trainer.run()
                #expect(report.stepCount == 150 && report.updatesByWorker[2] < report.updatesByWorker[0])
            } else {
                let error = await #expect(throws: Status.self) { try await trainer.run() }
                #expect(error?.message.contains("/job:worker/replica:0/task:2") == true)
            }
            await leaving.withLock { $0 }?.value
        }
    }

    @Test("a fold does not wait for a worker that was lost in the fold before", .timeLimit(.minutes(1)))
    func lostBeforeFold() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 3)]) { cluster in
            var options = try options(SynchronousReplicas(required: 2), steps: 150)
            options.foldCount = 2
            let leaving = Mutex<Task<Void, Never>?>(nil)
            let validation = CrossValidation(options, cluster: cluster.spec) { event in
                guard case .step(let step) = event, step.step >= 10 else { return }
                leaving.withLock { leaving in
                    if leaving == nil { leaving = Task { await (try? cluster.server("worker", 2))?.stop() } }
                }
            }
            let error = await #expect(throws: Status.self) { try await validation.run() }
            #expect(error?.code == .unavailable && error?.message.contains("Worker /job:worker/task:2 was lost in fold 1 of 2") == true)
            await leaving.withLock { $0 }?.value
        }
    }

    @Test("synchronous training uses one gradient of each worker for each update")
    func synchronous() async throws {
        try await TestCluster.with([("ps", 2), ("worker", 2)]) { cluster in
            let report = try await Trainer(options(SynchronousReplicas(), steps: 30), cluster: cluster.spec).run()
            #expect(report.updatesByWorker.reduce(0, +) - (try #require(report.droppedGradients)) == 60)
            // With a backup, an update may use two gradients or three, and nobody counts.
            #expect(try await Trainer(options(SynchronousReplicas(required: 1), steps: 10), cluster: cluster.spec).run().droppedGradients == nil)
        }
    }

    @Test("synchronous training ends with the same bits each time, however its workers' gradients arrive", arguments: [3, 4], [false, true])
    func sameBits(_ workers: Int, _ gathersRows: Bool) async throws {
        try await TestCluster.with([("ps", 1), ("worker", workers)]) { cluster in
            var options = try options(SynchronousReplicas(), steps: 60)
            if gathersRows {
                let rows = try RandomNetwork.table(rows: 240, seed: 5)
                options = try TrainingOptions(ModelGraph(GatherNetwork()), table: rows, strategy: SynchronousReplicas(), stepCount: 60, seed: 1)
            }
            options.returnsParameters = true
            let first = try await Trainer(options, cluster: cluster.spec).run().parameters
            #expect(!first.isEmpty)
            for _ in 0..<3 { #expect(try await Trainer(options, cluster: cluster.spec).run().parameters == first) }
        }
    }
}

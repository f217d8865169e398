import Testing
import Weir
import WeirTesting
import WeirWire

@testable import WeirTrain

@Suite("Checkpoints", .timeLimit(.minutes(2)))
struct CheckpointTests {
    private let scratch = FileSystemScratch()

    // MARK: Layouts

    /// A variable in two parts on the parameter servers, and a whole one.
    private func variables(_ builder: GraphBuilder) -> [Variable] {
        var result: [Variable] = []
        for part in 0..<2 {
            let slice = VariableSlice(fullName: "table", fullShape: Shape(4, 2), offset: part * 2)
            result.append(
                builder.device("/job:ps/task:\(part)") {
                    builder.variable("table/part_\(part)", slice: slice) { builder.constant([[1.0, 2], [3, 4]], .float32) * Double(part + 1) }
                })
        }
        result.append(builder.device("/job:ps/task:1") { builder.variable("steps", initial: 7, .int64) })
        return result
    }

    @Test("servers and the client save the same checkpoint, and restore each other's", arguments: Saver.Layout.allCases)
    func layouts(_ layout: Saver.Layout) async throws {
        try await TestCluster.with([("ps", 2), ("worker", 1)]) { cluster in
            let builder = GraphBuilder()
            let variables = variables(builder)
            let zeros = variables.map { variable in variable.assign(builder.filled(variable.shape, with: 0, variable.dtype)) }
            let saver = Saver(builder, layout: layout)
            let others = Saver.Layout.allCases.map { Saver(builder, variables, layout: $0) }
            let address = try #require(cluster.spec.address(job: "worker", task: 0))
            let session = try await Session(builder.graph(), target: .address("grpc://\(address)"))
            try await session.run(builder.initializer)
            let path = try await saver.save(session, to: "\(scratch.path)/m", globalStep: 7)
            // One file for each task that has variables, or one.
            let files = scratch.names.filter { $0.hasPrefix("m-7") }
            let sharded = ["m-7.data-00000-of-00002", "m-7.data-00001-of-00002", "m-7.index"]
            #expect(files == (layout == .sharded ? sharded : ["m-7.data-00000-of-00001", "m-7.index"]))
            let reader = try BundleReader(path)
            try reader.verify()
            #expect(try reader.tensor("table") == Tensor([1, 2, 3, 4, 2, 4, 6, 8] as [Float], shape: Shape(4, 2)))
            #expect(try reader.tensor("steps") == Tensor(7 as Int64))
            let saved = try await session.run(variables.map(\.value))
            for other in others {
                for zero in zeros { try await session.run(zero) }
                try await other.restore(session, from: path)
                #expect(try await session.run(variables.map(\.value)) == saved)
            }
            try await session.close()
        }
    }

    @Test("a variable in parts is restored whole, and a whole one into parts", arguments: [Saver.Layout.gathered, .client])
    func parts(_ layout: Saver.Layout) async throws {
        func session(_ partCount: Int) async throws -> (Session, Saver, [Variable], VariablesInitializer) {
            let builder = GraphBuilder()
            let variables = (0..<partCount).map { part -> Variable in
                let rows = 6 / partCount
                let slice = partCount == 1 ? nil : VariableSlice(fullName: "t", fullShape: Shape(6, 2), offset: part * rows)
                let values = (0..<rows * 2).map { Float(part * rows * 2 + $0) }
                let initial = Tensor(values, ofShape: Shape(rows, 2))
                return builder.variable(partCount == 1 ? "t" : "t/part_\(part)", slice: slice) { builder.constant(initial) }
            }
            let saver = Saver(builder, layout: layout)
            return (try await Session(builder.graph()), saver, variables, builder.initializer)
        }
        let all = (0..<12).map(Float.init)
        for counts in [(1, 3), (3, 2), (2, 1)] {
            let (first, saver, _, initializer) = try await session(counts.0)
            try await first.run(initializer)
            let path = try await saver.save(first, to: "\(scratch.path)/\(counts.0)-\(counts.1)")
            let (second, other, variables, _) = try await session(counts.1)
            try await other.restore(second, from: path)
            let values = try await second.run(variables.map(\.value)).flatMap { try $0.array(of: Float.self) }
            #expect(values == all)
        }
    }

    // MARK: Errors

    @Test("what a checkpoint lacks, and what is of another shape, is listed with near names", arguments: [Saver.Layout.gathered, .client])
    func mismatch(_ layout: Saver.Layout) async throws {
        let builder = GraphBuilder()
        for name in ["layer/weights", "layer/bias", "output"] { _ = builder.variable(name, initial: [1.0, 2], .float32) }
        let saver = Saver(builder, layout: layout)
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        let path = try await saver.save(session, to: "\(scratch.path)/m")
        let other = GraphBuilder()
        _ = other.variable("layer/weights", initial: [1.0, 2, 3], .float32)
        _ = other.variable("layer/biases", initial: [1.0, 2], .float32)
        _ = other.variable("output", initial: [1, 2], .int32)
        let otherSaver = Saver(other, layout: layout)
        let otherSession = try await Session(other.graph())
        let error = await #expect(throws: Status.self) { try await otherSaver.restore(otherSession, from: path) }
        #expect(error?.code == .notFound)
        for part in [
            "of 3 tensors", "lacks 1: 'layer/biases' (near names: layer/bias)", "2 differ", "'layer/weights' is float [3], the checkpoint has float [2]",
            "'output' is int32 [2], the checkpoint has float [2]",
        ] { #expect(error?.message.contains(part) == true, "\(error?.message ?? "")") }
    }

    // MARK: What is kept

    @Test("the newest are kept and, of the others, one of each interval")
    func retention() {
        var retention = CheckpointRetention(maxToKeep: 2, preservedInterval: 10)
        var there: Set<String> = []
        for time in stride(from: 0.0, through: 36, by: 4) {
            there.insert("\(Int(time))")
            for old in retention.add("\(Int(time))", at: time) { there.remove(old.path) }
        }
        // 12 is the first that is 10 after the first, 24 the first that is 10 after 12.
        #expect(there == ["12", "24", "32", "36"])
        #expect(retention.lastPreserved == 24)
        var all = CheckpointRetention(maxToKeep: nil)
        #expect((0..<9).allSatisfy { all.add("\($0)", at: 0).isEmpty } && all.entries.count == 9)
    }

    @Test("a saver takes over the checkpoints of an earlier one, and keeps one of each hour")
    func recovering() async throws {
        let builder = GraphBuilder()
        _ = builder.variable("v", initial: 1.0)
        let clock = TestClock()
        let first = Saver(builder, maxToKeep: 2, keepEveryHours: 1, now: { clock.time })
        let second = Saver(builder, maxToKeep: 2, keepEveryHours: 1, now: { clock.time })
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        for step in 0..<3 {
            try await first.save(session, to: "\(scratch.path)/m", globalStep: step)
            clock.advance(by: 1800)
        }
        try second.recoverCheckpoints("\(scratch.path)/m")
        for step in 3..<6 {
            try await second.save(session, to: "\(scratch.path)/m", globalStep: step)
            clock.advance(by: 1800)
        }
        // Step 2 is an hour after step 0, with which the clock began.
        #expect(scratch.names.filter { $0.hasSuffix(".index") } == ["m-2.index", "m-4.index", "m-5.index"])
        let state = try #require(try CheckpointState.read(in: scratch.path))
        #expect(state.all == ["m-4", "m-5"].map { "\(scratch.path)/\($0)" } && state.timestamps == [7200, 9000] && state.lastPreserved == 3600)
    }

    // MARK: Damage

    private func damage(_ path: String, at offset: Int = 5) throws {
        var bytes = try InputFile.contents(of: path)
        bytes[offset] ^= 0x40
        try AtomicFile.write(bytes, to: path)
    }

    @Test("of a damaged latest checkpoint the one before is taken, and a notice says so; if all are damaged, it is an error")
    func fallback() async throws {
        let builder = GraphBuilder()
        _ = builder.variable("v", initial: [1.0, 2, 3])
        let saver = Saver(builder)
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        let prefix = "\(scratch.path)/m"
        for step in 1...3 { try await saver.save(session, to: prefix, globalStep: step) }
        let checkpoint = TrainingCheckpoint(prefix, from: .latest)
        #expect(try checkpoint.restoredPath() == "\(prefix)-3")
        try damage("\(prefix)-3.data-00000-of-00001")
        var notices: [String] = []
        let second = try checkpoint.restoredPath { notices.append($0) }
        #expect(second == "\(prefix)-2")
        #expect(notices.count == 1 && notices[0].hasPrefix("CHECKPOINT NOT USED: \(prefix)-3"))
        try FileSystem.remove("\(prefix)-2.index")
        #expect(try checkpoint.restoredPath() == "\(prefix)-1")
        try damage("\(prefix)-1.index")
        let error = #expect(throws: Status.self) { try checkpoint.restoredPath() }
        #expect(error?.code == .dataLoss && error?.message.contains("No checkpoint of \(prefix)") == true)
        // Without any checkpoint, training begins with the initial values.
        for name in scratch.names where name.hasPrefix("m-") { try FileSystem.remove("\(scratch.path)/\(name)") }
        #expect(try checkpoint.restoredPath() == nil)
    }

    // MARK: Files of tensors

    @Test("a checkpoint becomes safetensors and npz and a checkpoint again, and the difference is nothing")
    func converting() throws {
        var writer = try BundleWriter("\(scratch.path)/m")
        let weights = try Tensor([1.5, -2, 3.25, 0] as [Float], shape: Shape(2, 2))
        try writer.add("layer/weights", weights)
        try writer.add("steps", Tensor(3 as Int64))
        try writer.add("names", Tensor([ByteString("a"), "bc"]))
        let part = try ShapeAndSlice(parsing: "4 1 0,2:0,1"), rest = try ShapeAndSlice(parsing: "4 1 2,2:0,1")
        try writer.add("cut", part, try Tensor([1, 2] as [Float], shape: Shape(2, 1)))
        try writer.add("cut", rest, try Tensor([3, 4] as [Float], shape: Shape(2, 1)))
        try writer.finish()
        let file = try CheckpointFile("\(scratch.path)/m")
        #expect(file.entries.map(\.name) == ["cut", "layer/weights", "names", "steps"])
        #expect(file.entries.map(\.byteCount) == [16, 16, 9, 8] && file.entries.map(\.sliceCount) == [2, 1, 1, 1])
        let missing = #expect(throws: Status.self) { try file.tensor("layer/weight") }
        #expect(missing?.code == .notFound && missing?.message.contains("layer/weights") == true)

        var previous = file
        for name in ["a.safetensors", "b.npz", "c"] {
            let left = try previous.convert(to: "\(scratch.path)/\(name)")
            #expect(left == (name == "a.safetensors" ? ["names"] : []))
            previous = try CheckpointFile("\(scratch.path)/\(name)")
            #expect(try previous.tensor("layer/weights") == weights)
            let difference = try CheckpointDifference(file, previous)
            #expect(difference.onlyInFirst == ["names"] && difference.onlyInSecond.isEmpty && difference.pairs.allSatisfy(\.isIdentical))
            #expect(!difference.isWithin(0))
        }
        #expect(try CheckpointDifference(file, CheckpointFile("\(scratch.path)/m.index")).isWithin(0))
        // Dots in a checkpoint's name are no ending of another format.
        for name in ["m.ckpt", "m.ckpt-7", "m-0.5", "v1.2/m"] {
            #expect(try file.convert(to: "\(scratch.path)/\(name)").isEmpty)
            #expect(try CheckpointFile("\(scratch.path)/\(name)").entries.count == 4)
        }
        for name in ["m.foo", "m.npy", "m.index", "m.pt"] {
            let error = #expect(throws: Status.self) { try file.convert(to: "\(scratch.path)/\(name)") }
            #expect(error?.code == .invalidArgument && error?.message.contains(".safetensors or .npz") == true)
        }
    }

    @Test("differences are relative to the greatest magnitude")
    func differences() throws {
        func compare(_ a: [Float], _ b: [Float]) -> CheckpointDifference.Pair { CheckpointDifference.compare("w", Tensor(a), Tensor(b)) }
        #expect(compare([1, 4], [1, 4]).isIdentical && compare([1, 4], [1, 4]).relativeDifference == 0)
        #expect(compare([1, 4], [2, 4]).relativeDifference == 0.25 && !compare([1, 4], [2, 4]).isIdentical)
        #expect(compare([0, -0.0], [0, 0]).relativeDifference == 0 && !compare([0, -0.0], [0, 0]).isIdentical)
        #expect(compare([.nan], [1]).relativeDifference == .infinity && compare([.nan], [.nan]).relativeDifference == 0)
        #expect(CheckpointDifference.compare("w", Tensor([Float(1)]), Tensor([1.0])).mismatch == "float [1] and double [1]")
        let statistics = try #require(TensorStatistics(Tensor([1, 3, 0, .infinity] as [Float])))
        #expect(statistics.least == 0 && statistics.greatest == 3 && statistics.zeroCount == 1 && statistics.nonFiniteCount == 1)
        #expect(abs(statistics.mean - 4.0 / 3) < 1e-12 && abs(statistics.deviation - (14.0 / 9).squareRoot()) < 1e-12)
    }

    // MARK: In trainings

    @Test("a training that saves by the clock saves on the way", arguments: [SingleDevice(), SynchronousReplicas()] as [any Strategy])
    func clock(_ strategy: any Strategy) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            var options = try TrainingOptions(
                DenseNetwork(inputCount: 4, hidden: [4], classCount: 3), table: Table.iris(), strategy: strategy, stepCount: 30, batchSize: 16)
            var checkpoint = TrainingCheckpoint("\(scratch.path)/m", maxToKeep: nil)
            checkpoint.seconds = 1e-6
            options.checkpoint = checkpoint
            let isSingle = strategy is SingleDevice
            _ = try await Trainer(options, cluster: isSingle ? ClusterSpec() : cluster.spec).run()
            let saved = scratch.names.filter { $0.hasSuffix(".index") }
            #expect(saved.count >= 10 && saved.contains("m-30.index"))
        }
    }

    @Test("it is time to save when so many seconds have passed since the last time")
    func saveClock() {
        let start = ContinuousClock.now
        let clock = TestClock()
        let due = SaveClock(seconds: 10, now: { start + .seconds(clock.time) })
        #expect(!due.isDue)
        clock.advance(by: 10)
        #expect(due.isDue)
        due.restart()
        #expect(!due.isDue && !SaveClock(seconds: nil).isDue)
    }

    @Test("of a file that is no checkpoint an error says what is")
    func noCheckpoint() throws {
        let scratch = FileSystemScratch()
        let error = thrownStatus { _ = try CheckpointFile("\(scratch.path)/rows.csv") }
        #expect(error?.code == .notFound && error?.message.contains("expected a checkpoint's name") == true)
    }
}

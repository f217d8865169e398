import Synchronization
import Testing
import Weir
import WeirWire

@testable import WeirTrain

@Suite("Checkpoints that cannot be written or read", .timeLimit(.minutes(2)))
struct CheckpointFailureTests {
    private let scratch = FileSystemScratch()
    private static let full = Status.resourceExhausted("No space left on device")
    private static let readOnly = Status(.permissionDenied, "Read-only file system")

    private func options(steps: Int, every interval: Int, from source: TrainingCheckpoint.Source = .initialValues) throws -> TrainingOptions {
        var options = try TrainingOptions(
            DenseNetwork(inputCount: 4, hidden: [8], classCount: 3), table: Table.iris(), optimizer: Adam(learningRate: 0.02), stepCount: steps)
        options.checkpoint = TrainingCheckpoint("\(scratch.path)/model", every: interval, from: source)
        // This process writes, so that a test can make its writing fail.
        options.checkpoint?.layout = .client
        options.returnsParameters = true
        return options
    }

    /// Trains while the disk is as `faults` says.
    private func train(_ options: TrainingOptions, _ faults: FileFaults, _ onEvent: @escaping Trainer.OnEvent) async throws -> TrainingReport {
        try await FileFaults.$current.withValue(faults) { try await Trainer(options, onEvent: onEvent).run() }
    }

    @Test("when the disk is full or read-only, training goes on, tries again, and keeps the checkpoint before", arguments: [full, readOnly])
    func fails(_ failure: Status) async throws {
        let calm = try await Trainer(options(steps: 12, every: 100)).run()
        let faults = FileFaults(after: .max, failure: failure, countsOnlyBytes: failure.code == .resourceExhausted)
        let notices = Mutex<[String]>([])
        let path = scratch.path
        let report = try await train(options(steps: 12, every: 3), faults) { event in
            switch event {
            case .saved(let step, _) where step == 3: faults.left = 10
            case .notice(let text):
                notices.withLock { $0.append(text) }
                // Someone makes room.
                if text.hasPrefix("CHECKPOINT NOT SAVED: \(path)/model-9") { faults.left = .max }
            default: break
            }
        }
        let expected = "CHECKPOINT NOT SAVED: \(scratch.path)/model-6: \(failure.message); training goes on, the next try is after update 9"
        #expect(notices.withLock { $0.contains(expected) }, "\(notices.withLock { $0 })")
        #expect(report.saveFailure == nil && report.parameters == calm.parameters)
        #expect(scratch.names.filter { $0.hasSuffix(".index") } == ["model-12.index", "model-3.index"])
        try BundleReader("\(scratch.path)/model-3").verify()
    }

    @Test("when the last checkpoint cannot be saved, the report has the error and the results, and training can go on from the one before")
    func last() async throws {
        let faults = FileFaults(after: .max, failure: CheckpointFailureTests.full, countsOnlyBytes: true)
        let report = try await train(options(steps: 12, every: 5), faults) { if case .saved(5, _) = $0 { faults.left = 10 } }
        #expect(report.testMetrics["accuracy"] != nil)
        #expect(report.saveFailure?.code == .resourceExhausted && report.saveFailure?.message.hasPrefix("\(scratch.path)/model-12 was not saved") == true)
        // The files of those that failed are gone, so that they take no room.
        #expect(scratch.names == ["checkpoint", "model-5.data-00000-of-00001", "model-5.index"])
        let rest = try await Trainer(options(steps: 12, every: 5, from: .latest)).run()
        #expect(rest.parameters == report.parameters && rest.losses.map(\.step) == Array(6...12))
    }

    @Test("a folder in which nothing can be written is refused before training begins")
    func unwritable() async throws {
        let faults = FileFaults(after: 0, failure: CheckpointFailureTests.readOnly)
        let error = await #expect(throws: Status.self) { try await train(options(steps: 2, every: 1), faults) { _ in Issue.record("training began") } }
        #expect(error?.code == .permissionDenied && error?.message.hasPrefix("Checkpoints '\(scratch.path)/model' need a folder") == true)
    }

    @Test("a damaged last checkpoint is passed over: training goes on from the one before, and has the same bits")
    func damaged() async throws {
        let whole = try await Trainer(options(steps: 12, every: 5)).run()
        #expect(scratch.names.contains("model-12.index"))
        for name in ["model-12.data-00000-of-00001", "model-10.index"] {
            let path = "\(scratch.path)/\(name)"
            var bytes = try InputFile.contents(of: path)
            bytes[bytes.count / 2] ^= 0x10
            try AtomicFile.write(Array(bytes), to: path)
        }
        let notices = Mutex<[String]>([])
        let rest = try await Trainer(options(steps: 12, every: 5, from: .latest)) { event in
            if case .notice(let text) = event { notices.withLock { $0.append(text) } }
        }.run()
        #expect(rest.parameters == whole.parameters && rest.losses.map(\.step) == Array(6...12))
        for number in [12, 10] {
            #expect(notices.withLock { $0.contains { $0.hasPrefix("CHECKPOINT NOT USED: \(scratch.path)/model-\(number) cannot be read") } })
        }
    }
}

import Testing
import Weir
import WeirCluster
import WeirRuntime
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("Training of recurrent networks and models of texts", .serialized, .timeLimit(.minutes(2)))
struct SequenceTrainingTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        let network: any Model
        /// The mean losses of the first ten steps of forty and of the last ten, in one process.
        let losses: (first: Double, last: Double)
        var testDescription: String { "\(type(of: network))" }
    }
    private static let samples = [
        Sample(network: RecurrentNetwork(stepCount: 8, stepSize: 8, units: [16, 16], classCount: 10), losses: (2.162, 1.099)),
        Sample(network: RecurrentLanguageModel(window: 16, characterCount: 72, embeddingSize: 8, units: [32]), losses: (3.900, 3.140)),
        Sample(network: TransformerLanguageModel(window: 16, characterCount: 72, width: 16, heads: 2, depth: 1), losses: (3.564, 2.914)),
    ]

    private func options(_ network: any Model, _ strategy: any Strategy = SingleDevice()) throws -> TrainingOptions {
        let data: TrainingData = network is any LanguageModel ? .dataset(try Dataset.alice(window: 16).selecting(0..<1000)) : .table(try Table.digits())
        var options = TrainingOptions(
            try ModelGraph(network), data: data, strategy: strategy, optimizer: Adam(learningRate: 0.01).clipped(.globalNorm(1)), stepCount: 40)
        options.evaluationBatchSize = 128
        options.tracedSteps = []
        return options
    }

    private func mean(_ losses: ArraySlice<(step: Int, loss: Float)>) -> Double { losses.reduce(0) { $0 + Double($1.loss) } / Double(losses.count) }

    @Test("the loss falls as it did when it was recorded", arguments: samples)
    func recorded(_ sample: Sample) async throws {
        let report = try await Trainer(options(sample.network)).run()
        let found = (mean(report.losses.prefix(10)), mean(report.losses.suffix(10)))
        #expect(abs(found.0 - sample.losses.first) < 0.01 && abs(found.1 - sample.losses.last) < 0.02, "\(found)")
    }

    @Test(
        "two devices and two workers train them too",
        arguments: samples, [LayerParallel(), InGraphReplication(), SynchronousReplicas()] as [any Strategy])
    func strategies(_ sample: Sample, _ strategy: any Strategy) async throws {
        var options = try options(sample.network, strategy)
        options.stepCount = 12
        options.devices = ["/cpu:0", "/cpu:1"]
        options.localDevices = try LocalDevices(cpuCount: 2)
        let losses: [Float]
        if strategy is SynchronousReplicas {
            options.devices = ["/cpu:0"]
            losses = try await TestCluster.with([("ps", 1), ("worker", 2)]) { [options] cluster in
                try await Trainer(options, cluster: cluster.spec).run().losses.map(\.loss)
            }
        } else {
            losses = try await Trainer(options).run().losses.map(\.loss)
        }
        options.strategy = SingleDevice()
        let expected = try await Trainer(options).run().losses.map(\.loss)
        if losses.count == expected.count {
            // The same rows: stages compute what one device does.
            for (a, b) in zip(losses, expected) { #expect(abs(a - b) < 1e-3, "\(strategy.name): \(losses), \(expected)") }
        } else {
            // Each of two replicas has rows of its own.
            #expect(losses.count == 2 * expected.count && (losses.last ?? .nan) < (expected.first ?? .nan) - 0.1, "\(strategy.name): \(losses), \(expected)")
        }
    }

    @Test("each layer is a scope of the first level")
    func layers() throws {
        func scopes(_ model: any Model) throws -> [String] { try LayerCut(ModelGraph(model)).layers.map(\.name) }
        #expect(try scopes(RecurrentNetwork(stepCount: 8, stepSize: 8, units: [4, 4], classCount: 10)) == ["lstm1", "lstm2", "output"])
        #expect(try scopes(RecurrentLanguageModel(window: 4, characterCount: 9)) == ["embedding", "lstm1", "output"])
        #expect(try scopes(TransformerLanguageModel(window: 4, characterCount: 9)) == ["embedding", "block1", "block2", "output"])
    }

    @Test(
        "sizes that no network has are errors that name them",
        arguments: [
            (RecurrentNetwork(stepCount: 8, stepSize: .max, classCount: 10), "\(Int.max)"),
            (RecurrentNetwork(stepCount: 8, stepSize: 8, units: [], classCount: 10), "[]"),
            (RecurrentNetwork(stepCount: 8, stepSize: 8, units: [4, 0], classCount: 10), "[4, 0]"),
            (RecurrentLanguageModel(window: 0, characterCount: 9), "found 0, 9"), (RecurrentLanguageModel(window: 4, characterCount: 9, units: [-1]), "[-1]"),
            (TransformerLanguageModel(window: 4, characterCount: .max), "\(Int.max)"),
            (TransformerLanguageModel(window: 4, characterCount: 9, width: 64, heads: 7), "width 64 and 7 heads"),
        ] as [(any Model, String)])
    func wrongSizes(_ sample: (network: any Model, expected: String)) {
        let error = #expect(throws: Status.self) { try ModelGraph(sample.network) }
        #expect(error?.code == .invalidArgument && error?.message.contains(sample.expected) == true, "\(error?.message ?? "")")
    }

    @Test("digits are read line by line by an LSTM: 0.95 or more of the rows that were held out")
    func digits() async throws {
        let digits = try Table.digits()
        let network = RecurrentNetwork(stepCount: 8, stepSize: 8, classCount: digits.classes.count)
        var options = try TrainingOptions(network, table: digits, optimizer: Adam(learningRate: 0.005).clipped(.globalNorm(1)), stepCount: 600)
        options.trainedFoldCount = 1
        let report = try await CrossValidation(options).run()
        #expect(report.folds.count == 1 && report.testAccuracy.mean >= 0.95, "\(report.testAccuracy.mean)")
    }
}

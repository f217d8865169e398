import Foundation
import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirTrain

@Suite("Networks", .serialized)
struct NetworkTests {
    private static let small: [(network: any Classifier, features: Int, logits: [Double])] = [
        // Logits of TensorFlow: `Fixtures/make_logits.py`.
        (
            ConvolutionalNetwork(imageShape: [4, 4, 1], filters: [2, 3], hidden: 4, classCount: 3, dtype: .float64), 16,
            [0.3272603376364257, 0.4960521538195035, 0.4315428910325553, 0.17771228327681396, 0.5156479008297736, 0.6110662534017841]
        ),
        (
            Transformer(tokenCount: 3, tokenSize: 2, width: 4, heads: 2, depth: 1, classCount: 3, dtype: .float64), 6,
            [0.08039748663384426, -0.20895565283580209, -0.40003368375463044, 0.05737597975703737, -0.21905675455596724, -0.39246367434509205]
        ),
    ]

    @Test("logits are those of the same network in TensorFlow", arguments: [0, 1])
    func logits(_ index: Int) async throws {
        let sample = NetworkTests.small[index]
        let model = try ModelGraph(sample.network)
        // Variable k has the elements sin(0.7 i + k) / 2; reads are fed, so that nothing needs to be initialized.
        var feeds = try model.parameters.enumerated().map { number, variable in
            let values = (0..<variable.shape.elementCount).map { sin(0.7 * Double($0) + Double(number)) / 2 }
            return NamedTensor("\(variable.name)/Read:0", try Tensor(values, shape: variable.shape))
        }
        let features = (0..<2 * sample.features).map { cos(0.9 * Double($0)) }
        feeds.append(NamedTensor("features:0", try Tensor(features, shape: Shape(2, sample.features))))
        let predictions = try #require(model.predictions)
        let session = try await Session(model.graph)
        let reply = try await session.run(fetches: ["\(model.graph.nodes[predictions.node].name):\(predictions.index)"], feeds: feeds)
        let found = try reply.tensors[0].tensor.array(of: Double.self)
        #expect(found.count == 6)
        for (a, b) in zip(found, sample.logits) { #expect(abs(a - b) < 1e-12, "\(found)") }
        try await session.close()
    }

    @Test("two devices with half of a batch each compute the gradients of one device", arguments: [0, 1])
    func splitBatch(_ index: Int) async throws {
        let networks: [any Classifier] = [
            ConvolutionalNetwork(imageShape: [2, 2, 1], filters: [4], hidden: 8, classCount: 3, dtype: .float64),
            Transformer(tokenCount: 2, tokenSize: 2, width: 8, heads: 2, classCount: 3, dtype: .float64),
        ]
        let model = try ModelGraph(networks[index])
        let rows = try Table.iris().rows(Array(stride(from: 0, to: 150, by: 15)))
        let expected = try await OneStep.run(SingleDevice(), model, rows: rows, batchSize: 10)
        let found = try await OneStep.run(
            InGraphReplication(), model, rows: rows, batchSize: 5, devices: ["/cpu:0", "/cpu:1"], localDevices: LocalDevices(cpuCount: 2))
        #expect(try found.difference(from: expected) <= 1e-12)
        #expect(abs(found.loss - expected.loss) <= 1e-12 * abs(expected.loss))
        #expect(expected.gradients.values.allSatisfy { $0.contains { $0 != 0 } }, "every variable has a gradient")
    }

    @Test("each layer is a scope of the first level, and the number of rows is open")
    func layers() throws {
        func scopes(_ model: ModelGraph) -> [String] {
            model.parameters.compactMap { $0.name.split(separator: "/").first.map(String.init) }.reduce(into: []) { if $0.last != $1 { $0.append($1) } }
        }
        let images = try ModelGraph(ConvolutionalNetwork(imageShape: [8, 8, 1], classCount: 10))
        #expect(scopes(images) == ["conv1", "conv2", "dense", "output"])
        let sequences = try ModelGraph(Transformer(tokenCount: 8, tokenSize: 8, classCount: 10))
        #expect(scopes(sequences) == ["embedding", "block1", "block2", "output"])
        for model in [images, sequences] {
            let builder = GraphBuilder(extending: model.graph)
            #expect(try builder.output(at: #require(model.predictions))?.shape == PartialShape([nil, 10]))
            #expect(model.otherVariables.isEmpty)
        }
    }

    @Test(
        "sizes that no network has are errors that name them",
        arguments: [
            (Transformer(tokenCount: 8, tokenSize: 8, width: 32, heads: 7, classCount: 10), "width 32 and 7 heads"),
            (Transformer(tokenCount: 8, tokenSize: 8, heads: 0, classCount: 10), "heads"),
            (Transformer(tokenCount: .max, tokenSize: .max, classCount: 10), "token size"),
            (ConvolutionalNetwork(imageShape: [8, 8], classCount: 10), "found [8, 8]"),
            (ConvolutionalNetwork(imageShape: [.max, .max, 1], classCount: 10), ""),
            (ConvolutionalNetwork(imageShape: [8, 8, 1], filters: [16, -1], classCount: 10), "[16, -1]"),
        ] as [(any Classifier, String)])
    func wrongSizes(_ sample: (network: any Classifier, expected: String)) {
        let error = #expect(throws: Status.self) { try ModelGraph(sample.network) }
        #expect(error?.code == .invalidArgument && error?.message.contains(sample.expected) == true, "\(error?.message ?? "")")
    }

    @Test("He's initial values have the variance of 2 / inputs")
    func heNormal() async throws {
        let builder = GraphBuilder()
        let values = builder.heNormal([3, 3, 16, 64], seed: 5, .float64)
        let session = try await Session(builder.graph())
        let found = try await session.run(fetches: [values.name]).tensors[0].tensor.array(of: Double.self)
        let statistics = SampleStatistics(found)
        #expect(abs(statistics.mean) < 0.01 && abs(statistics.deviation - (2.0 / 144).squareRoot()) < 0.005)
        #expect(statistics.greatest <= 2 * (2.0 / 144).squareRoot() / 0.8796 + 1e-9)
        try await session.close()
    }

    @Test("digits are read by convolutions: 0.98 or more of the rows that were held out")
    func convolutions() async throws {
        let digits = try Table.digits()
        let network = ConvolutionalNetwork(imageShape: [8, 8, 1], classCount: digits.classes.count)
        let options = try TrainingOptions(network, table: digits, optimizer: Adam(learningRate: 0.004), stepCount: 600)
        let report = try await Trainer(options).run()
        #expect(report.testRowCount > 350 && report.testAccuracy >= 0.98, "\(report.testAccuracy)")
    }

    @Test("digits are read by a transformer: 0.95 or more of the rows that were held out")
    func transformer() async throws {
        let digits = try Table.digits()
        let network = Transformer(tokenCount: 8, tokenSize: 8, classCount: digits.classes.count)
        let options = try TrainingOptions(network, table: digits, optimizer: Adam(learningRate: 0.002), stepCount: 800)
        let report = try await Trainer(options).run()
        #expect(report.testAccuracy >= 0.95, "\(report.testAccuracy)")
    }
}

import Foundation
import Testing
import Weir
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor

@testable import WeirTrain

@Suite("Autoencoders", .serialized)
struct AutoencoderTests {
    private static func digits() throws -> TrainingData { .standardized(try Dataset(Table.digits()).keeping(["features"])) }

    private static func options(_ model: some Model, steps: Int) throws -> TrainingOptions {
        var options = TrainingOptions(try ModelGraph(model), data: try digits(), optimizer: Adam(learningRate: 0.003), stepCount: steps)
        options.returnsParameters = true
        options.evaluatesTrainingRows = false
        return options
    }
    private static func mean(_ losses: some Sequence<(step: Int, loss: Float)>) -> Double { SampleStatistics(losses.map { Double($0.loss) }).mean }

    @Test(
        "the error of held-out digits falls as it did when these numbers were recorded, without labels",
        arguments: [
            (Autoencoder(inputCount: 64, hidden: [32], code: 8), 1.73, 0.32), (Autoencoder(inputCount: 64, hidden: [32], code: 8, noise: 0.5), 1.95, 0.32),
            (VariationalAutoencoder(inputCount: 64, hidden: [32], code: 8), 158.0, 0.41),
        ] as [(any Model, Double, Double)])
    func learns(_ sample: (model: any Model, before: Double, error: Double)) async throws {
        let report = try await Trainer(AutoencoderTests.options(sample.model, steps: 400)).run()
        let first = AutoencoderTests.mean(report.losses.prefix(5)), last = AutoencoderTests.mean(report.losses.suffix(20))
        #expect(abs(first - sample.before) < 0.1 * sample.before && last < 0.5 * first, "\(first) \(last)")
        let error = try #require(report.testMetrics["reconstruction_error"])
        #expect(abs(error - sample.error) < 0.03, "\(error)")
        #expect(report.testAccuracy.isNaN && report.testRowCount > 350)
    }

    @Test("the variational loss is the distance weighed by the variance, its logarithm, and the divergence of the codes")
    func variationalLoss() async throws {
        let network = VariationalAutoencoder(inputCount: 3, hidden: [4], code: 2, dtype: .float64), model = try ModelGraph(network)
        #expect(model.outputs.keys.sorted() == ["code", "kl", "log_variance"])
        let values = try Dictionary(
            uniqueKeysWithValues: model.parameters.enumerated().map { number, variable in
                let elements = (0..<variable.shape.elementCount).map { Double(($0 * 7 + number * 3) % 11) / 10 - 0.4 }
                return (variable.name, try Tensor(elements, shape: variable.shape))
            })
        let rows = try Tensor([0.5, -1, 2, 1, 0.25, -0.5], shape: Shape(2, 3))
        let found = try await model.evaluate(["code", "kl", "log_variance", "predictions"], values: values, feeding: ["features": rows])
        let kernel = try #require(values["code/log_variance/kernel"]).array(of: Double.self)
        let bias = try #require(values["code/log_variance/bias"]).array(of: Double.self)
        // The encoder by hand.
        let (w, b) = (try #require(values["encoder1/kernel"]).array(of: Double.self), try #require(values["encoder1/bias"]).array(of: Double.self))
        let x = try rows.array(of: Double.self), means = try #require(found["code"]).array(of: Double.self)
        var divergence = 0.0
        for row in 0..<2 {
            let hidden = (0..<4).map { unit in max(0, (0..<3).reduce(b[unit]) { $0 + x[row * 3 + $1] * w[$1 * 4 + unit] }) }
            for unit in 0..<2 {
                let logVariance = (0..<4).reduce(bias[unit]) { $0 + hidden[$1] * kernel[$1 * 2 + unit] }, mean = means[row * 2 + unit]
                divergence += 0.5 * (exp(logVariance) + mean * mean - 1 - logVariance) / 2
            }
        }
        #expect(abs(try #require(found["kl"]).scalar(of: Double.self) - divergence) < 1e-12)
        // The decoder alone makes the same of the codes.
        let decoded = try await model.evaluate(["predictions"], values: values, feeding: ["code": try #require(found["code"])])
        #expect(decoded["predictions"] == found["predictions"])
        let made = try #require(found["predictions"]).array(of: Double.self), s = try #require(found["log_variance"]).scalar(of: Double.self)
        let distance = zip(made, x).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / 2
        let expected = 0.5 * (distance / exp(s) + 3 * (s + 1.837_877_066_409_345_3)) + divergence
        #expect(abs(try await AutoencoderTests.evaluationLoss(model, values, rows) - expected) < 1e-12)
    }

    private static func evaluationLoss(_ model: ModelGraph, _ values: [String: Tensor], _ rows: Tensor) async throws -> Double {
        var named = model
        named.outputs["loss"] = model.evaluationLoss
        return try #require(try await named.evaluate(["loss"], values: values, feeding: ["features": rows])["loss"]).scalar(of: Double.self)
    }

    @Test("names that the model does not have, and tensors that do not fit, are errors that say so")
    func wrongNames() async throws {
        let model = try ModelGraph(Autoencoder(inputCount: 4, hidden: [3], code: 2))
        let values = try Dictionary(
            uniqueKeysWithValues: model.parameters.map { ($0.name, try Tensor([Float](repeating: 0, count: $0.shape.elementCount), shape: $0.shape)) })
        let rows = try Tensor([Float](repeating: 1, count: 8), shape: Shape(2, 4))
        func message(_ names: [String], _ values: [String: Tensor], _ feeding: [String: Tensor]) async -> String {
            do throws(Status) {
                _ = try await model.evaluate(names, values: values, feeding: feeding)
                return ""
            } catch { return error.message }
        }
        #expect(await message(["codes"], values, ["features": rows]) == "Expected an output of the model, predictions, code, found 'codes'")
        #expect(await message(["code"], values, ["rows": rows]).contains("found 'rows'"))
        #expect(await message(["code"], values, [:]).contains("expected the input 'features'"))
        #expect(await message(["predictions"], values, ["code": rows]).contains("'code' takes float [?,2], found float [2,4]"))
        #expect(await message(["code"], [:], ["features": rows]).contains("found none"))
    }

    @Test("each worker and each copy of the model draws noise of its own, and two runs draw the same")
    func noise() async throws {
        func losses(_ strategy: any Strategy, devices: Int = 1) async throws -> [Float] {
            var options = try AutoencoderTests.options(VariationalAutoencoder(inputCount: 64, hidden: [16], code: 4), steps: 4)
            options.strategy = strategy
            options.devices = (0..<devices).map { "/cpu:\($0)" }
            return try await Trainer(options).run().losses.sorted { ($0.step, $0.loss) < ($1.step, $1.loss) }.map(\.loss)
        }
        let first = try await losses(SingleDevice())
        #expect(try await losses(SingleDevice()) == first)
        let model = try ModelGraph(VariationalAutoencoder(inputCount: 64, hidden: [16], code: 4))
        func seeds(_ model: ModelGraph) -> [Int] {
            let needed = model.graph.ancestors(of: [model.loss.node])
            return model.graph.nodes.enumerated().compactMap { id, node in
                needed[id] && node.op.name == "RandomStandardNormal" ? node.attributes.int("seed2") : nil
            }
        }
        let copies = (0..<4).map { seeds(model.drawingOtherNumbers(UInt64($0))) }
        #expect(copies.allSatisfy { $0.count == 1 } && Set(copies.flatMap { $0 }).count == 4)
        // Two towers with the same rows would have the same losses if they drew the same.
        let towers = try await losses(InGraphReplication(), devices: 2)
        #expect(try await losses(InGraphReplication(), devices: 2) == towers)
    }
}

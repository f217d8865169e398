import Foundation
import Testing
import Weir
import WeirGraph
import WeirTensor

@testable import WeirTrain

@Suite("Logits of recurrent networks and models of texts")
struct LogitsTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        let network: any Model
        let features: Tensor
        /// Those of TensorFlow: `Fixtures/make_logits.py`.
        let logits: [Double]
        var testDescription: String { "\(type(of: network))" }
    }
    private static let characters = Tensor([0, 1, 4, 3, 3, 2] as [Int32], ofShape: [2, 3])
    private static let samples = [
        Sample(
            network: RecurrentNetwork(stepCount: 3, stepSize: 2, units: [4, 3], classCount: 3, dtype: .float64),
            features: Tensor((0..<12).map { cos(0.9 * Double($0)) }, ofShape: [2, 6]),
            logits: [
                0.364692256269987, 0.592584375332453, 0.541774803289784, 0.36392193545866636, 0.591165868964925,
                0.5403752570754704,
            ]),
        Sample(
            network: RecurrentLanguageModel(window: 3, characterCount: 5, embeddingSize: 2, units: [3], dtype: .float64), features: characters,
            logits: [
                -0.5097784452186626, -0.3148838477311421, 0.02810554354017753, 0.3578764585233194, 0.519332483089027,
                -0.5174965228346632, -0.32137994116268076, 0.025886648538213416, 0.3609783429415443, 0.5262962822172688,
                -0.5238422105663517, -0.32865363953288074, 0.021105873527679106, 0.3609389644798001, 0.5310168206101784,
                -0.4940959000772848, -0.29677412797942476, 0.04012515373082499, 0.3581529486686455, 0.5077358155534073,
                -0.5013623702970875, -0.30655662944709994, 0.03242748431132696, 0.3561604455047171, 0.5123855840167647,
                -0.5076984242374529, -0.30943643239774027, 0.03435834867626013, 0.36199386150380775, 0.5193780049560012,
            ]),
        Sample(
            network: TransformerLanguageModel(window: 3, characterCount: 5, width: 4, heads: 2, depth: 1, dtype: .float64), features: characters,
            logits: [
                0.4364366060945873, 0.35340465677950494, 0.10416097528093402, -0.194071240452396, -0.401028719354181,
                -0.09375283599678957, -0.07318261424864617, -0.018193465509473566, 0.0453523543395451, 0.08756825329259166,
                0.31842503894006685, 0.27858703110424515, 0.10772518949765872, -0.11380149198219547, -0.2818055535854582,
                -0.1132036248315102, -0.2609028390368312, -0.28589537132381565, -0.17642684323880453, 0.01601798596688586,
                -0.13864501930102918, -0.1331444689071594, -0.06502399434653763, 0.03367828078319973, 0.1165411342229451,
                0.35913909230080815, 0.30542385340620276, 0.10806300387530623, -0.14012156490916106, -0.32240477225700087,
            ]),
    ]

    @Test("logits are those of the same network in TensorFlow", arguments: samples)
    func logits(_ sample: Sample) async throws {
        let model = try ModelGraph(sample.network)
        // Variable k has the elements sin(0.7 i + k) / 2.
        var values: [String: Tensor] = [:]
        for (number, variable) in model.parameters.enumerated() {
            values[variable.name] = try Tensor(
                (0..<variable.shape.elementCount).map { sin(0.7 * Double($0) + Double(number)) / 2 }, shape: variable.shape)
        }
        let servable = try ServableModel(model, values: values)
        let signature = try #require(servable.signatures[ModelSignature.defaultName])
        let names = try (#require(signature.inputs["features"]).name, #require(signature.outputs["predictions"]).name)
        let session = try await servable.session()
        let reply = try await session.run(fetches: [names.1], feeds: [NamedTensor(names.0, sample.features)])
        let found = try reply.tensors[0].tensor.array(of: Double.self)
        #expect(found.count == sample.logits.count)
        for (a, b) in zip(found, sample.logits) { #expect(abs(a - b) < 1e-12, "\(found)") }
        try await session.close()
    }
}

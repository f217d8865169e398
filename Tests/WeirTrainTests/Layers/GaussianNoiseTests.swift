import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirTrain

@Suite("Gaussian noise")
struct GaussianNoiseTests {
    @Test("noise has the deviation that was asked for in training, differs between layers and steps, and is absent in inference")
    func noise() async throws {
        let builder = GraphBuilder(), ones = builder.filled(Shape(100, 200), with: 1, .float64)
        #expect(GaussianNoise(0.5)(ones, LayerContext(builder, mode: .inference)) == ones)
        #expect(GaussianNoise(0)(ones, LayerContext(builder)) == ones)
        let context = LayerContext(builder, dtype: .float64)
        let first = GaussianNoise(0.5)(ones, context), other = GaussianNoise(0.5)(ones, context)
        let session = try await Session(builder.graph())
        let values = try await session.run(fetches: [first.name, other.name]).tensors.map { try $0.tensor.array(of: Double.self) }
        let again = try await session.run(first).array(of: Double.self)
        for numbers in values {
            let statistics = SampleStatistics(numbers)
            #expect(abs(statistics.mean - 1) < 0.02 && abs(statistics.deviation - 0.5) < 0.01, "\(statistics)")
        }
        #expect(values[0] != values[1] && values[0] != again)
        try await session.close()
        let repeated = try await Session(builder.graph())
        #expect(try await repeated.run(first).array(of: Double.self) == values[0])
        try await repeated.close()
    }

    @Test("what is no deviation is an error that says so", arguments: [-1, Double.nan, .infinity])
    func wrongDeviation(_ deviation: Double) throws {
        let builder = GraphBuilder()
        _ = GaussianNoise(deviation)(builder.filled(Shape(2, 2), with: 1), LayerContext(builder))
        #expect(builder.failure?.message.contains("gaussian_noise") == true && builder.failure?.message.contains("at least 0") == true)
    }
}

import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirTrain

@Suite("Initial values of layers")
struct InitializerTests {
    private func values(_ initializer: Initializer, _ shape: Shape, seed: Int = 5) async throws -> [Double] {
        let builder = GraphBuilder()
        let output = initializer(shape, seed: seed, .float64, in: builder)
        #expect(output.shape == PartialShape(shape))
        let session = try await Session(builder.graph())
        let found = try await session.run(output).array(of: Double.self)
        try await session.close()
        return found
    }

    @Test(
        "random values have the mean and the deviation that Keras documents",
        arguments: [
            (.randomNormal(mean: 1, deviation: 0.5), 1, 0.5), (.truncatedNormal(mean: -1, deviation: 0.5), -1, 0.5 * 0.87962566),
            (.randomUniform(from: 0, to: 2), 1, 1 / 3.0.squareRoot()),
            // 3 * 3 * 16 = 144 inputs and 3 * 3 * 64 = 576 outputs.
            (.glorotUniform, 0, (2.0 / 720).squareRoot()), (.glorotNormal, 0, (2.0 / 720).squareRoot()), (.heUniform, 0, (2.0 / 144).squareRoot()),
            (.heNormal, 0, (2.0 / 144).squareRoot()), (.lecunUniform, 0, (1.0 / 144).squareRoot()), (.lecunNormal, 0, (1.0 / 144).squareRoot()),
            (.varianceScaling(scale: 3, .outputs, .normal), 0, (3.0 / 576).squareRoot()),
        ] as [(Initializer, Double, Double)])
    func moments(_ sample: (initializer: Initializer, mean: Double, deviation: Double)) async throws {
        let statistics = SampleStatistics(try await values(sample.initializer, [3, 3, 16, 64]))
        // Six standard errors of 9216 values.
        #expect(abs(statistics.mean - sample.mean) < 6 * sample.deviation / 96)
        #expect(abs(statistics.deviation / sample.deviation - 1) < 0.05)
    }

    @Test(
        "an orthogonal matrix has orthogonal rows or columns of the given length",
        arguments: [[8, 8], [1, 1], [4, 16], [16, 4], [64, 64], [3, 2, 5], [2, 2, 3, 40]])
    func orthogonal(_ dimensions: [Int]) async throws {
        let found = try await values(.orthogonal(gain: 2), Shape(dimensions))
        let columns = dimensions[dimensions.count - 1], rows = found.count / columns
        let count = min(rows, columns), length = max(rows, columns)
        func element(_ vector: Int, _ position: Int) -> Double { rows <= columns ? found[vector * columns + position] : found[position * columns + vector] }
        for a in 0..<count {
            for b in 0...a {
                let product = (0..<length).reduce(0) { $0 + element(a, $1) * element(b, $1) }
                #expect(abs(product - (a == b ? 4 : 0)) < 1e-9)
            }
        }
        #expect(try await values(.orthogonal(), Shape(dimensions), seed: 6) != values(.orthogonal(), Shape(dimensions), seed: 7) || found.count == 1)
    }

    @Test("values that are not random")
    func fixed() async throws {
        #expect(try await values(.zeros, [3]) == [0, 0, 0])
        #expect(try await values(.ones, [2]) == [1, 1])
        #expect(try await values(.constant(0.5), [2]) == [0.5, 0.5])
        #expect(try await values(.identity(gain: 2), [2, 3]) == [2, 0, 0, 0, 2, 0])
        #expect(try await values(.unitForgetBias, [8]) == [0, 0, 1, 1, 0, 0, 0, 0])
        #expect(try await values(.tensor(Tensor([1.0, 2])), [2]) == [1, 2])
    }

    @Test(
        "shapes that an initializer is not for are errors",
        arguments: [(.identity(), [3]), (.orthogonal(), [3]), (.unitForgetBias, [6]), (.tensor(Tensor([1.0])), [2])] as [(Initializer, Shape)])
    func errors(_ sample: (initializer: Initializer, shape: Shape)) {
        let builder = GraphBuilder()
        _ = sample.initializer(sample.shape, seed: 1, .float64, in: builder)
        #expect(builder.failure?.code == .invalidArgument)
    }

    @Test("a variable's seed follows from the network's seed and the number of variables before it")
    func seeds() throws {
        func seeds(_ model: some Model) throws -> [Int] {
            try ModelGraph(model).graph.nodes.compactMap { $0.attributes.int("seed2") == nil ? nil : $0.attributes.int("seed") }
        }
        #expect(try seeds(DenseNetwork(inputCount: 4, hidden: [3, 3], classCount: 3, seed: 2)) == [2000, 2001, 2002])
        #expect(try seeds(ConvolutionalNetwork(imageShape: [4, 4, 1], classCount: 3, seed: 2)) == [2001, 2002, 2003, 2004])
    }
}

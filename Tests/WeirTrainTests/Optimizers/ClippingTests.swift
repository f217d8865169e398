import Testing
import Weir
import WeirGraph
import WeirTensor

@testable import WeirTrain

@Suite("Clipping gradients")
struct ClippingTests {
    /// What is left of gradients that an optimizer without a rate would assign.
    private func clipped(_ clippings: [GradientClipping], sparse: Bool = false) async throws -> [[Double]] {
        let builder = GraphBuilder()
        let matrix = builder.variable("matrix") { builder.filled([2, 2], with: 0, .float64) }
        let vector = builder.variable("vector") { builder.filled([3], with: 0) }
        let rows = builder.constant(Tensor([3, -4, 0.5, 1] as [Double], ofShape: [2, 2]))
        let indices = builder.constant(Tensor([0, 1] as [Int32]))
        let gradients = [
            VariableGradient(matrix, sparse ? .sparse(indices: indices, rows: rows) : .dense(rows)),
            VariableGradient(vector, .dense(builder.constant(Tensor([1, -2, 2] as [Float])))),
        ]
        let optimizer = clippings.reduce(GradientDescent(learningRate: -1) as any Optimizer) { $0.clipped($1) }
        let update = builder.apply(optimizer, gradients)
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        try await session.run(update.operation)
        let values = try await session.run([matrix.value, vector.value])
        return [try values[0].array(of: Double.self), try values[1].array(of: Float.self).map(Double.init)]
    }

    private func isClose(_ found: [[Double]], _ expected: [[Double]]) -> Bool {
        zip(found, expected).allSatisfy { zip($0, $1).allSatisfy { abs($0 - $1) <= 1e-6 } }
    }

    @Test("by value, by norm and by the norm of all, as TensorFlow does", arguments: [false, true])
    func kinds(_ sparse: Bool) async throws {
        var found = try await clipped([.value(-1.5, 0.75)], sparse: sparse)
        #expect(isClose(found, [[0.75, -1.5, 0.5, 0.75], [0.75, -1.5, 0.75]]), "\(found)")
        found = try await clipped([.norm(2)], sparse: sparse)
        #expect(isClose(found, [[1.17108009, -1.56144012, 0.19518001, 0.39036003], [0.66666667, -1.33333333, 1.33333333]]), "\(found)")
        found = try await clipped([.globalNorm(2)], sparse: sparse)
        #expect(isClose(found, [[1.01058231, -1.34744307, 0.16843038, 0.33686077], [0.33686077, -0.67372154, 0.67372154]]), "\(found)")
        // A norm that is not reached leaves the gradients as they are.
        for clipping in [GradientClipping.norm(100), .globalNorm(100)] {
            #expect(try await clipped([clipping], sparse: sparse) == [[3, -4, 0.5, 1], [1, -2, 2]])
        }
    }

    @Test("several are applied in their order")
    func several() async throws {
        let found = try await clipped([.value(-2, 2), .globalNorm(1)])
        // The norm of what is left between -2 and 2: √18.25.
        let norm = 4.272001872658765
        let matrix: [Double] = [2, -2, 0.5, 1], vector: [Double] = [1, -2, 2]
        let expected = [matrix.map { $0 / norm }, vector.map { $0 / norm }]
        #expect(isClose(found, expected), "\(found)")
    }

    @Test("parts of a variable are scaled together")
    func parts() async throws {
        let builder = GraphBuilder()
        let parts = (0..<2).map { number in
            builder.variable("w/part_\(number)", slice: VariableSlice(fullName: "w", fullShape: [4], offset: 2 * number)) { builder.filled([2], with: 0) }
        }
        let gradients = [[3, 0], [0, 4] as [Float]].map { builder.constant(Tensor($0)) }
        let update = builder.apply(GradientDescent(learningRate: -1).clipped(.norm(1)), [(Variable, Output)](zip(parts, gradients)))
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        try await session.run(update.operation)
        let found = try await session.run(parts.map(\.value)).flatMap { try $0.array(of: Float.self) }
        let expected: [Float] = [0.6, 0, 0, 0.8]
        #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-6 }, "\(found)")
    }

    @Test("a norm that is not a number makes all gradients so, and a limit must be above 0")
    func notNumbers() async throws {
        let builder = GraphBuilder()
        let v = builder.variable("v", initial: [0.0, 0])
        let update = builder.apply(
            GradientDescent(learningRate: 1).clipped(.globalNorm(1)), [(v, builder.constant(Tensor([Float.infinity, 1])))])
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        try await session.run(update.operation)
        #expect(try await session.run(v.value).array(of: Float.self).allSatisfy(\.isNaN))
        for clipping in [GradientClipping.norm(0), .globalNorm(-1), .globalNorm(.nan), .value(1, -1)] {
            let builder = GraphBuilder()
            let v = builder.variable("v", initial: [0.0, 0])
            _ = builder.apply(GradientDescent(learningRate: 1).clipped(clipping), [(v, v.value)])
            #expect(builder.failure?.code == .invalidArgument, "\(clipping)")
        }
    }
}

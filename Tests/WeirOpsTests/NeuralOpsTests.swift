import Testing
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor

@testable import WeirNeuralOps

@Suite("Neural ops")
struct NeuralOpsTests {
    private let b = GraphBuilder(registry: .standard)

    private func run(_ fetch: Output) throws -> Tensor {
        try DirectSession(b.graph(), registry: .standard).run(fetches: [fetch.name])[0]
    }

    /// Rows with NaN, and what TensorFlow 2.21 finds in them on a CPU.
    @Test(
        arguments: [
            ([1, .nan, 3, .nan, 2], 4), ([.nan, 5, 1], 1), ([.nan, .nan, .nan], 0), ([1, 2, .nan], 0),
            ([3, .nan, 4, 5, 1, .nan, 2, 7, 6, 0, 1, 2, 3, 4, 5], 7), ([1, 3, 3, 2], 1), ([-.infinity], 0),
        ] as [([Float], Int32)])
    func `The largest element among NaNs is TensorFlow's`(row: [Float], place: Int32) throws {
        let s = try TinySession([.topKV2])
        let top = s.add("TopKV2", [s.feed(row, [1, row.count]), s.feed(Int32(1))])
        #expect(try s.run(top[1]) == Tensor([place], ofShape: [1, 1]))
        #expect(try s.run(top[0]).floats.map(\.bitPattern) == [row[Int(place)].bitPattern])
    }

    @Test func `Batches of complex matrices are multiplied, and transposed without conjugation`() throws {
        let x = b.constant(Tensor([Complex64(1, 2), Complex64(3, -1)], ofShape: [1, 2, 1]))
        let y = b.constant(Tensor([Complex64(0, 1), Complex64(2, 0)], ofShape: [1, 2, 1]))
        #expect(try run(x.matMul(y, transposeA: true)) == Tensor([Complex64(4, -1)], ofShape: [1, 1, 1]))
        #expect(try run(y.matMul(x, transposeA: true)) == Tensor([Complex64(4, -1)], ofShape: [1, 1, 1]))
        let outer = [Complex64(-2, 1), Complex64(2, 4), Complex64(1, 3), Complex64(6, -2)]
        #expect(try run(x.matMul(y, transposeB: true)) == Tensor(outer, ofShape: [1, 2, 2]))
        let row = b.constant(Tensor([Complex64(0, 1), Complex64(2, 0)], ofShape: [1, 1, 2]))
        #expect(try run(row.matMul(x)) == Tensor([Complex64(4, -1)], ofShape: [1, 1, 1]))
    }

    @Test(arguments: ["MaxPool", "MaxPoolV2"])
    func `Pooling refuses images with packed channels`(op: String) throws {
        let window = [1, 1, 2, 2]
        var inputs = [b.constant(Tensor([Float](repeating: 0, count: 64), ofShape: [1, 1, 4, 4, 4]))]
        var attributes: Attributes = ["padding": "SAME", "data_format": "NCHW_VECT_C"]
        if op == "MaxPool" {
            attributes["ksize"] = .ints(window)
            attributes["strides"] = .ints(window)
        } else {
            inputs += [b.constant(Tensor([1, 1, 2, 2] as [Int32])), b.constant(Tensor([1, 1, 2, 2] as [Int32]))]
        }
        let pooled = b.add(op, inputs, attributes: attributes)[0]
        let error = #expect(throws: Status.self) { _ = try run(pooled) }
        #expect(error?.code == .invalidArgument && error?.message.contains("found NCHW_VECT_C") == true)
    }

    @Test func `A convolution refuses images with packed channels`() {
        let attributes: Attributes = ["strides": .ints([1, 1, 1, 1]), "padding": "SAME", "data_format": "NCHW_VECT_C"]
        let error = #expect(throws: Status.self) { _ = try ConvolutionAttributes(attributes, spatialRank: 2) }
        #expect(error?.code == .unimplemented)
    }

    @Test func `Halves with the same segment id are summed in floats`() throws {
        let values = b.constant(Tensor([2048, 1, 1, 5] as [Float16]))
        let ids = b.constant(Tensor([1, 1, 1, 0] as [Int32]))
        #expect(try run(values.unsortedSegmentSum(ids, count: 2)) == Tensor([5, 2050] as [Float16]))
    }
}

import Testing
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor

@Suite("Gradients of ops")
struct OpGradientTests {
    private let b = GraphBuilder(registry: .standard)

    private func run(_ fetches: [Output?], _ feeds: [(String, Tensor)] = []) throws -> [Tensor] {
        let names = try fetches.map { try #require($0).name }
        return try DirectSession(b.graph(), registry: .standard).run(feeds: feeds, fetches: names)
    }

    @Test(arguments: [true, false])
    func `A gather with batch dimensions adds up what each batch gathered`(knowsShapes: Bool) throws {
        let values = Tensor([1, 2, 3, 4, 5, 6] as [Float], ofShape: [2, 3])
        let x = b.placeholder(.float32, shape: knowsShapes ? [2, 3] : [nil, nil], name: "x")
        let indices = b.constant(Tensor([0, 0, 2, 1] as [Int32], ofShape: [2, 2]))
        let y = x.gathered(indices: indices, axis: 1, batchDimensions: 1)
        let gradient = try run(b.gradients(of: [y], with: [x]), [("x:0", values)])[0]
        #expect(gradient == Tensor([2, 0, 0, 0, 1, 1] as [Float], ofShape: [2, 3]))
    }

    @Test(arguments: [true, false])
    func `A gather with batch dimensions from a dimension of size 0 has an empty gradient`(knowsShapes: Bool) throws {
        let x = b.placeholder(.float32, shape: knowsShapes ? [2, 0] : [nil, nil], name: "x")
        let y = x.gathered(indices: b.constant(Tensor([Int32](), ofShape: [2, 0])), axis: 1, batchDimensions: 1)
        let gradient = try run(b.gradients(of: [y], with: [x]), [("x:0", Tensor([Float](), ofShape: [2, 0]))])[0]
        #expect(gradient.shape == [2, 0])
    }

    @Test func `The gradient of a gather knows dimensions beyond an int32`() throws {
        let rows = 1 << 32
        let x = b.placeholder(.float32, shape: PartialShape([2, rows]))
        let y = x.gathered(indices: b.placeholder(.int64, shape: [nil]), axis: 1)
        _ = try #require(b.gradients(of: [y], with: [x])[0])
        let numbers = try b.graph().nodes.compactMap { node in
            node.op.name == "Const" ? try? node.attributes.tensor("value")?.integer() : nil
        }
        #expect(numbers.contains(rows) && !numbers.contains(Int(Int32.max)))
    }

    @Test func `The gradient of a split into a list knows dimensions beyond an int32`() throws {
        let width = 1 << 32
        let x = b.placeholder(.float32, shape: PartialShape([nil, width]))
        let shape = b.constant(Tensor([-1, Int64(width)]))
        let list = b.add("TensorListSplit", [x, shape, b.placeholder(.int64, shape: [nil])])[0]
        let rows = b.add(
            "TensorListConcatV2", [list, shape, b.constant(Tensor([Int64]()))], attributes: ["element_dtype": .type(.float32)])[0]
        _ = try #require(b.gradients(of: [rows], with: [x])[0])
        _ = try b.graph()
    }

    @Test(arguments: [("TensorScatterMax", [2, 0], [1, 0, 3, 4]), ("TensorScatterMin", [0, 0], [1, 2, 3, 4])] as [(String, [Float], [Float])])
    func `Indices that a scatter of extremes ignores are ignored in its gradient`(
        op: String, ofUpdates: [Float], ofTensor: [Float]
    ) throws {
        let x = b.constant(Tensor([1, 1, 1, 1] as [Float])), updates = b.constant(Tensor([10, 20] as [Float]))
        let indices = b.constant(Tensor([1, 7] as [Int32], ofShape: [2, 1]))
        let y = b.add(op, [x, indices, updates], attributes: ["bad_indices_policy": "IGNORE"])[0]
        let weighted = b.add("Mul", [y, b.constant(Tensor([1, 2, 3, 4] as [Float]))])[0]
        let gradients = try run(b.gradients(of: [weighted], with: [updates, x]))
        // These are TensorFlow's.
        #expect(gradients == [Tensor(ofUpdates), Tensor(ofTensor)])
    }

    @Test(arguments: ["SAME", "VALID"], [true, false])
    func `The gradient of image patches is the adjoint of the op`(padding: String, knowsShapes: Bool) throws {
        let shape: Shape = [2, 4, 3, 2]
        let x = b.placeholder(.float32, shape: knowsShapes ? PartialShape(shape) : .unknown, name: "x")
        let patches = b.add(
            "ExtractImagePatches", [x],
            attributes: [
                "ksizes": .ints([1, 2, 2, 1]), "strides": .ints([1, 2, 1, 1]), "rates": .ints([1, 1, 2, 1]),
                "padding": .string(ByteString(padding)),
            ])[0]
        let weights = b.placeholder(.float32, name: "weights")
        let gradient = try #require(b.gradients(of: [b.add("Mul", [patches, weights])[0]], with: [x])[0])
        let session = try DirectSession(b.graph(), registry: .standard)
        let zeros = [Float](repeating: 0, count: shape.elementCount)
        let whole = try session.run(feeds: [("x:0", Tensor(zeros, ofShape: shape))], fetches: [patches.name])[0]
        let flow = (0..<whole.elementCount).map { Float($0 * 7 % 31) }
        let feeds = [("x:0", Tensor(zeros, ofShape: shape)), ("weights:0", Tensor(flow, ofShape: whole.shape))]
        let found = try session.run(feeds: feeds, fetches: [gradient.name])[0]
        // The op is linear, so the gradient of an element is the weighted sum of the patches of an image with this element alone.
        let expected = try zeros.indices.map { place -> Float in
            var image = zeros
            image[place] = 1
            let one = try session.run(feeds: [("x:0", Tensor(image, ofShape: shape))], fetches: [patches.name])[0]
            return zip(one.floats, flow).reduce(0) { $0 + $1.0 * $1.1 }
        }
        #expect(found.shape == shape && found.floats == expected)
    }
}

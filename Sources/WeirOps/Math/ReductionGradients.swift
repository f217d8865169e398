import WeirGraph
import WeirKernels
import WeirTensor

/// The gradients of reductions. The gradient of each result is distributed to the elements that were reduced to it.
struct ReductionGradient {
    let g: GradientContext
    private var input: Output { g.inputs[0] }
    private var axes: Output { g.inputs[1] }
    private var result: Output { g.outputs[0] }
    /// The result's shape with the reduced dimensions kept as 1.
    private let keptShape: Output

    init(_ g: GradientContext) {
        self.g = g
        keptShape = ReductionGradient.keptShape(g)
    }

    /// Broadcasts a gradient of the result to the input's shape.
    func broadcastToInput(_ flow: Output) -> Output { g.op("BroadcastTo", g.op("Reshape", flow, keptShape), g.shape(input)) }

    func ofMean() -> Output {
        let broadcastToInput = broadcastToInput(g.gradient())
        if let all = input.shape.elementCount, let results = result.shape.elementCount {
            return g.op("RealDiv", broadcastToInput, g.scalar(Double(all / Swift.max(results, 1)), like: broadcastToInput))
        }
        let zero = g.constant([0])
        let (all, results) = (g.op("Prod", g.shape(input), zero), g.op("Prod", g.shape(result), zero))
        let one = g.constant(Tensor(Int32(1)))
        let count = g.op("FloorDiv", all, g.op("Maximum", results, one))
        return g.op("RealDiv", broadcastToInput, g.op("Cast", count, attributes: ["DstT": .type(broadcastToInput.dtype)]))
    }

    /// Returns the gradient of `Max` and `Min`. Equal elements share the gradient.
    func ofMaxOrMin() -> Output {
        let extreme = g.op("Reshape", result, keptShape)
        let flow = g.op("Reshape", g.gradient(), keptShape)
        let isExtreme = g.op("Cast", g.op("Equal", extreme, input), attributes: ["DstT": .type(flow.dtype)])
        let count = g.op("Reshape", g.op("Sum", isExtreme, axes), keptShape)
        return g.op("Mul", g.op("RealDiv", isExtreme, count), flow)
    }

    func ofNorm() -> Output {
        let norm = g.op("Reshape", result, keptShape)
        let flow = g.op("Reshape", g.gradient(), keptShape)
        return g.op("RealDiv", input, g.op("RealDiv", norm, flow))
    }

    /// Returns the gradient of `Prod`. For each element this is the product of all others, without a division, so that zeros
    /// need no special case. The reduced dimensions are moved to the front and merged; the product before an element is
    /// multiplied by the product after it.
    func ofProduct() -> Output {
        let broadcastToInput = broadcastToInput(g.gradient())
        let zero = g.constant(Tensor(Int32(0)))
        let rank = g.op("Rank", input)
        let vector = g.op("Reshape", axes, g.constant([-1]))
        let reduced = g.op("FloorMod", g.op("AddV2", int32(vector), rank), rank)
        let all = g.op("Range", zero, rank, g.constant(Tensor(Int32(1))))
        let others = g.ops("ListDiff", [all, reduced])[0]
        let order = g.op("ConcatV2", reduced, others, zero)
        let shape = g.shape(input)
        func size(_ axes: Output) -> Output { g.op("Prod", g.op("GatherV2", shape, axes, zero), g.constant([0])) }
        let moved = g.op("Transpose", input, order)
        let matrix = g.op("Reshape", moved, g.op("Pack", size(reduced), size(others)))
        let before = g.op("Cumprod", matrix, zero, attributes: ["exclusive": true])
        let after = g.op("Cumprod", matrix, zero, attributes: ["exclusive": true, "reverse": true])
        let product = g.op("Mul", g.conjugate(before), g.conjugate(after))
        let slope = g.op("Transpose", g.op("Reshape", product, g.op("Shape", moved)), g.op("InvertPermutation", order))
        return g.op("Reshape", g.op("Mul", broadcastToInput, slope), shape)
    }

    private func int32(_ x: Output) -> Output {
        x.dtype == .int32 ? x : g.op("Cast", x, attributes: ["DstT": .type(.int32)])
    }

    private static func keptShape(_ g: GradientContext) -> Output {
        if g.attributes.bool("keep_dims") == true { return g.shape(g.outputs[0]) }
        let input = g.inputs[0]
        if let dimensions = input.shape.dimensions, let axes = constantAxes(g) {
            let rank = dimensions.count
            let reduced = Set(axes.map { $0 < 0 ? $0 + rank : $0 })
            let sizes = dimensions.indices.map { reduced.contains($0) ? 1 : dimensions[$0] }
            let known = sizes.compactMap { $0 }
            if known.count == rank { return g.constant(known) }
        }
        // The shape is known only at run time: stitches ones into the input's sizes at the axes.
        let shape = g.shape(input)
        let rank = g.op("Size", shape)
        let one = g.constant(Tensor(Int32(1)))
        var axes = g.op("Reshape", g.inputs[1], g.constant([-1]))
        if axes.dtype != .int32 { axes = g.op("Cast", axes, attributes: ["DstT": .type(.int32)]) }
        let front = g.op("FloorMod", g.op("AddV2", axes, rank), rank)
        let all = g.op("Range", g.constant(Tensor(Int32(0))), rank, one)
        return g.ops("DynamicStitch", [all, front, shape, g.op("OnesLike", front)], attributes: ["N": 2])[0]
    }

    private static func constantAxes(_ g: GradientContext) -> [Int]? {
        let node = g.builder.node(g.inputs[1].endpoint.node)
        guard node.op.name == "Const" else { return nil }
        return try? node.attributes.tensor("value")?.integers()
    }
}

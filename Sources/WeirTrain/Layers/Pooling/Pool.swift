import WeirGraph
import WeirOps
import WeirTensor

/// What poolings of sequences, images and volumes have in common.
struct Pool: Sendable {
    enum Kind: Sendable { case max, average }
    var kind: Kind
    var size: SpatialSize
    /// Nil means the size.
    var strides: SpatialSize?
    var padding: Padding

    /// Adds a pooling of an input `[rows] + positions + [channels]`, with `rank` dimensions of positions.
    func call(_ input: Output, _ context: LayerContext, rank: Int) -> Output {
        let size = size.resolved(rank), strides = (strides ?? self.size).resolved(rank)
        guard input.shape.rank == nil || input.shape.rank == rank + 2 else {
            return context.failing("expected an input of shape \(Convolution.inputs[rank - 1]), found \(input.shape)")
        }
        guard context.areSpatial(rank, [("pool size", size), ("strides", strides)]) else { return input }
        switch (rank, kind) {
        case (1, _):
            // An image of height 1.
            let image = input.expandedDimension(at: 1)
            return pooled(image, (1, size[0]), (1, strides[0])).squeezed(axes: [1])
        case (2, _): return pooled(input, (size[0], size[1]), (strides[0], strides[1]))
        default:
            let attributes: Attributes = ["ksize": .ints([1] + size + [1]), "strides": .ints([1] + strides + [1]), "padding": padding.text]
            switch kind {
            case .max: return context.builder.add("MaxPool3D", [input], attributes: attributes)[0]
            case .average: return context.builder.add("AvgPool3D", [input], attributes: attributes)[0]
            }
        }
    }

    private func pooled(_ images: Output, _ window: (Int, Int), _ strides: (Int, Int)) -> Output {
        switch kind {
        case .max: images.maxPool(window: window, strides: strides, padding: padding)
        case .average: images.avgPool(window: window, strides: strides, padding: padding)
        }
    }
}

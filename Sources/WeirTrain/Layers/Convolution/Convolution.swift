import WeirGraph
import WeirOps
import WeirTensor

/// What convolutions of sequences, images and volumes have in common.
struct Convolution: Sendable {
    var filters: Int
    var kernelSize: SpatialSize
    var strides: SpatialSize
    var padding: Padding
    var dilations: SpatialSize
    var activation: Activation
    var usesBias: Bool
    var kernelInitializer: Initializer
    var biasInitializer: Initializer
    var kernelRegularizer: Regularizer?
    var biasRegularizer: Regularizer?

    /// Adds a convolution of an input `[rows] + positions + [channels]`.
    /// - Parameters:
    ///   - rank: the number of dimensions of positions.
    ///   - isCausal: whether an output depends on no later position, of a sequence.
    func call(_ input: Output, _ context: LayerContext, rank: Int, isCausal: Bool = false) -> Output {
        let size = kernelSize.resolved(rank), strides = strides.resolved(rank), dilations = dilations.resolved(rank)
        guard input.shape.rank == nil || input.shape.rank == rank + 2 else {
            return context.failing("expected an input of shape \(Convolution.inputs[rank - 1]), found \(input.shape)")
        }
        guard let channels = context.features(of: input, leastRank: rank + 2),
            context.areSpatial(rank, [("kernel size", size), ("strides", strides), ("dilations", dilations)]),
            context.areSizes(size + [channels, filters], "kernel size, channels and filters")
        else { return input }
        guard strides.allSatisfy({ $0 == 1 }) || dilations.allSatisfy({ $0 == 1 }) else {
            return context.failing("either strides or dilations may be other than 1, found \(strides) and \(dilations)")
        }
        let kernel = context.variable("kernel", Shape(size + [channels, filters]), kernelInitializer, regularizer: kernelRegularizer)
        let bias = usesBias ? context.variable("bias", Shape(filters), biasInitializer, regularizer: biasRegularizer) : nil
        let sum: Output
        switch rank {
        case 1:
            // An image of height 1.
            let (before, overflow) = dilations[0].multipliedReportingOverflow(by: size[0] - 1)
            guard !overflow else { return context.failing("the kernel of size \(size[0]) with dilation \(dilations[0]) is too long") }
            let padded = isCausal ? input.padded([(0, 0), (before, 0), (0, 0)]) : input
            let image = padded.expandedDimension(at: 1).conv2D(
                kernel.value.expandedDimension(at: 0), strides: (1, strides[0]), padding: isCausal ? .valid : padding, dilations: (1, dilations[0]))
            sum = image.squeezed(axes: [1])
        case 2: sum = input.conv2D(kernel.value, strides: (strides[0], strides[1]), padding: padding, dilations: (dilations[0], dilations[1]))
        default:
            sum =
                context.builder.add(
                    "Conv3D", [input, kernel.value],
                    attributes: [
                        "strides": .ints([1] + strides + [1]), "padding": padding.text, "dilations": .ints([1] + dilations + [1]),
                    ])[0]
        }
        return activation(bias.map { sum.biasAdd($0.value) } ?? sum)
    }

    /// The shapes of inputs, for messages.
    static let inputs = ["[rows, steps, channels]", "[rows, height, width, channels]", "[rows, depth, height, width, channels]"]
}

extension Padding {
    /// The attribute of convolutions and pools.
    var text: AttributeValue { self == .same ? "SAME" : "VALID" }
}

public import WeirGraph
import WeirOps
public import WeirTensor

/// A classifier of small images: convolutions of 3×3 with ReLU, one max pooling, a dense layer, and the output.
///
/// ```swift
/// let digits = try Table.digits()
/// let network = ConvolutionalNetwork(imageShape: [8, 8, 1], classCount: 10)
/// let options = try TrainingOptions(network, table: digits, optimizer: Adam(learningRate: 0.004), stepCount: 600)
/// ```
public struct ConvolutionalNetwork: Classifier {
    /// The height, width and number of channels of an image.
    public var imageShape: [Int]
    /// The number of filters of each convolution.
    public var filters: [Int]
    /// The number of units of the dense layer.
    public var hidden: Int
    /// The number of classes.
    public var classCount: Int
    /// The seed of the initial weights.
    public var seed: Int
    /// The element type of features, variables and activations: `float32` or `float64`.
    public var dtype: DType

    /// Describes a network.
    public init(
        imageShape: [Int], filters: [Int] = [16, 32], hidden: Int = 64, classCount: Int, seed: Int = 1, dtype: DType = .float32
    ) {
        self.imageShape = imageShape
        self.filters = filters
        self.hidden = hidden
        self.classCount = classCount
        self.seed = seed
        self.dtype = dtype
    }

    /// `features`, of shape `[rows, height * width * channels]`, and `labels`, of shape `[rows]`.
    public var inputs: [ModelInput] {
        [ModelInput("features", dtype, [Shape(imageShape).elementCount]), ModelInput("labels", .int32)]
    }

    /// Adds the layers `conv1`, `conv2`…, `pool`, `dense` and `output`, and returns the logits. Records an error if the sizes
    /// are not those of a network.
    public func predictions(_ inputs: ModelInputs) -> Output {
        let builder = inputs.builder
        guard imageShape.count == 3, imageShape[0] >= 2, imageShape[1] >= 2, imageShape[2] >= 1 else {
            return builder.failing(
                "ConvolutionalNetwork: images must have a height and width of at least 2, and channels; found \(imageShape)")
        }
        guard Shape(imageShape).elementCount <= Shape.maximumElementCount else {
            return builder.failing("ConvolutionalNetwork: the number of elements of an image must not overflow; found images of \(imageShape)")
        }
        guard !filters.isEmpty, (filters + [hidden, classCount]).allSatisfy({ $0 > 0 }) else {
            return builder.failing(
                "ConvolutionalNetwork: expected positive numbers of filters, hidden units and classes; found \(filters), \(hidden) and \(classCount)")
        }
        let network = Sequential {
            for (index, count) in filters.enumerated() {
                Sequential(name: "conv\(index + 1)") {
                    if index == 0 { Reshape(imageShape, name: "") }
                    Conv2D(count, 3, padding: .same, activation: .relu, kernelInitializer: .heNormal, name: "")
                }
            }
            // Without padding, an odd last row or column is dropped.
            Sequential(name: "pool") {
                MaxPool2D(2, name: "")
                Flatten(name: "")
            }
            Dense(hidden, activation: .relu, kernelInitializer: .heNormal, name: "dense")
            Dense(classCount, name: "output")
        }
        return network(inputs["features"], inputs.layers(seed: seed, dtype: dtype))
    }
}

extension GraphBuilder {
    /// Records `invalidArgument` and returns an output that stands for the one that cannot be built.
    func failing(_ message: String) -> Output {
        record(.invalidArgument(message))
        return placeholder(.float32, name: "failed")
    }
}

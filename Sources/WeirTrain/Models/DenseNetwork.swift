public import WeirGraph
import WeirTensor

/// A classifier of dense layers with ReLU between them.
public struct DenseNetwork: Sendable {
    /// The number of features.
    public var inputCount: Int
    /// The number of units of each hidden layer.
    public var hidden: [Int]
    /// The number of classes.
    public var classCount: Int
    /// The seed of the initial weights.
    public var seed: Int

    /// Describes a network.
    public init(inputCount: Int, hidden: [Int] = [10, 20, 20, 20, 10], classCount: Int, seed: Int) {
        self.inputCount = inputCount
        self.hidden = hidden
        self.classCount = classCount
        self.seed = seed
    }

    /// The parameters of a network that was added to a graph.
    public struct Model: Sendable {
        /// The weights and biases of all layers, in order.
        public let parameters: [Variable]
        let layers: [(weights: Variable, biases: Variable)]

        /// Adds the layers and returns the logits, of shape `[rows, classes]`.
        /// - Parameter features: of shape `[rows, features]`.
        public func logits(_ features: Output) -> Output {
            let builder = features.builder
            var value = features
            for (index, layer) in layers.enumerated() {
                let product = builder.add("MatMul", [value, layer.weights.value])[0]
                value = builder.add("BiasAdd", [product, layer.biases.value])[0]
                if index < layers.count - 1 { value = builder.add("Relu", [value])[0] }
            }
            return value
        }
        /// Adds the loss: the mean of the softmax cross entropy over the rows.
        /// - Parameter labels: the classes, of shape `[rows]`.
        public func loss(_ logits: Output, labels: Output) -> Output {
            let builder = logits.builder
            let each = builder.add("SparseSoftmaxCrossEntropyWithLogits", [logits, labels])[0]
            return builder.add("Mean", [each, builder.constant(Tensor([Int32(0)]))], name: "loss")[0]
        }
        /// Adds the accuracy: the fraction of rows for which the class with the greatest logit is the label.
        public func accuracy(_ logits: Output, labels: Output) -> Output {
            let builder = logits.builder
            let best = builder.add("ArgMax", [logits, builder.scalar(1, .int32)], attributes: ["output_type": .type(.int32)])[0]
            let right = builder.add("Cast", [builder.add("Equal", [best, labels])[0]], attributes: ["DstT": .type(.float32)])[0]
            return builder.add("Mean", [right, builder.constant(Tensor([Int32(0)]))], name: "accuracy")[0]
        }
    }

    /// Declares the parameters in the builder's current scopes.
    public func build(_ builder: GraphBuilder) -> Model {
        let sizes = [inputCount] + hidden + [classCount]
        var layers: [(weights: Variable, biases: Variable)] = []
        for index in 0..<sizes.count - 1 {
            let name = index < hidden.count ? "hidden\(index + 1)" : "output"
            let layer = builder.nameScope(name) {
                (
                    weights: builder.variable("weights") {
                        builder.glorotUniform(Shape(sizes[index], sizes[index + 1]), seed: seed &* 1000 &+ index)
                    },
                    biases: builder.variable("biases") { builder.filled(Shape(sizes[index + 1]), with: 0) }
                )
            }
            layers.append(layer)
        }
        return Model(parameters: layers.flatMap { [$0.weights, $0.biases] }, layers: layers)
    }
}

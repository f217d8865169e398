public import WeirGraph
public import WeirTensor

/// A model: what it reads, its layers, its loss and its metrics. It knows nothing of devices, nor of how its work is split; a
/// `Strategy` decides that.
///
/// ```swift
/// struct Regression: Model {
///     let inputs = [ModelInput("x", .float32, [4]), ModelInput("y", .float32, [1])]
///     func predictions(_ inputs: ModelInputs) -> Output {
///         let w = inputs.builder.variable("w") { inputs.builder.glorotUniform([4, 1], seed: 1) }
///         return inputs["x"].matMul(w.value)
///     }
///     func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output {
///         predictions.squaredDifference(inputs["y"]).mean()
///     }
/// }
/// ```
/// Layers are name scopes: a strategy cuts the model between the scopes of the first level. A model is made of values that conform to `Layer`,
/// or declares its variables with `GraphBuilder.variable`; all on which the loss depends are trained, but for those that an update changes
/// (`ModelInputs.addUpdate`).
public protocol Model: Sendable {
    /// The tensors of a batch.
    var inputs: [ModelInput] { get }
    /// Adds the layers and returns the predictions, with one row for each row of the inputs.
    ///
    /// It is called a second time if a layer, such as `Dropout`, computes something else in inference than in training: the loss is that of
    /// the first call, the predictions and the metrics are those of the second. Such a model declares all variables through layers, or
    /// with `LayerContext.variable`; the second call finds those of the first.
    func predictions(_ inputs: ModelInputs) -> Output
    /// Adds the loss, a scalar. It must be the mean over the rows of the batch: strategies that split a batch take the mean of
    /// the parts' losses.
    func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output
    /// Adds scalars that are shown for held-out rows, by name; means over the rows as well.
    func metrics(_ predictions: Output, _ inputs: ModelInputs) -> [String: Output]
}

extension Model {
    /// No metrics.
    public func metrics(_ predictions: Output, _ inputs: ModelInputs) -> [String: Output] { [:] }
}

/// One tensor of a batch: the name under which a data set has it, and its rows' type and shape.
public struct ModelInput: Sendable {
    /// The name, which is also its placeholder's.
    public var name: String
    /// The element type.
    public var dtype: DType
    /// The shape of one row; the tensor has the rows as a dimension before.
    public var shape: [Int]
    /// Describes an input.
    public init(_ name: String, _ dtype: DType, _ shape: [Int] = []) {
        self.name = name
        self.dtype = dtype
        self.shape = shape
    }
}

/// The inputs of a model in a graph that is being built.
public struct ModelInputs: Sendable {
    /// The builder to which the model adds its nodes.
    public let builder: GraphBuilder
    private let outputs: [String: Output]
    private let pass: ModelPass

    init(_ builder: GraphBuilder, _ outputs: [String: Output], _ pass: ModelPass = ModelPass(.training)) {
        self.builder = builder
        self.outputs = outputs
        self.pass = pass
    }

    /// The context with which layers are added to the graph.
    /// - Parameters:
    ///   - seed: the seed of initial values. Each variable has a seed of its own that follows from it and the number of variables before.
    ///   - dtype: the element type of variables and activations.
    public func layers(seed: Int = 1, dtype: DType = .float32) -> LayerContext { LayerContext(builder, pass, seed: seed, dtype: dtype) }
    /// The context of a network whose first variable's seed has another number.
    func layers(seed: Int, dtype: DType = .float32, firstSeed: Int) -> LayerContext {
        LayerContext(builder, pass, seed: seed, dtype: dtype, drawn: firstSeed)
    }

    /// Registers an operation that runs with each training step beside the update of the trained variables, such as that of the
    /// moving averages of batch normalization. TensorFlow's collection `UPDATE_OPS`.
    ///
    /// ```swift
    /// let change = (average.read() - mean) * (1 - momentum)
    /// inputs.addUpdate(average.handle.assignSubVariable(change))
    /// ```
    /// It sees the batch of the step, and ends before the step does. Evaluations do not run it. If a client's graph has several copies
    /// of the model, as towers, micro-batches and pipelines are, only the first copy's runs. So it runs once in each step of a
    /// client, and variables have the same values in every run. A variable that it changes is not trained, and is not cut into parts.
    ///
    /// Records an error if the operation is of another graph.
    public func addUpdate(_ operation: Operation) { pass.addUpdate(operation, in: builder) }

    /// All outputs that have a name.
    var namedOutputs: [String: Output] { pass.outputs }

    /// Names an output besides the predictions, such as the code of an autoencoder. The loss and the metrics find it with `output`; the
    /// model's graph has it in `ModelGraph.outputs`, as it is in inference.
    ///
    /// Records an error if the name is taken.
    public func addOutput(_ name: String, _ output: Output) { pass.addOutput(name, output, in: builder) }

    /// The output that `predictions` gave this name. Records an error if there is none.
    public func output(_ name: String) -> Output {
        if let output = pass.outputs[name] { return output }
        builder.record(.invalidArgument("The model names the outputs \(pass.outputs.keys.sorted().joined(separator: ", ")), not '\(name)'"))
        return builder.placeholder(.float32, name: "failed")
    }

    /// The input of this name, of shape `[rows] + shape`. Records an error if the model declares none.
    public subscript(name: String) -> Output {
        if let output = outputs[name] { return output }
        builder.record(.invalidArgument("The model declares the inputs \(outputs.keys.sorted().joined(separator: ", ")), not '\(name)'"))
        return builder.placeholder(.float32, name: "failed")
    }
}

/// A model that predicts classes: its predictions are logits of shape `[rows, classes]`, its input `labels` has the classes.
public protocol Classifier: Model {}

extension Classifier {
    /// The mean of the softmax cross entropy over the rows.
    public func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output {
        predictions.sparseSoftmaxCrossEntropy(labels: inputs["labels"]).mean(axes: [0])
    }
    /// `accuracy`: the fraction of rows for which the class with the greatest logit is the label.
    public func metrics(_ predictions: Output, _ inputs: ModelInputs) -> [String: Output] {
        let best = predictions.argMax(axis: 1, outputType: .int32)
        return ["accuracy": best.equal(inputs["labels"]).cast(to: .float32).mean(axes: [0])]
    }
}

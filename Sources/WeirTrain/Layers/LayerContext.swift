public import WeirGraph
import WeirOps
public import WeirTensor

/// What a model's layers have in common while they are added to a graph: the builder, the element type, the seed, the mode; and what
/// they leave for the training: losses and updates.
///
/// `ModelInputs.layers(seed:dtype:)` returns that of a model. Only one thread at a time may use it.
public final class LayerContext {
    /// The builder to which layers add their nodes.
    public let builder: GraphBuilder
    /// The element type of variables and activations.
    public let dtype: DType
    private let pass: ModelPass
    private let seed: Int
    /// The number of seeds that were given out.
    private var drawn: Int

    /// A context for layers outside of a `Model`. Their `losses` and `updates` are then to be added by hand.
    public convenience init(_ builder: GraphBuilder, seed: Int = 1, dtype: DType = .float32, mode: LayerMode = .training) {
        self.init(builder, ModelPass(mode), seed: seed, dtype: dtype)
    }
    /// - Parameter drawn: the number of the first seed.
    init(_ builder: GraphBuilder, _ pass: ModelPass, seed: Int, dtype: DType, drawn: Int = 1) {
        self.builder = builder
        self.pass = pass
        self.seed = seed
        self.dtype = dtype
        self.drawn = drawn
    }

    /// Whether the graph is built for training. A model that asks is built twice, with the same variables: for the loss, and for
    /// predictions and metrics.
    public var isTraining: Bool {
        pass.dependsOnMode = true
        return pass.mode == .training
    }
    /// The scalars that layers added to the loss, such as those of regularizers.
    public var losses: [Output] { pass.losses }
    /// The operations that must run with each training step, such as updates of moving averages.
    public var updates: [Operation] { pass.updates }
    /// The variables that layers declared, in order.
    public var variables: [Variable] { pass.variables }

    /// Adds a scalar to the loss. It must not depend on the number of rows.
    public func addLoss(_ loss: Output) { pass.losses.append(loss) }
    /// Has an operation run with each training step.
    public func addUpdate(_ operation: Operation) { pass.addUpdate(operation, in: builder) }

    /// A seed that no other variable or layer of the context has: it follows from the context's seed and the number of seeds before.
    public func nextSeed() -> Int {
        defer { drawn += 1 }
        return seed &* 1000 &+ drawn
    }

    /// Declares a variable in the current name scope.
    ///
    /// For inference it is the variable that has the same place in training; so a layer declares the same variables, in the same order, in
    /// both modes. It is trained if the loss depends on it.
    /// - Parameter regularizer: what is added to the loss for the variable.
    public func variable(_ name: String, _ shape: Shape, _ initializer: Initializer, regularizer: Regularizer? = nil) -> Variable {
        let seed = initializer.isRandom ? nextSeed() : 0
        let (variable, isNew) = pass.variable(name, shape, in: builder) { [builder, dtype] in initializer(shape, seed: seed, dtype, in: builder) }
        if isNew, let regularizer { addLoss(builder.nameScope("\(name)_regularizer") { regularizer(variable.value) }) }
        return variable
    }

    /// Builds nodes in a name scope; in the current one if the name is empty.
    public func scope<R>(_ name: String, _ body: () -> R) -> R { name.isEmpty ? body() : builder.nameScope(name, body) }

    /// Records `invalidArgument` with the name of the layer in whose scope nodes are built now, and returns an output that stands for
    /// the one that cannot be built.
    public func failing(_ message: String) -> Output {
        builder.record(.invalidArgument("Layer '\(builder.scopeName)': \(message)"))
        return builder.placeholder(dtype, name: "failed")
    }
}

extension LayerContext {
    /// The size of an input's last dimension; nil, with an error, if it is not known or the input has too few dimensions.
    func features(of input: Output, leastRank: Int = 2) -> Int? {
        if let rank = input.shape.rank, rank >= leastRank, let size = input.shape[rank - 1], size > 0 { return size }
        _ = failing("expected an input of at least \(leastRank) dimensions, of which the last is known, found \(input.shape)")
        return nil
    }

    /// The sizes of all dimensions but the rows; nil, with an error, if one is not known or there are not `count`.
    func sizes(of input: Output, count: Int? = nil, _ expected: String) -> [Int]? {
        if let dimensions = input.shape.dimensions, !dimensions.isEmpty, count == nil || dimensions.count == (count ?? 0) + 1 {
            let known = dimensions.dropFirst().compactMap { $0 }
            if known.count == dimensions.count - 1 { return known }
        }
        _ = failing("expected an input of shape \(expected), all but the rows known, found \(input.shape)")
        return nil
    }

    /// Whether all of these sizes are at least 1 and their product fits; records an error if not.
    func areSizes(_ sizes: [Int], _ what: String) -> Bool {
        var product = 1
        for size in sizes {
            let (next, overflow) = product.multipliedReportingOverflow(by: size)
            guard size > 0, !overflow else {
                _ = failing("\(what): expected positive sizes whose product does not overflow, found \(sizes)")
                return false
            }
            product = next
        }
        return true
    }

    /// Applies a function of `[rows, features]` to the last dimension of an input of any rank.
    /// - Parameter count: the number of features that the function returns.
    func onRows(of input: Output, count: Int, _ function: (Output) -> Output) -> Output {
        guard let rank = input.shape.rank, rank > 2, let features = input.shape[rank - 1] else { return function(input) }
        let rows = function(input.reshaped(to: [-1, features]))
        let between = (1..<rank - 1).map { input.shape[$0] }
        let known = between.compactMap { $0 }
        if known.count == between.count { return rows.reshaped(to: [-1] + known + [count]) }
        let leading = input.shapeTensor().sliced(at: [0], size: [rank - 1])
        let result = rows.reshaped(to: builder.concatenated([leading, builder.constant(Tensor([Int32(clamping: count)]))], axis: 0))
        builder.refineShape(of: result, input.shape.dropLast().concatenating([count]))
        return result
    }
}

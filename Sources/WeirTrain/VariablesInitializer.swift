public import WeirCluster
public import WeirGraph
public import WeirTensor

/// The initializers of the variables of a builder, to run as one.
///
/// It adds no node. A session can run it as soon as its graph has the variables.
public struct VariablesInitializer: Fetchable {
    /// The initializers of the variables.
    public let operations: [Operation]

    /// No tensors.
    public var fetchNames: [String] { [] }
    /// The names of the initializers.
    public var targetNames: [String] { operations.map(\.name) }
    /// Returns nothing.
    public func value(from tensors: [Tensor]) {}
}

extension GraphBuilder {
    /// Initializes all variables declared with this builder so far, those of optimizers too. TensorFlow's
    /// `global_variables_initializer`.
    ///
    /// ```swift
    /// try await session.run(builder.initializer)
    /// ```
    public var initializer: VariablesInitializer { VariablesInitializer(operations: variables.map(\.initializer)) }
}

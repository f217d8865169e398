public import WeirGraph
import WeirOps
import WeirTensor

/// Makes one dimension of all dimensions but the rows. Keras's `Flatten`.
public struct Flatten: Layer {
    /// The layer's name scope.
    public var name: String
    /// Describes a layer.
    public init(name: String = "flatten") { self.name = name }

    /// Adds the layer. Records an error if a dimension is not known.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        guard let sizes = context.sizes(of: input, "[rows, …]"), context.areSizes(sizes, "dimensions") else { return input }
        return input.reshaped(to: [-1, sizes.reduce(1, *)])
    }
}

/// Gives each row another shape. Keras's `Reshape`.
public struct Reshape: Layer {
    /// The shape of a row; one dimension may be -1, which follows from the others.
    public var shape: [Int]
    /// The layer's name scope.
    public var name: String
    /// Describes a layer.
    public init(_ shape: [Int], name: String = "reshape") {
        self.shape = shape
        self.name = name
    }

    /// Adds the layer. Records an error if the shapes of a row do not have the same number of elements.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        let open = shape.indices.filter { shape[$0] == -1 }
        guard let sizes = context.sizes(of: input, "[rows, …]"), context.areSizes(sizes, "dimensions"),
            context.areSizes(shape.filter { $0 != -1 }, "the new dimensions")
        else { return input }
        let count = sizes.reduce(1, *), fixed = shape.reduce(1) { $1 == -1 ? $0 : $0 * $1 }
        guard open.count <= 1, open.isEmpty ? count == fixed : count % fixed == 0 else {
            return context.failing("a row of \(sizes), \(count) elements, cannot have the shape \(shape)")
        }
        return input.reshaped(to: [-1] + shape.map { $0 == -1 ? count / fixed : $0 })
    }
}

/// Exchanges the dimensions of each row. Keras's `Permute`.
public struct Permute: Layer {
    /// For each dimension of a row, the number of the input's dimension, counted from 1: `[2, 1]` exchanges two.
    public var order: [Int]
    /// The layer's name scope.
    public var name: String
    /// Describes a layer.
    public init(_ order: [Int], name: String = "permute") {
        self.order = order
        self.name = name
    }

    /// Adds the layer. Records an error if the order is not one of the input's dimensions.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        guard order.sorted() == Array(1..<order.count + 1), input.shape.rank == order.count + 1 else {
            return context.failing("the order must have each of the input's dimensions but the first once, found \(order) for \(input.shape)")
        }
        return input.transposed(permutation: [0] + order)
    }
}

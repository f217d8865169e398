public import WeirTensor

/// A tensor with its name: a feed, a fetch or a rendezvous key.
public struct NamedTensor: Sendable {
    /// The name of the tensor.
    public var name: String
    /// The tensor.
    public var tensor: Tensor
    /// Makes a named tensor.
    public init(_ name: String, _ tensor: Tensor) {
        self.name = name
        self.tensor = tensor
    }
}

extension NamedTensor: CustomStringConvertible {
    /// The name and the tensor.
    public var description: String { "\(name): \(tensor)" }
}

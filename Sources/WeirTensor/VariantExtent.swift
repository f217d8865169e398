/// How much lies in a variant. Whoever drops, copies or sends one goes through all of it, one call for each variant in a
/// variant, so that both are bounded.
public struct VariantExtent: Sendable, Equatable {
    /// How many variants, each in a tensor of the other, lie below this one.
    public var depth = 0
    /// The tensors in it and in what lies below it; one that is there in several places counts in each.
    public var tensorCount = 0

    /// As deep as variants may lie in a message.
    public static let maximumDepth = 32
    public static let maximumTensorCount = 1 << 27

    public init() {}
    /// That of a variant that holds these tensors.
    public init(of tensors: some Collection<Tensor>) {
        tensorCount = tensors.count
        for tensor in tensors where tensor.dtype == .variant {
            for case let value? in tensor.elements(Variant.self).lazy.map(\.value) {
                let extent = value.extent
                depth = max(depth, extent.depth + 1)
                tensorCount = min(tensorCount + extent.tensorCount, VariantExtent.maximumTensorCount + 1)
            }
        }
    }

    /// - Throws: `resourceExhausted` when that is more than a variant may hold.
    public func check() throws(Status) {
        guard depth <= VariantExtent.maximumDepth else {
            throw .resourceExhausted("Variants lie more than \(VariantExtent.maximumDepth) deep in each other")
        }
        guard tensorCount <= VariantExtent.maximumTensorCount else {
            throw .resourceExhausted("A variant holds more than \(VariantExtent.maximumTensorCount) tensors")
        }
    }
}

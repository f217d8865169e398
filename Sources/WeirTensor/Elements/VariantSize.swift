/// The nesting depth and the tensor count of a variant. To free, copy or send a variant, code visits everything in it and
/// recurses once for each level of nesting; therefore both are bounded.
public struct VariantSize: Sendable, Equatable {
    /// The number of levels of variants nested below this one; 0 when it holds no other variant.
    public var depth = 0
    /// The number of tensors in the variant and in those nested below. A tensor that occurs several times counts each time.
    public var tensorCount = 0

    /// The greatest `depth` that is allowed.
    public static let maximumDepth = 32
    /// The greatest `tensorCount` that is allowed.
    public static let maximumTensorCount = 1 << 27

    /// The extent of a value without tensors.
    public init() {}
    /// The extent of a variant that holds these tensors.
    public init(of tensors: some Collection<Tensor>) {
        tensorCount = tensors.count
        for tensor in tensors where tensor.dtype == .variant {
            for case let value? in tensor.elements(Variant.self).lazy.map(\.value) {
                let extent = value.extent
                // Clamped before the addition: a user's type may give any numbers.
                depth = max(depth, min(extent.depth, VariantSize.maximumDepth) + 1)
                let most = VariantSize.maximumTensorCount + 1
                tensorCount = min(min(tensorCount, most) + min(max(0, extent.tensorCount), most), most)
            }
        }
    }

    /// - Throws: `resourceExhausted` when `depth` or `tensorCount` is greater than allowed.
    public func check() throws(Status) {
        guard depth <= VariantSize.maximumDepth else {
            throw .resourceExhausted("Variants lie more than \(VariantSize.maximumDepth) deep in each other")
        }
        guard tensorCount <= VariantSize.maximumTensorCount else {
            throw .resourceExhausted("A variant holds more than \(VariantSize.maximumTensorCount) tensors")
        }
    }
}

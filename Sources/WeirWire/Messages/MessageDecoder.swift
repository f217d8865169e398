package import WeirTensor

/// Decodes TensorFlow's messages, and limits the memory that one message can take.
///
/// Messages come from peers and are not trusted. Every inconsistency is an `invalidArgument` status. No memory is allocated
/// beyond what the message itself fills, except for a bounded allowance.
///
/// The decoding methods are in extensions next to the types: `tensor`, `attribute`, `node`, `function`, `graph`. Use one
/// decoder for each message, because its parts share the allowance.
package struct MessageDecoder {
    /// The allowance in bytes. A tensor may be encoded as one value that repeats, so a message of a few bytes can describe
    /// gigabytes. This limits the sum over all such tensors of a message.
    package static let expansionLimit = 2 << 30
    /// The greatest nesting depth of variants in tensors. Protobuf's own depth limit does not apply to inner messages that are
    /// encoded as bytes.
    static let depthLimit = 32

    let variants: VariantDecoders
    /// Allocates the elements of tensors.
    let allocator: any Allocator
    private var expansionLeft = MessageDecoder.expansionLimit
    private var depth = 0

    package init(variants: VariantDecoders = .none, allocator: any Allocator = HostAllocator.shared) {
        self.variants = variants
        self.allocator = allocator
    }

    /// Subtracts memory that the message does not fill from the allowance.
    /// - Throws: `invalidArgument` when the allowance is used up.
    mutating func charge(_ dtype: DType, _ shape: Shape, beyond byteCount: Int) throws(Status) {
        let (size, overflow) = shape.elementCount.multipliedReportingOverflow(by: dtype.byteCount)
        guard !overflow, size - byteCount <= expansionLeft else {
            throw .invalidArgument(
                "A \(dtype) tensor of shape \(shape) is described by \(byteCount) bytes of values; a message may have "
                    + "\(MessageDecoder.expansionLimit) bytes of repeated values")
        }
        expansionLeft -= max(0, size - byteCount)
    }

    /// Decodes a value that may contain values of the same kind.
    /// - Throws: `invalidArgument` when the nesting is too deep.
    mutating func nested<T>(_ read: (inout MessageDecoder) throws(Status) -> T) throws(Status) -> T {
        guard depth < MessageDecoder.depthLimit else {
            throw .invalidArgument("Variants are nested more than \(MessageDecoder.depthLimit) deep")
        }
        depth += 1
        defer { depth -= 1 }
        return try read(&self)
    }
}

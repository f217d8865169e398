import WeirTensor

/// The parts of a `RecvTensorResponse` in its usual form, found without copying. In this form the elements are in
/// `tensor_content`, which is empty only when there are no elements.
///
/// Any other form (typed value fields, no content, transport options, unknown fields, malformed bytes) gives nil; then the
/// generated protobuf parser decodes the message.
struct ReceiveTensorFields {
    var isDead = false
    var sendStartMicros = 0
    var requiresAcknowledgement = false
    var dtype = DType.float32
    /// The dimensions as sent, not validated.
    var dimensions: [Int] = []
    /// The elements, in the memory of the message.
    var content = UnsafeRawBufferPointer(start: nil, count: 0)

    init?(_ bytes: UnsafeRawBufferPointer) {
        var cursor = RawCursor(bytes)
        var hasTensor = false
        while !cursor.isAtEnd {
            switch cursor.varint() {
            case 0x0A:
                guard !hasTensor, let tensor = cursor.prefixedSlice(), read(tensor: tensor) else { return nil }
                hasTensor = true
            case 0x10:
                guard let value = cursor.varint() else { return nil }
                isDead = value != 0
            case 0x18:
                guard let value = cursor.varint() else { return nil }
                sendStartMicros = Int(truncatingIfNeeded: value)
            case 0x28:
                guard let value = cursor.varint() else { return nil }
                requiresAcknowledgement = value != 0
            default: return nil
            }
        }
        guard hasTensor else { return nil }
    }

    private mutating func read(tensor bytes: UnsafeRawBufferPointer) -> Bool {
        var cursor = RawCursor(bytes)
        var hasType = false
        var hasShape = false
        var hasContent = false
        while !cursor.isAtEnd {
            switch cursor.varint() {
            case 0x08:
                guard let number = cursor.varint().flatMap({ UInt8(exactly: $0) }), let type = DType(rawValue: number)
                else { return false }
                dtype = type
                hasType = true
            case 0x12:
                guard !hasShape, let shape = cursor.prefixedSlice(), read(shape: shape) else { return false }
                hasShape = true
            case 0x22:
                guard let slice = cursor.prefixedSlice() else { return false }
                content = slice
                hasContent = true
            default: return false
            }
        }
        return hasType && hasContent && (!content.isEmpty || dimensions.contains(0))
    }

    private mutating func read(shape bytes: UnsafeRawBufferPointer) -> Bool {
        var cursor = RawCursor(bytes)
        while !cursor.isAtEnd {
            guard cursor.varint() == 0x12, let slice = cursor.prefixedSlice(), dimensions.count < Shape.maximumRank
            else { return false }
            // An empty dimension has size 0. A dimension with a name or other fields is left to the generated parser.
            var dimension = RawCursor(slice)
            if dimension.isAtEnd {
                dimensions.append(0)
                continue
            }
            guard dimension.varint() == 0x08, let size = dimension.varint(), dimension.isAtEnd else { return false }
            dimensions.append(Int(truncatingIfNeeded: size))
        }
        return true
    }
}

import WeirKernels
import WeirTensor

// The encoding of a list for transfers: TensorFlow's metadata (the indices of unwritten elements, the dtype, the maximum
// count, the element shape), and the tensors.

extension TensorList {
    var encoded: (metadata: [UInt8], tensors: [Tensor])? {
        var bytes: [UInt8] = []
        func put(_ value: UInt64) {
            var rest = value
            while rest >= 0x80 {
                bytes.append(UInt8(rest & 0x7F) | 0x80)
                rest >>= 7
            }
            bytes.append(UInt8(rest))
        }
        let missing = elements.indices.filter { elements[$0] == nil }
        put(UInt64(missing.count))
        for index in missing { put(UInt64(index)) }
        put(UInt64(elementDType.rawValue))
        put(UInt64(bitPattern: Int64(maximumCount)))
        // TensorShapeProto: dim = 2 { size = 1 }, unknown_rank = 3.
        if let dimensions = elementShape.dimensions {
            for dimension in dimensions {
                var size: [UInt8] = []
                if dimension != 0 {
                    swap(&bytes, &size)
                    put(1 << 3)
                    put(UInt64(bitPattern: Int64(dimension ?? -1)))
                    swap(&bytes, &size)
                }
                put(2 << 3 | 2)
                put(UInt64(size.count))
                bytes += size
            }
        } else {
            put(3 << 3)
            put(1)
        }
        return (bytes, elements.compactMap { $0 })
    }

    /// Decodes a list that came from a peer.
    /// - Throws: `dataLoss` when the metadata is malformed.
    init(_ opaque: OpaqueVariant) throws(Status) {
        var reader = MetadataReader(opaque.metadata)
        var missing: [Int] = []
        let missingCount = try reader.varint()
        // Each index takes at least one byte.
        guard missingCount <= UInt64(opaque.metadata.count) else { throw MetadataReader.malformed }
        for _ in 0..<Int(missingCount) {
            let index = try reader.varint()
            guard index <= UInt64(opaque.tensors.count) + missingCount, missing.last.map({ $0 < Int(index) }) ?? true
            else {
                throw MetadataReader.malformed
            }
            missing.append(Int(index))
        }
        guard let dtype = DType(rawValue: UInt8(clamping: try reader.varint())) else { throw MetadataReader.malformed }
        elementDType = dtype
        maximumCount = Int(truncatingIfNeeded: try reader.varint())
        elementShape = try reader.shape().validatedSize()
        var tensors = opaque.tensors[...]
        var next = missing[...]
        while !tensors.isEmpty || !next.isEmpty {
            if next.first == elements.count {
                next.removeFirst()
                elements.append(nil)
            } else {
                guard let tensor = tensors.popFirst(), tensor.dtype == dtype, elementShape.isCompatible(with: tensor.shape)
                else { throw MetadataReader.malformed }
                elements.append(tensor)
            }
        }
    }
}

/// Reads varints and then a `TensorShapeProto` from the metadata of a list.
private struct MetadataReader {
    static let malformed = Status.dataLoss("The metadata of a tensorflow::TensorList is malformed")

    private var bytes: ArraySlice<UInt8>
    init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

    mutating func varint() throws(Status) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 7) {
            guard let byte = bytes.popFirst() else { throw MetadataReader.malformed }
            value |= UInt64(byte & 0x7F) << UInt64(shift)
            if byte < 0x80 { return value }
        }
        throw MetadataReader.malformed
    }

    mutating func shape() throws(Status) -> PartialShape {
        var dimensions: [Int?] = []
        var isUnknown = false
        while !bytes.isEmpty {
            switch try varint() {
            case 2 << 3 | 2: dimensions.append(try dimension())
            case 3 << 3: isUnknown = try varint() != 0
            default: throw MetadataReader.malformed
            }
        }
        guard dimensions.count <= Shape.maximumRank else { throw MetadataReader.malformed }
        return isUnknown ? .unknown : PartialShape(dimensions)
    }
    private mutating func dimension() throws(Status) -> Int? {
        let count = try varint()
        guard count <= UInt64(bytes.count) else { throw MetadataReader.malformed }
        var inner = MetadataReader(Array(bytes.prefix(Int(count))))
        bytes = bytes.dropFirst(Int(count))
        var size = 0
        while !inner.bytes.isEmpty {
            switch try inner.varint() {
            case 1 << 3: size = Int(truncatingIfNeeded: try inner.varint())
            case 2 << 3 | 2:
                let length = try inner.varint()
                guard length <= UInt64(inner.bytes.count) else { throw MetadataReader.malformed }
                inner.bytes = inner.bytes.dropFirst(Int(length))
            default: throw MetadataReader.malformed
            }
        }
        return size < 0 ? nil : size
    }
}

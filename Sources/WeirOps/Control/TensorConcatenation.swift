import WeirKernels
import WeirTensor

/// Assembles a tensor from parts, as in concat and stack. A missing part is zeros.
enum TensorConcatenation {
    /// Copies `parts` one after another into `target`. A nil part at index i is `missing(i)` zeros.
    /// - Throws: `invalidArgument` when a part has another dtype, or the elements do not add up to those of `target`.
    static func fill(_ target: Tensor, with parts: [Tensor?], missing: (Int) -> Int) throws(Status) {
        var left = target.elementCount
        for (index, part) in parts.enumerated() {
            guard part.map({ $0.dtype == target.dtype }) ?? true else {
                throw .invalidArgument("Element \(index) is of type \(part?.dtype ?? target.dtype), expected \(target.dtype)")
            }
            left -= part?.elementCount ?? missing(index)
            guard left >= 0 else { break }
        }
        guard left == 0 else {
            throw .invalidArgument("The \(parts.count) elements do not make up a tensor of shape \(target.shape)")
        }
        if let memory = target.deviceMemory {
            var address = target.deviceAddress
            return try memory.copy(
                parts.enumerated().map { index, part in
                    let count = (part?.elementCount ?? missing(index)) * target.dtype.byteCount
                    defer { address += UInt64(count) }
                    return DeviceCopy(from: part?.deviceAddress, to: address, count)
                })
        }
        switch target.dtype {
        case .string: move(ByteString.self, target, parts, missing)
        case .resource: move(ResourceHandle.self, target, parts, missing)
        case .variant: move(Variant.self, target, parts, missing)
        default:
            let bytes = target.mutableBytes
            let size = target.dtype.byteCount
            var offset = 0
            for (index, part) in parts.enumerated() {
                let count = (part?.elementCount ?? missing(index)) * size
                guard count > 0 else { continue }
                let slice = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + count])
                if let part {
                    slice.copyMemory(from: part.bytes)
                } else {
                    slice.initializeMemory(as: UInt8.self, repeating: 0)
                }
                offset += count
            }
        }
    }
    // New memory for objects holds empty objects, which are their zeros.
    private static func move<E>(_ type: E.Type, _ target: Tensor, _ parts: [Tensor?], _ missing: (Int) -> Int) {
        let sink = target.mutableElements(E.self)
        var offset = 0
        for (index, part) in parts.enumerated() {
            guard let part else {
                offset += missing(index)
                continue
            }
            for element in part.elements(E.self) {
                sink[offset] = element
                offset += 1
            }
        }
    }
}

package import WeirTensor

/// Sums of whole tensors of one shape, for gradient accumulation.
package enum TensorAddition {
    /// Writes the elementwise sum of `a` and `b` to `sum`, which may be either of them.
    /// - Throws: `invalidArgument` when the dtype has no addition.
    package static func add(_ a: Tensor, _ b: Tensor, into sum: Tensor) throws(Status) {
        if let memory = sum.deviceMemory { return try memory.add(a, b, into: sum) }
        switch a.dtype {
        case .float32: loop(Float.self, a, b, sum)
        case .float64: loop(Double.self, a, b, sum)
        case .float16: loop(Float16.self, a, b, sum)
        case .bfloat16: loop(BFloat16.self, a, b, sum)
        case .complex64: loop(Complex64.self, a, b, sum)
        case .complex128: loop(Complex128.self, a, b, sum)
        case .int8, .uint8: loop(UInt8.self, a, b, sum)
        case .int16, .uint16: loop(UInt16.self, a, b, sum)
        case .int32, .uint32: loop(UInt32.self, a, b, sum)
        case .int64, .uint64: loop(UInt64.self, a, b, sum)
        case .variant:
            let (left, right, sums) = (
                a.elements(Variant.self), b.elements(Variant.self), sum.mutableElements(Variant.self)
            )
            for index in sums.indices { sums[index] = try left[index].adding(right[index]) }
        default: throw .invalidArgument("tensor_array::AddToTensor type not supported: \(a.dtype)")
        }
    }

    /// Returns the sum in a new tensor, in the memory of a device if `a` is.
    package static func sum(_ a: Tensor, _ b: Tensor) throws(Status) -> Tensor {
        let sum = try Tensor(a.dtype, a.shape, in: a.deviceMemory ?? HostAllocator.shared)
        try add(a, b, into: sum)
        return sum
    }

    // Signed and unsigned integers wrap alike, so they share a loop.
    private static func loop<E: NumericElement>(_ type: E.Type, _ a: Tensor, _ b: Tensor, _ sum: Tensor) {
        let (left, right, sums) = (a.elements(E.self), b.elements(E.self), sum.mutableElements(E.self))
        for index in 0..<sums.count { sums[index] = E.plus(left[index], right[index]) }
    }
}

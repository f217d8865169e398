package import WeirDevice

/// Divisions by sizes that the host knows: kernels divide numbers below 2³¹ by a multiplication.
package enum CUDADivision {
    /// `Divisor`, and `divide` for 32-bit numbers below 2³¹ and for 64-bit ones.
    package static let source = """
        struct Divisor { int64 size; uint32 multiplier, shift; };
        DEVICE uint32 divide(uint32 n, const Divisor& by) {
            return by.multiplier == 0 ? n : (uint32)((uint64)n * by.multiplier >> 32) >> by.shift;
        }
        DEVICE uint64 divide(uint64 n, const Divisor& by) { return n / (uint64)by.size; }

        """

    /// The structure `Divisor`: the quotient of n is n times the multiplier, shifted right by 32 and by the shift.
    package static func words(_ size: Int) -> [Int] {
        guard size > 1, size < 1 << 31 else { return [size, 0] }
        let bits = Int.bitWidth - (size - 1).leadingZeroBitCount
        let multiplier = (((1 as UInt64) << UInt64(31 + bits)) + UInt64(size - 1)) / UInt64(size)
        return [size, Int(multiplier) | (bits - 1) << 32]
    }
}

extension CUDAArgument {
    /// The structure `Divisor` for a size.
    package static func divisor(_ size: Int) -> CUDAArgument { .ints(CUDADivision.words(size)) }
}

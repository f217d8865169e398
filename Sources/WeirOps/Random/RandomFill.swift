import WeirKernels

/// Functions that fill memory with random numbers. For the same generator, each number equals that of TensorFlow's CPU kernels.
enum RandomFill {
    /// Fills `out` with elements of the distribution, from `generator` on.
    ///
    /// To fill a tensor in parts, for example on several threads, cut it at multiples of `D.Group.scalarCount` elements. Pass for
    /// each part the number of its first group. The result does not depend on the cuts.
    static func fill<D: PhiloxDistribution>(
        _ out: UnsafeMutableBufferPointer<D.Group.Scalar>, from generator: Philox, firstGroup: Int = 0,
        with distribution: D
    ) {
        let width = D.Group.scalarCount
        let fullGroups = out.count / width
        var place = generator
        place.skip(UInt64(firstGroup) &* D.samplesPerGroup)
        guard let base = out.baseAddress else { return }
        for index in 0..<fullGroups {
            let group = distribution.group(place)
            UnsafeMutableRawPointer(base + index * width).storeBytes(of: group, as: D.Group.self)
            place.skip(D.samplesPerGroup)
        }
        let rest = out.count - fullGroups * width
        guard rest > 0 else { return }
        let group = distribution.group(place)
        for index in 0..<rest {
            out[fullGroups * width + index] = group[index]
        }
    }

    // MARK: - Uniform numbers in [0, 1)

    static func uniform(_ out: UnsafeMutableBufferPointer<Float>, from generator: Philox) {
        fill(out, from: generator, with: UniformFloat())
    }

    static func uniform(_ out: UnsafeMutableBufferPointer<Double>, from generator: Philox) {
        fill(out, from: generator, with: UniformDouble())
    }

    static func uniform(_ out: UnsafeMutableBufferPointer<Float16>, from generator: Philox) {
        fill(out, from: generator, with: UniformHalf())
    }

    static func uniformBFloat16(_ out: UnsafeMutableBufferPointer<UInt16>, from generator: Philox) {
        fill(out, from: generator, with: UniformBFloat16())
    }

    // MARK: - Uniform integers

    /// - Precondition: the range is not empty.
    static func uniform(
        _ out: UnsafeMutableBufferPointer<Int32>, in range: Range<Int32>, from generator: Philox
    ) {
        fill(out, from: generator, with: UniformInt32(range.lowerBound, range.upperBound))
    }

    /// - Precondition: the range is not empty.
    static func uniform(
        _ out: UnsafeMutableBufferPointer<Int64>, in range: Range<Int64>, from generator: Philox
    ) {
        fill(out, from: generator, with: UniformInt64(range.lowerBound, range.upperBound))
    }

    static func bits(_ out: UnsafeMutableBufferPointer<UInt32>, from generator: Philox) {
        fill(out, from: generator, with: UniformFullUInt32())
    }

    static func bits(_ out: UnsafeMutableBufferPointer<UInt64>, from generator: Philox) {
        fill(out, from: generator, with: UniformFullUInt64())
    }

    // MARK: - Normal numbers

    static func normal(_ out: UnsafeMutableBufferPointer<Float>, from generator: Philox) {
        fill(out, from: generator, with: NormalFloat())
    }

    static func normal(_ out: UnsafeMutableBufferPointer<Double>, from generator: Philox) {
        fill(out, from: generator, with: NormalDouble())
    }

    static func normal(_ out: UnsafeMutableBufferPointer<Float16>, from generator: Philox) {
        fill(out, from: generator, with: NormalHalf())
    }

    static func normalBFloat16(_ out: UnsafeMutableBufferPointer<UInt16>, from generator: Philox) {
        fill(out, from: generator, with: NormalBFloat16())
    }

    // MARK: - Normal numbers within two standard deviations

    static func truncatedNormal(_ out: UnsafeMutableBufferPointer<Float>, from generator: Philox) {
        fill(out, from: generator, with: TruncatedNormalFloat())
    }

    static func truncatedNormal(_ out: UnsafeMutableBufferPointer<Double>, from generator: Philox) {
        fill(out, from: generator, with: TruncatedNormalDouble())
    }

    static func truncatedNormal(_ out: UnsafeMutableBufferPointer<Float16>, from generator: Philox) {
        fill(out, from: generator, with: TruncatedNormalHalf())
    }

    static func truncatedNormalBFloat16(_ out: UnsafeMutableBufferPointer<UInt16>, from generator: Philox) {
        fill(out, from: generator, with: TruncatedNormalBFloat16())
    }
}

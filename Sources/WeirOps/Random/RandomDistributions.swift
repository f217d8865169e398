import Glibc
import WeirKernels

/// A distribution that turns words of Philox into elements of a tensor, one group of elements at a time.
///
/// The tensor is filled group after group; the elements of the last group that do not fit are dropped. The generator of group `g`
/// skips `g * samplesPerGroup` samples, however many the earlier groups consume.
protocol PhiloxDistribution: Sendable {
    associatedtype Group: SIMD where Group.Scalar: Sendable

    /// The number of samples of 128 bits from the beginning of a group to the beginning of the next.
    static var samplesPerGroup: UInt64 { get }

    /// Returns the group at the generator's position.
    func group(_ generator: Philox) -> Group
}

extension PhiloxDistribution {
    static var samplesPerGroup: UInt64 { 1 }
}

// MARK: - Uniform numbers in [0, 1)

struct UniformFloat: PhiloxDistribution {
    @inline(__always)
    func group(_ generator: Philox) -> SIMD4<Float> {
        var generator = generator
        let words = generator.next() & 0x7F_FFFF | 0x3F80_0000
        return unsafeBitCast(words, to: SIMD4<Float>.self) - 1
    }
}

struct UniformDouble: PhiloxDistribution {
    @inline(__always)
    func group(_ generator: Philox) -> SIMD2<Double> {
        var generator = generator
        let words = generator.next()
        return SIMD2(UnitInterval.double(words[0], words[1]), UnitInterval.double(words[2], words[3]))
    }
}

struct UniformHalf: PhiloxDistribution {
    @inline(__always)
    func group(_ generator: Philox) -> SIMD4<Float16> {
        var generator = generator
        let bits = SIMD4<UInt16>(truncatingIfNeeded: generator.next()) & 0x3FF | 0x3C00
        return unsafeBitCast(bits, to: SIMD4<Float16>.self) - 1
    }
}

/// Like `UniformFloat`, for bfloat16. The elements are bit patterns.
struct UniformBFloat16: PhiloxDistribution {
    @inline(__always)
    func group(_ generator: Philox) -> SIMD4<UInt16> {
        var generator = generator
        let words = (generator.next() & 0x7F | 0x3F80) &<< 16
        // The subtraction is exact, because there are only seven random bits. So the lower half of the float is zero.
        let floats = unsafeBitCast(words, to: SIMD4<Float>.self) - 1
        return SIMD4(truncatingIfNeeded: unsafeBitCast(floats, to: SIMD4<UInt32>.self) &>> 16)
    }
}

// MARK: - Uniform integers

/// Integers in [low, high), by remainder. As in TensorFlow, they are slightly uneven if the range does not divide 2^32.
struct UniformInt32: PhiloxDistribution {
    private let low: UInt32
    private let range: UInt32

    /// - Precondition: `low < high`.
    init(_ low: Int32, _ high: Int32) {
        precondition(low < high, "an empty range has no random numbers")
        self.low = UInt32(bitPattern: low)
        self.range = UInt32(bitPattern: high) &- UInt32(bitPattern: low)
    }

    @inline(__always)
    func group(_ generator: Philox) -> SIMD4<Int32> {
        var generator = generator
        return SIMD4(truncatingIfNeeded: generator.next() % range &+ low)
    }
}

/// Integers in [low, high), by remainder of 64 bits.
struct UniformInt64: PhiloxDistribution {
    private let low: UInt64
    private let range: UInt64

    /// - Precondition: `low < high`.
    init(_ low: Int64, _ high: Int64) {
        precondition(low < high, "an empty range has no random numbers")
        self.low = UInt64(bitPattern: low)
        self.range = UInt64(bitPattern: high) &- UInt64(bitPattern: low)
    }

    @inline(__always)
    func group(_ generator: Philox) -> SIMD2<Int64> {
        SIMD2(truncatingIfNeeded: UniformFullUInt64().group(generator) % range &+ low)
    }
}

/// Integers of 32 random bits.
struct UniformFullUInt32: PhiloxDistribution {
    @inline(__always)
    func group(_ generator: Philox) -> SIMD4<UInt32> {
        var generator = generator
        return generator.next()
    }
}

/// Integers of 64 random bits.
struct UniformFullUInt64: PhiloxDistribution {
    @inline(__always)
    func group(_ generator: Philox) -> SIMD2<UInt64> {
        var generator = generator
        let words = generator.next()
        return SIMD2(Philox.join(words[0], words[1]), Philox.join(words[2], words[3]))
    }
}

// MARK: - Normal numbers

struct NormalFloat: PhiloxDistribution {
    @inline(__always)
    func group(_ generator: Philox) -> SIMD4<Float> {
        var generator = generator
        let words = generator.next()
        let first = BoxMuller.floats(words[0], words[1])
        let second = BoxMuller.floats(words[2], words[3])
        return SIMD4(lowHalf: first, highHalf: second)
    }
}

struct NormalDouble: PhiloxDistribution {
    @inline(__always)
    func group(_ generator: Philox) -> SIMD2<Double> {
        var generator = generator
        return BoxMuller.doubles(generator.next())
    }
}

/// The numbers of `NormalFloat`, rounded.
struct NormalHalf: PhiloxDistribution {
    @inline(__always)
    func group(_ generator: Philox) -> SIMD4<Float16> {
        SIMD4(NormalFloat().group(generator))
    }
}

/// The numbers of `NormalFloat`, rounded. The elements are bit patterns.
struct NormalBFloat16: PhiloxDistribution {
    @inline(__always)
    func group(_ generator: Philox) -> SIMD4<UInt16> {
        BFloat16Rounding.bits(NormalFloat().group(generator))
    }
}

// MARK: - Normal numbers within two standard deviations

/// Normal numbers with a magnitude below two. Others are dropped and drawn again, so the number of words that a group takes is
/// not known in advance. Each group owns 256 words per element, far more than it ever needs.
struct TruncatedNormalFloat: PhiloxDistribution {
    static let samplesPerGroup: UInt64 = 256

    @inline(__always)
    func group(_ generator: Philox) -> SIMD4<Float> {
        var words = PhiloxWords(generator)
        var result = SIMD4<Float>()
        var count = 0
        while true {
            let first = words.next()
            let pair = BoxMuller.floats(first, words.next())
            for index in 0..<2 where abs(pair[index]) < 2 {
                result[count] = pair[index]
                count += 1
                if count == 4 { return result }
            }
        }
    }
}

struct TruncatedNormalDouble: PhiloxDistribution {
    static let samplesPerGroup: UInt64 = 128

    @inline(__always)
    func group(_ generator: Philox) -> SIMD2<Double> {
        var generator = generator
        var result = SIMD2<Double>()
        var count = 0
        while true {
            let pair = BoxMuller.doubles(generator.next())
            for index in 0..<2 where abs(pair[index]) < 2 {
                result[count] = pair[index]
                count += 1
                if count == 2 { return result }
            }
        }
    }
}

/// The numbers of `TruncatedNormalFloat`, rounded. So the magnitude two can occur.
struct TruncatedNormalHalf: PhiloxDistribution {
    static let samplesPerGroup: UInt64 = 256

    @inline(__always)
    func group(_ generator: Philox) -> SIMD4<Float16> {
        SIMD4(TruncatedNormalFloat().group(generator))
    }
}

/// The numbers of `TruncatedNormalFloat`, rounded. The elements are bit patterns.
struct TruncatedNormalBFloat16: PhiloxDistribution {
    static let samplesPerGroup: UInt64 = 256

    @inline(__always)
    func group(_ generator: Philox) -> SIMD4<UInt16> {
        BFloat16Rounding.bits(TruncatedNormalFloat().group(generator))
    }
}

// MARK: - Building blocks

/// The Box-Muller transform of two uniform numbers into two independent normal numbers: sine and cosine of a random angle, times
/// a random radius.
///
/// The results equal TensorFlow's to the last bit, because both call the C library and round at the same places. TensorFlow calls
/// `sincos`, whose results are those of glibc's `sin` and `cos`. The float version computes its angle in double and rounds it.
enum BoxMuller {
    @inline(__always)
    static func floats(_ word0: UInt32, _ word1: UInt32) -> SIMD2<Float> {
        // The bound avoids the logarithm of zero, which is not finite.
        let uniform = max(UnitInterval.float(word0), 1.0e-7)
        let angle = Float(2 * Double.pi * Double(UnitInterval.float(word1)))
        let radius = (-2 * logf(uniform)).squareRoot()
        return SIMD2(sinf(angle), cosf(angle)) * radius
    }

    @inline(__always)
    static func doubles(_ words: SIMD4<UInt32>) -> SIMD2<Double> {
        let uniform = max(UnitInterval.double(words[0], words[1]), 1.0e-7)
        let angle = 2 * Double.pi * UnitInterval.double(words[2], words[3])
        let radius = (-2 * log(uniform)).squareRoot()
        return SIMD2(sin(angle), cos(angle)) * radius
    }
}

/// The rounding of float to bfloat16: to nearest, ties to even. For finite numbers only.
enum BFloat16Rounding {
    @inline(__always)
    static func bits(_ values: SIMD4<Float>) -> SIMD4<UInt16> {
        let bits = unsafeBitCast(values, to: SIMD4<UInt32>.self)
        return SIMD4(truncatingIfNeeded: (bits &+ (0x7FFF &+ (bits &>> 16 & 1))) &>> 16)
    }
}

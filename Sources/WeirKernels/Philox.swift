/// The counter-based generator Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC
/// 2011), seeded as in TensorFlow.
///
/// A value of this type is a position in a stream of 128-bit samples. The stream is a pure function of key and counter. A copy
/// that skips `n` samples continues exactly as the original does after `n` calls. So several threads can fill one tensor with
/// the same numbers as one thread.
@usableFromInline package struct Philox: Sendable, Equatable {
    /// Words 0 and 1 of the counter, word 0 in the low half.
    @usableFromInline package private(set) var counterLow: UInt64
    /// Words 2 and 3 of the counter, word 2 in the low half.
    @usableFromInline package private(set) var counterHigh: UInt64
    /// Words 0 and 1 of the key, word 0 in the low half.
    @usableFromInline package let key: UInt64

    /// Creates a generator at an explicit position, which the `V2` ops receive as tensors.
    @inlinable package init(key: UInt64, counterLow: UInt64, counterHigh: UInt64) {
        self.key = key
        self.counterLow = counterLow
        self.counterHigh = counterHigh
    }

    /// Creates the generator of a stateful op with the attributes `seed` and `seed2`. `seed` is the key; `seed2` selects one of
    /// 2^64 streams.
    @inlinable package init(seed: Int64, seed2: Int64) {
        self.init(
            key: UInt64(bitPattern: seed), counterLow: 0, counterHigh: UInt64(bitPattern: seed2))
    }

    /// Creates the generator of a stateless op from the two values of its `seed` input.
    ///
    /// The seeds are first scrambled by one Philox call with a fixed key, so that streams differ whichever seed bits the caller
    /// varies. Half of the result becomes the key, half the upper counter.
    @inlinable package init(statelessSeed first: UInt64, _ second: UInt64) {
        var scrambler = Philox(key: 0x0246_1e29_3ec8_f720, counterLow: first, counterHigh: second)
        let mixed = scrambler.next()
        self.init(
            key: Philox.join(mixed[0], mixed[1]), counterLow: 0, counterHigh: Philox.join(mixed[2], mixed[3]))
    }

    /// Advances by `count` samples of 128 bits without computing them.
    @inline(__always)
    @inlinable package mutating func skip(_ count: UInt64) {
        let (low, carry) = counterLow.addingReportingOverflow(count)
        counterLow = low
        if carry { counterHigh &+= 1 }
    }

    /// Returns the next 128 bits of the stream as four words.
    @inline(__always)
    @inlinable package mutating func next() -> SIMD4<UInt32> {
        var word0 = UInt32(truncatingIfNeeded: counterLow)
        var word1 = UInt32(truncatingIfNeeded: counterLow >> 32)
        var word2 = UInt32(truncatingIfNeeded: counterHigh)
        var word3 = UInt32(truncatingIfNeeded: counterHigh >> 32)
        var key0 = UInt32(truncatingIfNeeded: key)
        var key1 = UInt32(truncatingIfNeeded: key >> 32)
        for _ in 0..<10 {
            let product0 = UInt64(word0) &* 0xD251_1F53
            let product1 = UInt64(word2) &* 0xCD9E_8D57
            word0 = UInt32(truncatingIfNeeded: product1 >> 32) ^ word1 ^ key0
            word1 = UInt32(truncatingIfNeeded: product1)
            word2 = UInt32(truncatingIfNeeded: product0 >> 32) ^ word3 ^ key1
            word3 = UInt32(truncatingIfNeeded: product0)
            key0 &+= 0x9E37_79B9
            key1 &+= 0xBB67_AE85
        }
        skip(1)
        return SIMD4(word0, word1, word2, word3)
    }

    /// Joins two words, the first in the low half.
    @inline(__always)
    @inlinable package static func join(_ low: UInt32, _ high: UInt32) -> UInt64 {
        UInt64(low) | UInt64(high) << 32
    }
}

/// A generator read one 32-bit word at a time, for callers that do not know how many words they need.
@usableFromInline package struct PhiloxWords: Sendable {
    @usableFromInline var generator: Philox
    @usableFromInline var words = SIMD4<UInt32>()
    @usableFromInline var used = 4

    @inlinable package init(_ generator: Philox) {
        self.generator = generator
    }

    @inline(__always)
    @inlinable package mutating func next() -> UInt32 {
        if used == 4 {
            words = generator.next()
            used = 0
        }
        defer { used += 1 }
        return words[used]
    }

    /// Returns a number in [0, 1) with 52 random bits. Uses two words.
    @inline(__always)
    @inlinable package mutating func nextDouble() -> Double {
        let high = next()
        let low = next()
        return UnitInterval.double(high, low)
    }
}

/// Conversions of random bits to [0, 1): the bits become the fraction of a number in [1, 2), less 1.
@usableFromInline package enum UnitInterval {
    @inline(__always)
    @inlinable package static func float(_ word: UInt32) -> Float {
        Float(bitPattern: word & 0x7F_FFFF | 0x3F80_0000) - 1
    }

    @inline(__always)
    @inlinable package static func double(_ high: UInt32, _ low: UInt32) -> Double {
        Double(bitPattern: Philox.join(low, high) & 0xF_FFFF_FFFF_FFFF | 0x3FF0_0000_0000_0000) - 1
    }
}

import Testing

import WeirKernels
@testable import WeirMathOps
import WeirOps

// Every expected number here was printed by TensorFlow 2.21 on a CPU: the raw op named in the test, with
// seed=87654321 and seed2=42 unless the test says otherwise, run twice in one session.

/// What a stateful op with the seeds of these tests gives for a tensor of `count` elements in its first and second run.
private func twoRuns<T>(
    _ count: Int, _ zero: T, _ fill: (UnsafeMutableBufferPointer<T>, Philox) -> Void
) -> [[T]] {
    let state = GuardedPhilox(seed: 87_654_321, seed2: 42)
    return (0..<2).map { _ in elements(count, zero) { fill($0, state.reserve(elements: count)) } }
}

private func elements<T>(_ count: Int, _ zero: T, _ fill: (UnsafeMutableBufferPointer<T>) -> Void) -> [T] {
    var values = [T](repeating: zero, count: count)
    values.withUnsafeMutableBufferPointer { fill($0) }
    return values
}

/// FNV-1a over the bytes: one number that stands for a whole tensor.
private func checksum<T>(_ values: [T]) -> UInt64 {
    values.withUnsafeBytes { bytes in
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}

@Suite struct PhiloxTests {
    @Test func `skipping equals calling and carries through the whole counter`() {
        var called = Philox(key: 5, counterLow: .max - 1, counterHigh: .max)
        var skipped = called
        for _ in 0..<3 { _ = called.next() }
        skipped.skip(3)
        #expect(called == skipped)
        #expect(skipped == Philox(key: 5, counterLow: 1, counterHigh: 0))
    }

    @Test func `StatelessRandomUniformFullIntV2 runs over the end of the counter as TensorFlow does`() {
        let generator = Philox(key: 5, counterLow: .max - 1, counterHigh: .max)
        let values = elements(9, UInt64(0)) { RandomFill.bits($0, from: generator) }
        #expect(
            values[3..<8] == [
                0xE3D2_75D2_368F_F756, 0x11D8_5194_C417_681D, 0xF739_E278_FBD6_2C3B, 0x27FA_600A_58E3_7BC0,
                0x1E94_611D_930E_368E,
            ])
    }

    @Test func `the seeds 1 and -2 of a stateless op give TensorFlow's key and counter`() {
        let generator = Philox(statelessSeed: 1, UInt64(bitPattern: -2))
        #expect(
            generator
                == Philox(
                    key: 0x58DC_D6B2_C524_FE74, counterLow: 0, counterHigh: 0x13E1_40C5_50FB_8D48))
        let words = elements(5, UInt32(0)) { RandomFill.bits($0, from: generator) }
        #expect(words == [0x145F_B3FE, 0x9A60_D91C, 0xD8EB_F198, 0x4B1F_6244, 0x76DA_B91C])
        let floats = elements(5, Float(0)) { RandomFill.uniform($0, from: generator) }
        #expect(floats.map(\.bitPattern) == [0x3F3F_67FC, 0x3F41_B238, 0x3F57_E330, 0x3E7B_1220, 0x3F35_7238])
    }

    @Test func `two kernels without seeds draw different numbers`() {
        let first = GuardedPhilox(seed: 0, seed2: 0).reserve(elements: 1)
        let second = GuardedPhilox(seed: 0, seed2: 0).reserve(elements: 1)
        #expect(first != second)
    }

    @Test func `a tensor filled in parts equals a tensor filled at once`() {
        let generator = Philox(seed: 3, seed2: 4)
        let whole = elements(11, Float(0)) { RandomFill.truncatedNormal($0, from: generator) }
        let parts = elements(11, Float(0)) { out in
            let tail = UnsafeMutableBufferPointer(rebasing: out[8...])
            RandomFill.fill(tail, from: generator, firstGroup: 2, with: TruncatedNormalFloat())
            let head = UnsafeMutableBufferPointer(rebasing: out[..<8])
            RandomFill.fill(head, from: generator, with: TruncatedNormalFloat())
        }
        #expect(whole == parts)
    }
}

@Suite struct UniformNumberTests {
    @Test func `RandomUniform of float gives TensorFlow's bits in both runs`() {
        let short = twoRuns(5, Float(0)) { RandomFill.uniform($0, from: $1) }
        #expect(short[0].map(\.bitPattern) == [0x3F73_C810, 0x3F2D_6A98, 0x3F4B_99FA, 0x3F41_7AEA, 0x3EF3_B074])
        #expect(short[1].map(\.bitPattern) == [0x3F50_0FE0, 0x3F18_F4EE, 0x3F4B_D050, 0x3F13_7534, 0x3E0D_35B0])
        let long = twoRuns(1003, Float(0)) { RandomFill.uniform($0, from: $1) }
        #expect(long.map(checksum) == [0x3D93_F5E5_899B_7009, 0xBD8C_5BBC_399D_0A6F])
    }

    @Test func `RandomUniform of double gives TensorFlow's bits in both runs`() {
        let short = twoRuns(5, 0.0) { RandomFill.uniform($0, from: $1) }
        #expect(
            short[0].map(\.bitPattern) == [
                0x3FE3_C811_ECAD_6A98, 0x3FD7_33F4_3B82_F5D4, 0x3FE9_D83B_EEA1_8A30, 0x3FDF_3E10_D23A_868C,
                0x3FE6_12A2_72B9_2C7C,
            ])
        let long = twoRuns(1003, 0.0) { RandomFill.uniform($0, from: $1) }
        #expect(long.map(checksum) == [0x0FA9_4FDE_625F_B783, 0xD3BC_B8E7_302C_1AE7])
    }

    @Test func `RandomUniform of half gives TensorFlow's bits in both runs`() {
        let short = twoRuns(5, Float16(0)) { RandomFill.uniform($0, from: $1) }
        #expect(short[0].map(\.bitPattern) == [0x2000, 0x3530, 0x33E8, 0x35D4, 0x2740])
        let long = twoRuns(1003, Float16(0)) { RandomFill.uniform($0, from: $1) }
        #expect(long.map(checksum) == [0x8D91_DDC0_9DA3_BFDF, 0xE5D7_F2BA_62A0_D182])
    }

    @Test func `RandomUniform of bfloat16 gives TensorFlow's bits in both runs`() {
        let short = twoRuns(5, UInt16(0)) { RandomFill.uniformBFloat16($0, from: $1) }
        #expect(short[0] == [0x3D80, 0x3F18, 0x3F7A, 0x3F6A, 0x3E68])
        let long = twoRuns(1003, UInt16(0)) { RandomFill.uniformBFloat16($0, from: $1) }
        #expect(long.map(checksum) == [0x0713_4D01_F616_ECB3, 0xC7BB_A3F0_176D_ACA8])
    }

    @Test func `RandomUniformInt of int32 gives TensorFlow's numbers, also over nearly all integers`() {
        let short = twoRuns(5, Int32(0)) { RandomFill.uniform($0, in: -7..<1000, from: $1) }
        #expect(short == [[0x2F4, 0x259, 0x313, 0x1D0, 0x371], [0xD0, 0x9, 0x77, 0xFF, 0x2AF]])
        let long = twoRuns(1003, Int32(0)) { RandomFill.uniform($0, in: .min ..< .max, from: $1) }
        #expect(long.map(checksum) == [0x9ED7_C3DC_493F_1497, 0x708A_7C6A_377F_FEA1])
    }

    @Test func `RandomUniformInt of int64 gives TensorFlow's numbers in both runs`() {
        let short = twoRuns(5, Int64(0)) { RandomFill.uniform($0, in: -7..<1_000_000_000_000, from: $1) }
        #expect(short[0] == [0x4B_0549_0CBF, 0x5_39D2_3AAF, 0x64_ACDB_7036, 0xD_C38C_ECD3, 0xAF_1318_9C31])
        let long = twoRuns(1003, Int64(0)) { RandomFill.uniform($0, in: -7..<1_000_000_000_000, from: $1) }
        #expect(long.map(checksum) == [0x8F8D_4696_FC6A_D6E0, 0xFF84_CF18_D2DC_80E5])
    }

    @Test func `RandomShuffle orders ten elements as TensorFlow does in both runs`() {
        let state = GuardedPhilox(seed: 87_654_321, seed2: 42)
        let orders = (0..<2).map { _ in RandomPermutation.permutation(of: 10, from: state.reserve(words: 9)) }
        #expect(orders == [[2, 0, 7, 8, 9, 3, 6, 4, 1, 5], [9, 6, 7, 5, 3, 2, 1, 8, 4, 0]])
    }

    @Test func `a permutation of nothing and of one element takes no random number`() {
        let generator = Philox(seed: 1, seed2: 1)
        #expect(RandomPermutation.permutation(of: 0, from: generator) == [])
        #expect(RandomPermutation.permutation(of: 1, from: generator) == [0])
    }

    @Test func `Multinomial draws TensorFlow's classes and answers the class count where no logit is finite`() {
        let state = GuardedPhilox(seed: 87_654_321, seed2: 42)
        let none = -Double.infinity
        let logits: [Double] = [0, 1, 2, none, 1, 3, 0, 0, 0, 0, none, none, none, none, none]
        let runs = (0..<2).map { _ in
            let generator = state.reserve(samples: MultinomialSampling.reservation(rows: 3, samples: 7))
            var drawn: [Int] = []
            logits.withUnsafeBufferPointer {
                MultinomialSampling.draw(logits: $0, classes: 5, samples: 7, from: generator) { drawn.append($0) }
            }
            return drawn
        }
        #expect(runs[0] == [2, 2, 4, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 5, 5, 5, 5, 5, 5, 5])
        #expect(runs[1] == [4, 2, 2, 2, 4, 2, 2, 0, 0, 0, 0, 0, 3, 2, 5, 5, 5, 5, 5, 5, 5])
    }
}

// The logarithms, sines and cosines below are the C library's; only glibc's are bound to agree with TensorFlow's.
@Suite struct NormalNumberTests {
    @Test func `RandomStandardNormal of float gives TensorFlow's bits in both runs`() {
        let short = twoRuns(5, Float(0)) { RandomFill.normal($0, from: $1) }
        #expect(short[0].map(\.bitPattern) == [0xBE8F_C1C0, 0xBE0D_0EE3, 0xBF2D_23F0, 0x3CC9_5CDD, 0xBF64_C1F5])
        let long = twoRuns(1003, Float(0)) { RandomFill.normal($0, from: $1) }
        #expect(long.map(checksum) == [0x279F_43FC_E97D_A53D, 0xB5F0_0F00_3495_D02C])
    }

    @Test func `RandomStandardNormal of double gives TensorFlow's bits in both runs`() {
        let short = twoRuns(5, 0.0) { RandomFill.normal($0, from: $1) }
        #expect(
            short[0].map(\.bitPattern) == [
                0x3FE7_DC27_D129_8F35, 0xBFE4_63E9_C2B0_4909, 0x3FA8_DE13_BB65_6DFF, 0xBFE4_DBEE_2DB1_0DD1,
                0xBFEB_9272_B6A8_AE9D,
            ])
        let long = twoRuns(1003, 0.0) { RandomFill.normal($0, from: $1) }
        #expect(long.map(checksum) == [0xF0E4_F666_1348_CDD9, 0x27DE_5B7B_40F6_D7D0])
    }

    @Test func `RandomStandardNormal of half and bfloat16 gives TensorFlow's bits in both runs`() {
        let halves = twoRuns(1003, Float16(0)) { RandomFill.normal($0, from: $1) }
        #expect(halves.map(checksum) == [0xAA46_21BC_1F3C_A1D4, 0x254E_F74B_8E0F_9A06])
        let brains = twoRuns(1003, UInt16(0)) { RandomFill.normalBFloat16($0, from: $1) }
        #expect(brains.map(checksum) == [0x86AF_7B1F_83AC_662F, 0xFD52_60D3_A003_4F5B])
    }

    @Test func `TruncatedNormal of float gives TensorFlow's bits in both runs`() {
        let short = twoRuns(5, Float(0)) { RandomFill.truncatedNormal($0, from: $1) }
        #expect(short[0].map(\.bitPattern) == [0xBE8F_C1C0, 0xBE0D_0EE3, 0xBF2D_23F0, 0x3CC9_5CDD, 0xBEEF_D94C])
        let long = twoRuns(1003, Float(0)) { RandomFill.truncatedNormal($0, from: $1) }
        #expect(long.map(checksum) == [0x9240_D8A4_8768_095E, 0x9CA3_994E_04FD_4B5F])
        #expect(long[0].allSatisfy { abs($0) < 2 })
    }

    @Test func `TruncatedNormal of double gives TensorFlow's bits in both runs`() {
        let long = twoRuns(1003, 0.0) { RandomFill.truncatedNormal($0, from: $1) }
        #expect(long.map(checksum) == [0x6FBB_DB4C_35E6_1293, 0xE5DE_BCCE_0737_A054])
    }

    @Test func `TruncatedNormal of half and bfloat16 gives TensorFlow's bits in both runs`() {
        let halves = twoRuns(1003, Float16(0)) { RandomFill.truncatedNormal($0, from: $1) }
        #expect(halves.map(checksum) == [0x1304_5F06_345A_904A, 0x7F0A_1A89_570F_56DF])
        let brains = twoRuns(1003, UInt16(0)) { RandomFill.truncatedNormalBFloat16($0, from: $1) }
        #expect(brains.map(checksum) == [0x9C66_17C5_F963_69B1, 0xEB75_0C13_DE29_8F77])
    }
}

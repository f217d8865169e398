/// FarmHash's 64-bit fingerprint. It must never change, because models store hashes of strings.
enum FarmFingerprint {
    private static let k0: UInt64 = 0xc3a5_c85c_97cb_3127
    private static let k1: UInt64 = 0xb492_b66f_be98_f273
    private static let k2: UInt64 = 0x9ae1_6a3b_2f90_404f

    static func hash(_ bytes: [UInt8]) -> UInt64 {
        bytes.withUnsafeBytes { text in
            switch text.count {
            case 0...16: short(text)
            case 17...32: medium(text)
            case 33...64: long(text)
            default: longer(text)
            }
        }
    }

    private static func short(_ s: UnsafeRawBufferPointer) -> UInt64 {
        let n = UInt64(s.count)
        let mul = k2 &+ n &* 2
        if s.count >= 8 {
            let a = s.word(0) &+ k2
            let b = s.word(s.count - 8)
            let c = rotate(b, 37) &* mul &+ a
            let d = (rotate(a, 25) &+ b) &* mul
            return mix(c, d, mul)
        }
        if s.count >= 4 { return mix(n &+ s.half(0) << 3, s.half(s.count - 4), mul) }
        guard s.count > 0 else { return k2 }
        let y = UInt64(s[0]) &+ UInt64(s[s.count >> 1]) << 8
        let z = n &+ UInt64(s[s.count - 1]) << 2
        return fold(y &* k2 ^ z &* k0) &* k2
    }

    private static func medium(_ s: UnsafeRawBufferPointer) -> UInt64 {
        let mul = k2 &+ UInt64(s.count) &* 2
        let a = s.word(0) &* k1
        let b = s.word(8)
        let c = s.word(s.count - 8) &* mul
        let d = s.word(s.count - 16) &* k2
        return mix(rotate(a &+ b, 43) &+ rotate(c, 30) &+ d, a &+ rotate(b &+ k2, 18) &+ c, mul)
    }

    private static func long(_ s: UnsafeRawBufferPointer) -> UInt64 {
        let mul = k2 &+ UInt64(s.count) &* 2
        let a = s.word(0) &* k2
        let b = s.word(8)
        let c = s.word(s.count - 8) &* mul
        let d = s.word(s.count - 16) &* k2
        let y = rotate(a &+ b, 43) &+ rotate(c, 30) &+ d
        let z = mix(y, a &+ rotate(b &+ k2, 18) &+ c, mul)
        let e = s.word(16) &* mul
        let f = s.word(24)
        let g = (y &+ s.word(s.count - 32)) &* mul
        let h = (z &+ s.word(s.count - 24)) &* mul
        return mix(rotate(e &+ f, 43) &+ rotate(g, 30) &+ h, e &+ rotate(f &+ a, 18) &+ g, mul)
    }

    /// The state of six words, which is mixed with 64 bytes at a time.
    private struct State {
        var x: UInt64
        var y: UInt64
        var z: UInt64
        var v: (UInt64, UInt64) = (0, 0)
        var w: (UInt64, UInt64) = (0, 0)

        mutating func stir(_ s: UnsafeRawBufferPointer, _ at: Int, _ mul: UInt64, last: Bool) {
            let nine: UInt64 = last ? 9 : 1
            x = rotate(x &+ y &+ v.0 &+ s.word(at + 8), 37) &* mul
            y = rotate(y &+ v.1 &+ s.word(at + 48), 42) &* mul
            x ^= w.1 &* nine
            y = y &+ v.0 &* nine &+ s.word(at + 40)
            z = rotate(z &+ w.0, 33) &* mul
            v = weak(s, at, v.1 &* mul, x &+ w.0)
            w = weak(s, at + 32, z &+ w.1, y &+ s.word(at + 16))
            swap(&z, &x)
        }
    }

    private static func longer(_ s: UnsafeRawBufferPointer) -> UInt64 {
        let seed: UInt64 = 81
        let y = seed &* k1 &+ 113
        var state = State(x: seed &* k2 &+ s.word(0), y: y, z: fold(y &* k2 &+ 113) &* k2)
        let blocks = (s.count - 1) / 64
        for block in 0..<blocks { state.stir(s, 64 * block, k1, last: false) }
        let mul = k1 &+ (state.z & 0xff) << 1
        state.w.0 = state.w.0 &+ UInt64((s.count - 1) & 63)
        state.v.0 = state.v.0 &+ state.w.0
        state.w.0 = state.w.0 &+ state.v.0
        // The last 64 bytes, which may overlap the previous block.
        state.stir(s, s.count - 64, mul, last: true)
        return mix(
            mix(state.v.0, state.w.0, mul) &+ fold(state.y) &* k0 &+ state.z,
            mix(state.v.1, state.w.1, mul) &+ state.x, mul)
    }

    private static func weak(_ s: UnsafeRawBufferPointer, _ at: Int, _ a: UInt64, _ b: UInt64) -> (UInt64, UInt64) {
        let z = s.word(at + 24)
        let first = a &+ s.word(at)
        let sum = first &+ s.word(at + 8) &+ s.word(at + 16)
        return (sum &+ z, rotate(b &+ first &+ z, 21) &+ rotate(sum, 44) &+ first)
    }

    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 { value >> count | value << (64 - count) }
    private static func fold(_ value: UInt64) -> UInt64 { value ^ value >> 47 }
    private static func mix(_ u: UInt64, _ v: UInt64, _ mul: UInt64) -> UInt64 {
        let a = fold((u ^ v) &* mul)
        return fold((v ^ a) &* mul) &* mul
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func word(_ offset: Int) -> UInt64 {
        UInt64(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    fileprivate func half(_ offset: Int) -> UInt64 {
        UInt64(UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }
}

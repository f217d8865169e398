/// MurmurHash64A with TensorFlow's fixed seed. Models that were trained with it need it.
enum MurmurHash {
    static func hash(_ bytes: [UInt8]) -> UInt64 {
        let mul: UInt64 = 0xc6a4_a793_5bd1_e995
        var hash: UInt64 = 0xdeca_fcaf_fe ^ UInt64(bytes.count) &* mul
        let tail = bytes.count & ~7
        for start in stride(from: 0, to: tail, by: 8) {
            var word = littleEndianWord(bytes[start..<start + 8]) &* mul
            word = (word ^ word >> 47) &* mul
            hash = (hash ^ word) &* mul
        }
        if tail < bytes.count { hash = (hash ^ littleEndianWord(bytes[tail...])) &* mul }
        hash = (hash ^ hash >> 47) &* mul
        return hash ^ hash >> 47
    }
}

/// SipHash-2-4. Without the key nobody can construct strings with equal hashes.
struct SipHash {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64

    private init(_ key: (UInt64, UInt64)) {
        v0 = 0x736f_6d65_7073_6575 ^ key.0
        v1 = 0x646f_7261_6e64_6f6d ^ key.1
        v2 = 0x6c79_6765_6e65_7261 ^ key.0
        v3 = 0x7465_6462_7974_6573 ^ key.1
    }

    static func hash(_ bytes: [UInt8], key: (UInt64, UInt64)) -> UInt64 {
        var state = SipHash(key)
        let tail = bytes.count & ~7
        for start in stride(from: 0, to: tail, by: 8) { state.absorb(littleEndianWord(bytes[start..<start + 8])) }
        state.absorb(littleEndianWord(bytes[tail...]) | UInt64(bytes.count & 0xff) << 56)
        state.v2 ^= 0xff
        for _ in 0..<4 { state.stir() }
        return state.v0 ^ state.v1 ^ state.v2 ^ state.v3
    }

    private mutating func absorb(_ word: UInt64) {
        v3 ^= word
        stir()
        stir()
        v0 ^= word
    }

    private mutating func stir() {
        v0 = v0 &+ v1
        v1 = (v1 << 13 | v1 >> 51) ^ v0
        v0 = v0 << 32 | v0 >> 32
        v2 = v2 &+ v3
        v3 = (v3 << 16 | v3 >> 48) ^ v2
        v0 = v0 &+ v3
        v3 = (v3 << 21 | v3 >> 43) ^ v0
        v2 = v2 &+ v1
        v1 = (v1 << 17 | v1 >> 47) ^ v2
        v2 = v2 << 32 | v2 >> 32
    }
}

/// Returns up to eight bytes as a little-endian number.
private func littleEndianWord(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
}

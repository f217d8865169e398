/// Computes the ID of a loop frame in rendezvous keys. The sender and the receiver compute it independently.
enum FrameID {
    /// The ID of the frame `name` that is entered in `iteration` of the frame `parent`, as in TensorFlow 2.21.
    static func child(of parent: UInt64, iteration: Int, name: String) -> UInt64 {
        combine(parent, combine(UInt64(iteration), hash(name)))
    }

    private static func combine(_ a: UInt64, _ b: UInt64) -> UInt64 {
        a ^ (b &+ 0x9e37_79b9_7f4a_7800 &+ (a << 10) &+ (a >> 4))
    }

    /// TensorFlow's `Hash64` with its default seed: a 64-bit hash like MurmurHash.
    static func hash(_ text: String) -> UInt64 {
        let bytes = Array(text.utf8)
        let m: UInt64 = 0xc6a4_a793_5bd1_e995
        var h: UInt64 = 0xDECA_FCAF_FE ^ (UInt64(bytes.count) &* m)
        var index = 0
        while index + 8 <= bytes.count {
            var k: UInt64 = 0
            for offset in (0..<8).reversed() { k = k << 8 | UInt64(bytes[index + offset]) }
            k = k &* m
            k ^= k >> 47
            k = k &* m
            h ^= k
            h = h &* m
            index += 8
        }
        if index < bytes.count {
            for (offset, byte) in bytes[index...].enumerated() { h ^= UInt64(byte) << UInt64(8 * offset) }
            h = h &* m
        }
        h ^= h >> 47
        h = h &* m
        h ^= h >> 47
        return h
    }
}

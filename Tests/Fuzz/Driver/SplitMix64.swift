/// A random number generator (SplitMix64) with the same sequence on every machine and Swift version, to repeat cases.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// The generator of one case; neighbouring cases have unrelated sequences.
    init(seed: UInt64, case number: Int) {
        var mixer = SplitMix64(seed: seed ^ (UInt64(bitPattern: Int64(number)) &* 0xD6E8_FEB8_6659_FD93))
        state = mixer.next()
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension SplitMix64 {
    /// A number in `0..<count`; `count` must be positive.
    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }
    mutating func int(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }
    /// True with a probability of `percent` / 100.
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
    mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }
    mutating func shuffled<T>(_ values: [T]) -> [T] {
        var values = values
        for index in values.indices.dropFirst().reversed() { values.swapAt(index, below(index + 1)) }
        return values
    }
    /// At most `count` distinct elements of `values`, in their order.
    mutating func some<T>(_ values: [T], _ count: Int) -> [T] {
        shuffled(Array(values.indices)).prefix(count).sorted().map { values[$0] }
    }
}

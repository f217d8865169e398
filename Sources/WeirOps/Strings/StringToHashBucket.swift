import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `StringToHashBucketFast`: the bucket of each string by FarmHash's fingerprint, which is the same on every machine and in
    /// every version.
    static let stringToHashBucketFast = OpDefinition(
        "StringToHashBucketFast", "(input: string) -> (output: int64)", "num_buckets: int >= 1"
    )
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .kernel { request in try buckets(request, FarmFingerprint.hash) }

    /// `StringToHashBucket`: the bucket of each string by MurmurHash64A, an older hash.
    static let stringToHashBucket = OpDefinition(
        "StringToHashBucket", "(string_tensor: string) -> (output: int64)", "num_buckets: int >= 1"
    )
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .kernel { request in try buckets(request, MurmurHash.hash) }

    /// `StringToHashBucketStrong`: the bucket of each string by SipHash with a key. Without the key nobody can construct
    /// many strings for one bucket.
    static let stringToHashBucketStrong = OpDefinition(
        "StringToHashBucketStrong", "(input: string) -> (output: int64)", "num_buckets: int >= 1", "key: list(int)"
    )
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .kernel { request in
        let key = try request.ints("key").map { UInt64(bitPattern: Int64($0)) }
        guard key.count == 2 else { throw Status.invalidArgument("Key must have 2 elements") }
        return try buckets(request) { SipHash.hash($0, key: (key[0], key[1])) }
    }
}

private func buckets(_ request: KernelRequest, _ hash: @escaping @Sendable ([UInt8]) -> UInt64) throws -> Kernel {
    let count = try request.int("num_buckets")
    guard count >= 1 else { throw Status.invalidArgument("num_buckets must be at least 1, found \(count)") }
    return .sync { context in
        let input = context.input(0)
        let output = try context.output(0, .int64, input.shape).mutableElements(Int64.self)
        for (index, text) in input.elements(ByteString.self).enumerated() {
            // The remainder is below a positive Int, so it fits.
            output[index] = Int64(hash(text.bytes) % UInt64(count))
        }
    }
}

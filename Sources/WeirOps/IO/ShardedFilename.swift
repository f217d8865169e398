import WeirGraph
import WeirKernels
import WeirTensor
import WeirWire

extension OpDefinition {
    /// Outputs the file name of one shard: `base-00001-of-00003`.
    static let shardedFilename = OpDefinition(
        "ShardedFilename", "(basename: string, shard: int32, num_shards: int32) -> (filename: string)"
    )
    .shape(scalarsToScalar)
    .kernel { _ in
        .sync { context in
            let base = try scalar(context, 0, "basename").elements(ByteString.self)[0].description
            let shard = try scalar(context, 1, "shard").integer("shard")
            let count = try scalar(context, 2, "num_shards").integer("num_shards")
            context.setOutput(0, Tensor(BundleFiles.sharded(base, shard, of: count)))
        }
    }

    /// Outputs the pattern of all shards' file names: `base-?????-of-00003`.
    static let shardedFilespec = OpDefinition(
        "ShardedFilespec", "(basename: string, num_shards: int32) -> (filename: string)"
    )
    .shape(scalarsToScalar)
    .kernel { _ in
        .sync { context in
            let base = try scalar(context, 0, "basename").elements(ByteString.self)[0].description
            let count = try scalar(context, 1, "num_shards").integer("num_shards")
            context.setOutput(0, Tensor(BundleFiles.sharded(base, of: count)))
        }
    }
}

@Sendable private func scalarsToScalar(_ c: inout ShapeContext) throws {
    for index in 0..<c.inputCount { try c.requireRank(index, 0) }
    c.setOutput(0, .scalar)
}

private func scalar(_ context: borrowing KernelContext, _ index: Int, _ name: String) throws -> Tensor {
    let tensor = context.input(index)
    guard tensor.rank == 0 else {
        throw Status.invalidArgument("\(name) must be a scalar, got shape \(tensor.shape)")
    }
    return tensor
}

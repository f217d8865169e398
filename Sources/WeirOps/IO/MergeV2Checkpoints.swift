import WeirGraph
import WeirKernels
import WeirTensor
import WeirWire

extension OpDefinition {
    /// Merges the shards that the tasks of a cluster have written into one checkpoint.
    static let mergeV2Checkpoints = OpDefinition(
        "MergeV2Checkpoints", "(checkpoint_prefixes: string, destination_prefix: string) -> ()",
        "delete_old_dirs: bool = true", "allow_missing_files: bool = false"
    )
    .stateful()
    .shape { c in
        try c.requireRank(0, 1)
        try c.requireRank(1, 0)
    }
    .kernel { request in
        let deletesDirectories = try request.bool("delete_old_dirs")
        let allowsMissing = try request.bool("allow_missing_files")
        return .sync { context in
            let (prefixes, destination) = (context.input(0), context.input(1))
            guard prefixes.rank == 1 else {
                throw Status.invalidArgument(
                    "Input checkpoint_prefixes should be an 1-D tensor, got \(prefixes.shape) instead.")
            }
            guard destination.rank == 0 else {
                throw Status.invalidArgument(
                    "Input destination_prefix should be a scalar tensor, got \(destination.shape) instead.")
            }
            try BundleMerge.merge(
                prefixes.elements(ByteString.self).map(\.description),
                into: destination.elements(ByteString.self)[0].description, deletingDirectories: deletesDirectories,
                allowingMissing: allowsMissing)
        }
    }
}

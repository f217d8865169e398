import WeirGraph
import WeirKernels
import WeirTensor
import WeirWire

extension OpDefinition {
    /// Outputs the sorted names of the files that match a pattern, or any of several patterns.
    static let matchingFiles = OpDefinition("MatchingFiles", "(pattern: string) -> (filenames: string)")
        .readingFiles()
        .shape { c in
            if let rank = c.input(0).rank, rank > 1 {
                throw Status.invalidArgument("Shape must be at most rank 1 but is rank \(rank)")
            }
            c.setOutput(0, .vector(nil))
        }
        .kernel { _ in
            .sync { context in
                let patterns = context.input(0)
                guard patterns.rank <= 1 else {
                    throw Status.invalidArgument(
                        "Input patterns tensor must be scalar or vector, but had shape: \(patterns.shape)")
                }
                let names = patterns.elements(ByteString.self).flatMap { FileSystem.matching($0.description) }
                context.setOutput(0, Tensor(names.map { ByteString($0) }.sorted()))
            }
        }
}

import WeirGraph
import WeirKernels
import WeirTensor
import WeirWire

extension OpDefinition {
    /// Merges the values of several serialized summaries into one summary.
    static let mergeSummary = OpDefinition(
        "MergeSummary", "(inputs: N * string) -> (summary: string)", "N: int >= 1"
    )
    .shape(ShapeFunctions.scalar)
    .noGradient()
    .kernel { _ in .sync(mergeSummaries) }
}

@Sendable private func mergeSummaries(_ context: borrowing KernelContext) throws {
    // Concatenating serialized messages merges their repeated fields, so the values need not be decoded.
    var merged: [UInt8] = []
    var tags = Set<String>()
    for input in context.inputTensors {
        for part in input.elements(ByteString.self) {
            guard let found = try? Summary.tags(part.bytes) else {
                throw Status.invalidArgument("Could not parse one of the summary inputs")
            }
            // Values without a tag are identified in another way. A summary may hold many of them.
            for tag in found where !tag.isEmpty && !tags.insert(tag).inserted {
                throw Status.invalidArgument("Duplicate tag \(tag) found in summary inputs")
            }
            merged += part.bytes
        }
    }
    context.setOutput(0, Tensor(ByteString(merged)))
}

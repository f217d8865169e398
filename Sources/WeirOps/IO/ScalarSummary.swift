import WeirGraph
import WeirKernels
import WeirTensor
import WeirWire

/// The dtypes that scalar and histogram summaries accept.
let summaryTypes = "float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64"

extension OpDefinition {
    /// Outputs a serialized `Summary` with a scalar for each tag.
    static let scalarSummary = OpDefinition(
        "ScalarSummary", "(tags: string, values: T) -> (summary: string)", "T: {\(summaryTypes)}"
    )
    .shape(ShapeFunctions.scalar)
    .noGradient()
    .kernel(["T": .real]) { request in try request.real("T", ScalarSummaryVisitor()) }
}

private struct ScalarSummaryVisitor: RealVisitor {
    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        .sync { context in
            let (tags, values) = (context.input(0), context.input(1))
            guard tags.shape == values.shape else {
                let tag = tags.elementCount == 1 ? " (tag '\(tags.elements(ByteString.self)[0])')" : ""
                throw Status.invalidArgument(
                    "tags and values are not the same shape: \(tags.shape) != \(values.shape)\(tag)")
            }
            let pairs = zip(tags.elements(ByteString.self), values.elements(E.self))
            let summary = Summary(pairs.map { .init($0.description, .scalar(Float($1.number))) })
            context.setOutput(0, Tensor(ByteString(try summary.encoded())))
        }
    }
}

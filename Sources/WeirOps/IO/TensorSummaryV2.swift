import WeirGraph
import WeirKernels
import WeirTensor
import WeirWire

extension OpDefinition {
    /// Outputs a serialized `Summary` with a whole tensor, for a plugin of TensorBoard.
    static let tensorSummaryV2 = OpDefinition(
        "TensorSummaryV2", "(tag: string, tensor: T, serialized_summary_metadata: string) -> (summary: string)",
        "T: type"
    )
    .shape(ShapeFunctions.scalar)
    .noGradient()
    .kernel(["T": DTypeSet.all.subtracting(DTypeSet(.resource, .variant))]) { _ in
        .sync { context in
            let (tag, tensor, metadata) = (context.input(0), context.input(1), context.input(2))
            guard tag.rank == 0 else { throw Status.invalidArgument("tag must be scalar") }
            guard metadata.rank == 0 else {
                throw Status.invalidArgument("serialized_summary_metadata must be scalar")
            }
            let text = tag.elements(ByteString.self)[0].description
            let bytes = metadata.elements(ByteString.self)[0].bytes
            let summary = Summary([.init(text, .tensor(tensor), metadata: try Summary.Metadata(bytes[...]))])
            context.setOutput(0, Tensor(ByteString(try summary.encoded())))
        }
    }
}

import WeirGraph
import WeirKernels
import WeirTensor
import WeirWire

extension OpDefinition {
    /// Outputs a serialized `Summary` with a histogram of the values.
    static let histogramSummary = OpDefinition(
        "HistogramSummary", "(tag: string, values: T) -> (summary: string)", "T: {\(summaryTypes)} = float"
    )
    .shape(ShapeFunctions.scalar)
    .noGradient()
    .kernel(["T": .real]) { request in try request.real("T", HistogramSummaryVisitor(node: request.name)) }
}

private struct HistogramSummaryVisitor: RealVisitor {
    let node: String

    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        .sync { [node] context in
            let tag = context.input(0)
            guard tag.rank == 0 else { throw Status.invalidArgument("tags must be scalar") }
            let values = context.input(1).elements(E.self)
            if let bad = values.first(where: { !$0.number.isFinite })?.number {
                let problem = bad.isNaN ? "Nan in summary histogram" : "Infinity in Histogram"
                throw Status.invalidArgument("\(problem) for: \(node)")
            }
            let histogram = Histogram(of: values.lazy.map(\.number))
            let summary = Summary([.init(tag.elements(ByteString.self)[0].description, .histogram(histogram))])
            context.setOutput(0, Tensor(ByteString(try summary.encoded())))
        }
    }
}

public import WeirGraph
import WeirTensor

// Summaries of a graph: strings that `SummaryWriter.summary` and `SummarySaverHook` take.
extension GraphBuilder {
    /// The collection of the summaries, as in TensorFlow.
    private static let summaries = "summaries"

    /// Adds a point of a curve, computed in the step. TensorFlow's `tf.summary.scalar`.
    /// - Parameters:
    ///   - tag: the name of the curve.
    ///   - value: a scalar of real numbers.
    public func scalarSummary(_ tag: String, _ value: Output) -> Output { summary("ScalarSummary", tag, value) }

    /// Adds the distribution of a tensor's elements. TensorFlow's `tf.summary.histogram`.
    public func histogramSummary(_ tag: String, _ values: Output) -> Output { summary("HistogramSummary", tag, values) }

    /// All summaries that were added with this builder so far, as one string; nil if there is none. TensorFlow's `merge_all`.
    public func mergeAllSummaries() -> Output? {
        let added = (collections[GraphBuilder.summaries] ?? []).compactMap { output(at: $0) }
        guard added.count > 1 else { return added.first }
        return add("MergeSummary", added, name: "Merge/MergeSummary")[0]
    }

    private func summary(_ op: String, _ tag: String, _ values: Output) -> Output {
        // A tag may have any characters, a name of a node only some.
        let name = String(tag.map { $0.isASCII && ($0.isLetter || $0.isNumber || "_./-".contains($0)) ? $0 : "_" })
        let added = nameScope("summary") { add(op, [constant(Tensor(ByteString(tag)), name: "tags"), values], name: name)[0] }
        collections[GraphBuilder.summaries, default: []].append(added.endpoint)
        return added
    }
}

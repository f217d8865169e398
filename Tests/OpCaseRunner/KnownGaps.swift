/// A known difference from TensorFlow, and its reason. A listed case must differ; remove its line when it no longer does.
struct KnownGap {
    /// The op. A case is covered if its name starts with `name`.
    let op: String
    var name = ""
    /// Whether the case's name is `name`, not only its beginning.
    var isWholeName = false
    /// Whether only cases with gradients differ.
    var isOfGradients = false
    /// Whether only cases that expect an error differ.
    var isOfFailures = false
    /// The schedules in which it differs.
    var schedules = Schedule.allCases
    let reason: String

    func covers(_ item: OpCase, _ schedule: Schedule) -> Bool {
        guard item.op == op, isWholeName ? item.name == name : item.name.hasPrefix(name), schedules.contains(schedule) else { return false }
        if isOfFailures, item.failure == nil { return false }
        if isOfGradients, case .single(let single) = item.kind { return !single.inputGradients.isEmpty }
        return true
    }

    /// A GPU kernel cannot fail while it runs. For an index out of range TensorFlow's gives 0 or skips the update.
    private static let beyond = [
        ("Gather", "float32, out of range"), ("Gather", "float32, negative"), ("GatherNd", "float32, out of range"),
        ("GatherV2", "float32, out of range"), ("ScatterNd", "float32, out of range"),
        ("ScatterNdNonAliasingAdd", "float32, out of range"), ("TensorScatterAdd", "float32, out of range"),
        ("TensorScatterMax", "float32, out of range"), ("TensorScatterMin", "float32, out of range"),
        ("TensorScatterSub", "float32, out of range"), ("TensorScatterUpdate", "float32, out of range"),
    ].map { KnownGap(op: $0, name: $1, isOfFailures: true, schedules: [.gpu, .cuda], reason: "a GPU does not fail for an index out of range") }

    /// Updates and reads of variables, for which the simulated GPU runs the CPU's kernels.
    private static let beyondInVariables =
        (["ResourceGather", "ResourceGatherNd"]
        + ["Update", "Add", "Sub", "Mul", "Div", "Min", "Max"].flatMap { ["Scatter\($0)", "ResourceScatter\($0)"] }
        + ["Update", "Add", "Sub", "Min", "Max"].flatMap { ["ScatterNd\($0)", "ResourceScatterNd\($0)"] }).map {
            KnownGap(op: $0, name: "float32, out of range", isWholeName: true, schedules: [.cuda], reason: "a GPU does not fail for an index out of range")
        }
        + ["SparseApplyAdagrad", "ResourceSparseApplyAdagrad"].map {
            KnownGap(op: $0, name: "float32, index out of range", schedules: [.cuda], reason: "a GPU skips an index out of range")
        }

    /// Ids, indices and values for which the CPU's kernels fail; a GPU leaves the rows and elements out.
    private static let beyondInSegments =
        ([
            ("Bincount", "float32, negative value"), ("DenseBincount", "float32, negative value"),
        ] + ["Sum", "Mean", "SqrtN"].map { ("SparseSegment\($0)", "float32, index out of range") }
        + ["Max", "Min", "Prod", "Sum"].map { ("UnsortedSegment\($0)", "float32, id too large") }
        + ["Max", "Mean", "Min", "Prod", "Sum"].map { ("Segment\($0)", "float32, not sorted") })
        .map { KnownGap(op: $0, name: $1, isOfFailures: true, schedules: [.cuda], reason: "a GPU does not fail for values") }

    static let all =
        beyond + beyondInVariables + beyondInSegments + [
            KnownGap(
                op: "ReverseSequence", name: "float32, too long", isOfFailures: true, schedules: [.cuda],
                reason: "a card does not fail for a length: it reverses the whole axis"),
            KnownGap(
                op: "SparseToDense", name: "float32, out of", isOfFailures: true, schedules: [.cuda],
                reason: "a card does not fail for an index out of range, and the order of indices does not matter to it"),
            KnownGap(
                op: "SparseSoftmaxCrossEntropyWithLogits", name: "float32, label out of range", isOfFailures: true, schedules: [.cuda],
                reason: "a card does not fail for a label out of range: the loss is NaN, as on TensorFlow's GPUs"),
            KnownGap(
                op: "_VarHandlesOp", name: "two variables", schedules: [.gpu, .cuda],
                reason: "one of its variables is of int32, so the node is on the CPU, and the other's reader looks for it on the GPU"),
            KnownGap(op: "AvgPoolGrad", isOfGradients: true, reason: "it has no gradient yet"),
            KnownGap(op: "AvgPool3DGrad", isOfGradients: true, reason: "it has no gradient yet"),
            KnownGap(op: "FusedBatchNormGrad", isOfGradients: true, reason: "it has no gradient yet"),
            KnownGap(op: "FusedBatchNormGradV2", isOfGradients: true, reason: "it has no gradient yet"),
            KnownGap(op: "FusedBatchNormGradV3", isOfGradients: true, reason: "it has no gradient yet"),
            KnownGap(
                op: "_FusedMatMul", name: "float32, nothing to sum",
                reason: "TensorFlow leaves the bias out where there is nothing to sum; Weir adds it, as MatMul and BiasAdd do"),
            KnownGap(
                op: "GatherV2", isOfGradients: true, schedules: [.plain],
                reason: "its gradient needs an axis that is known when the graph is built"),
            KnownGap(
                op: "MatrixDiagPartV2", name: "float32, above only",
                reason: "TensorFlow's gradient aligns diagonals as the third version does, which is not how the second lays them out"),
            KnownGap(op: "MatrixDiagV2", name: "float32, batch of bands", reason: "the same"),
            KnownGap(
                op: "TensorArrayReadV2", name: "not written, read twice", schedules: [.optimized],
                reason: "two reads of one element are one, as in TensorFlow's optimizer: the table is recorded without it"),
        ]
}

import WeirGraph
import WeirOps
import WeirTensor

extension GradientAccumulation {
    /// Adds the accumulator of a sparse gradient.
    ///
    /// Rows beyond the variable's last hold a vector that is 1 at the worker's number. The sum of these rows says how many gradients
    /// of each worker there are. The mean divides by their number. TensorFlow's `SyncReplicasOptimizer` divides each row by the
    /// number of gradients that had it, so that there the workers' batches together do not act as one batch.
    static func sparse(
        _ builder: GraphBuilder, _ variable: Variable, indices: Output, rows: Output, _ settings: Settings
    ) -> GradientAccumulation {
        let rowShape = Array(variable.shape.dimensions.dropFirst())
        let width = max(1, rowShape.reduce(1, *))
        let rowCount = variable.shape.rank > 0 ? variable.shape[0] : 1
        let ledgerRows = (settings.workerCount - 1) / width + 1
        let own = settings.oneHot(ledgerRows * width, variable.dtype, builder).reshaped(to: [ledgerRows] + rowShape)
        let ledgerIndices = builder.constant(Tensor((0..<ledgerRows).map { Int64(rowCount + $0) }))
        let sentIndices = builder.concatenated([indices.cast(to: .int64), ledgerIndices], axis: 0)
        let sentRows = builder.concatenated([rows, own], axis: 0)
        return builder.colocate(with: variable.handle.operation) {
            // It cannot be destroyed, so one of another shape or type has another name.
            let form = (variable.shape.dimensions.map { "\($0)" } + ["\(variable.dtype)"]).joined(separator: "_")
            let name = "\(variable.name)/sparse_grad_accum_\(form)"
            let type: Attributes = ["dtype": .type(variable.dtype)]
            let handle = builder.add(
                "SparseConditionalAccumulator", name: name,
                attributes: ["dtype": .type(variable.dtype), "shape": .shape(.unknown), "shared_name": .string(name), "reduction_type": .string("SUM")])[0]
            let noShape = builder.constant(Tensor([Int64]()))
            func apply(_ step: Output, _ indices: Output, _ rows: Output) -> Operation {
                builder.add(
                    "SparseAccumulatorApplyGradient", [handle, step, indices, rows, noShape],
                    attributes: ["dtype": .type(variable.dtype), "has_known_shape": false])
            }
            let required = builder.scalar(Double(settings.required), .int32)
            let taken = builder.add("SparseAccumulatorTakeGradient", [handle, required], attributes: type, controls: settings.turn)
            let (takenIndices, takenRows) = (taken[0], taken[1])
            builder.refineShape(of: takenRows, PartialShape([nil] + rowShape.map { Optional($0) }))
            // The ledger's rows have the greatest indices, and all gradients have them, so they come last.
            let contributions = takenRows.sliced([.range(from: -ledgerRows)]).flattened().sliced(at: [0], size: [settings.workerCount]).cast(to: .int32)
            let (sumIndices, sums) = (takenIndices.sliced([.range(to: -ledgerRows)]), takenRows.sliced([.range(to: -ledgerRows)]))
            let means = sums / contributions.sum(axes: [0]).cast(to: variable.dtype)
            // The accumulator merges lists of rows as if they were sorted, so an index may occur twice.
            let mean = VariableGradient(variable, VariableGradient.summingDuplicates(sumIndices, means))
            return GradientAccumulation(
                apply: apply(settings.localStep.value, sentIndices, sentRows),
                setStep: builder.add("AccumulatorSetGlobalStep", [handle, settings.stamp]), mean: mean,
                contributions: settings.ledgerWorker == nil ? nil : contributions, handle: nil,
                reset: reset(builder, handle, rowCount, rowShape, variable.dtype, apply))
        }
    }

    /// Takes all that an accumulator holds. A gradient that is never stale is added first, so that there is something to take.
    private static func reset(
        _ builder: GraphBuilder, _ handle: Output, _ rowCount: Int, _ rowShape: [Int], _ dtype: DType,
        _ apply: (_ step: Output, _ indices: Output, _ rows: Output) -> Operation
    ) -> Operation {
        let row = builder.filled(Shape([1] + rowShape), with: 0, dtype)
        let added = apply(builder.constant(Tensor(Int64.max)), builder.constant(Tensor([Int64(rowCount)])), row)
        return builder.controlDependencies([added]) {
            let count = builder.add("AccumulatorNumAccumulated", [handle])[0]
            return builder.add("SparseAccumulatorTakeGradient", [handle, count], attributes: ["dtype": .type(dtype)])
        }
    }
}

public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Outputs the elements of the vector `x` that are not in `y`, and their positions in `x`.
    static let listDiff = OpDefinition(
        "ListDiff", "(x: T, y: T) -> (out: T, idx: out_idx)", "T: type", "out_idx: {int32, int64} = int32"
    )
    .shape { c in
        try c.requireRank(0, 1)
        try c.requireRank(1, 1)
        c.setOutput(0, .vector(nil))
        c.setOutput(1, .vector(nil))
    }
    .noGradient()
    .kernel(["T": [.real, DTypeSet(.string)]], make: listDiffKernel)
}

@Sendable private func listDiffKernel(_ request: KernelRequest) throws -> Kernel {
    let indexType = try request.type("out_idx")
    return .sync { context in
        let (x, y) = (context.input(0), context.input(1))
        guard x.rank == 1 else { throw Status.invalidArgument("x should be a 1D vector.") }
        guard y.rank == 1 else { throw Status.invalidArgument("y should be a 1D vector.") }
        guard x.elementCount < Int(Int32.max), y.elementCount < Int(Int32.max) else {
            throw Status.invalidArgument("x too large for int32 indexing")
        }
        var elementKeys = ElementKeys()
        guard let unwanted = try elementKeys.keys(of: y), let keys = try elementKeys.keys(of: x) else {
            throw Status.unimplemented("ListDiff of \(x.dtype)")
        }
        let table = KeyTable(expected: unwanted.count)
        for key in unwanted { _ = table.number(key) }
        let kept = keys.indices.filter { !table.contains(keys[$0]) }
        let values = try context.output(0, x.dtype, Shape(kept.count))
        RowCopy(dtype: x.dtype, width: 1).run(kept.count, from: x, to: values, in: context.pool) { (kept[$0], $0) }
        let places = try context.output(1, indexType, Shape(kept.count))
        if indexType == .int32 {
            let narrow = places.mutableElements(Int32.self)
            for (position, index) in kept.enumerated() { narrow[position] = Int32(index) }
        } else {
            let wide = places.mutableElements(Int64.self)
            for (position, index) in kept.enumerated() { wide[position] = Int64(index) }
        }
    }
}

extension Output {
    /// Returns the elements of this vector that are not in `other`, and their positions in this vector (`ListDiff`).
    public func difference(from other: Output) -> (values: Output, indices: Output) {
        let outputs = builder.add("ListDiff", [self, other])
        return (outputs[0], outputs[1])
    }
}

import WeirGraph
import WeirOps
import WeirTensor

/// A variable of a model that is cut along its first axis into parts. Each part is a variable of its own, on a device of its own.
struct PartitionedVariable: Sendable {
    /// The shape of the whole.
    let shape: Shape
    /// The parts in the order of their rows: at least two, of which the first may have one row more than the others.
    let parts: [Variable]

    /// Declares the parts. Their initial values are rows of the initial value of the whole, which is computed once, so that they
    /// equal those of the uncut variable bit for bit.
    /// - Parameter declare: wraps the declaration of a part.
    init(_ variable: ModelVariable, _ rows: [Range<Int>], initialValue: Output, declare: (ModelVariable, () -> Variable) -> Variable) {
        let builder = initialValue.builder
        let rest = variable.shape.dimensions.dropFirst()
        shape = variable.shape
        parts = rows.enumerated().map { number, rows in
            let slice = VariableSlice(fullName: variable.name, fullShape: variable.shape, offset: rows.lowerBound)
            return declare(variable) {
                builder.variable("\(variable.name)/part_\(number)", slice: slice) {
                    initialValue.sliced(at: [rows.lowerBound] + rest.map { _ in 0 }, size: [rows.count] + rest)
                }
            }
        }
    }

    /// The whole value, from the parts' values.
    func joined(_ values: [Output]) -> Output { values[0].builder.concatenated(values, axis: 0) }

    /// Reads the whole value anew, in the builder's current scopes.
    func read() -> Output {
        joined(parts.map { part in part.handle.builder.colocate(with: part.handle.operation) { part.read() } })
    }

    /// Reads the rows at `indices` without moving the others: each part is asked for those that it has. TensorFlow's
    /// `embedding_lookup` with the strategy `div`.
    ///
    /// An index that is out of range fails the step.
    func rows(at indices: Output) -> Output {
        let builder = indices.builder
        let wanted = indices.flattened().cast(to: .int64)
        let (size, larger) = shape[0].quotientAndRemainder(dividingBy: parts.count)
        func number(_ value: Int) -> Output { builder.constant(Tensor(Int64(value))) }
        // The first `larger` parts have a row more. Before them the first quotient is greater, after them the second.
        var part = builder.add("FloorDiv", [wanted - number(larger), number(size)])[0]
        if larger > 0 { part = builder.add("Maximum", [builder.add("FloorDiv", [wanted, number(size + 1)])[0], part])[0] }
        let partNumbers = part.cast(to: .int32)
        func distributed(_ values: Output) -> Operation {
            builder.add("DynamicPartition", [values, partNumbers], attributes: ["num_partitions": .int(parts.count)])
        }
        let ofPart = distributed(wanted)
        let positions = distributed(builder.range(builder.scalar(0, .int32), wanted.sizeTensor(), builder.scalar(1, .int32)))
        let found = parts.enumerated().map { index, part in
            let local = ofPart[index] - number(part.slice?.offset ?? 0)
            return builder.colocate(with: part.handle.operation) { part.handle.gatherVariable(local, part.dtype) }
        }
        let merged = builder.dynamicallyStitched(parts.indices.map { positions[$0] }, found)
        let rest = shape.dimensions.dropFirst()
        let rowShape = builder.constant(Tensor(rest.map { Int64($0) }))
        let result = merged.reshaped(to: builder.concatenated([indices.shapeTensor(.int64), rowShape], axis: 0))
        builder.refineShape(of: result, indices.shape.concatenating(PartialShape(rest.map { Optional($0) })))
        return result
    }
}

public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Merges slices of several tensors into one tensor. Each slice becomes the row that its index names; for duplicate indices
    /// the last slice wins.
    static let dynamicStitch = stitchOp("DynamicStitch", ["indices"])
    /// Like `DynamicStitch`, but for duplicate indices any of the slices may win.
    static let parallelDynamicStitch = stitchOp("ParallelDynamicStitch", ["indices", "data", "merged"])

    private static func stitchOp(_ name: String, _ hostMemory: Set<String>) -> OpDefinition {
        OpDefinition(name, "(indices: N * int32, data: N * T) -> (merged: T)", "N: int >= 1", "T: type")
            .shape(stitchShape)
            .gradient { g in
                let count = g.inputs.count / 2
                let parts = g.inputs[..<count].map { g.op("GatherV2", g.gradient(), $0, g.integer(0)) }
                return [Output?](repeating: nil, count: count) + parts
            }
            .kernel(
                ["T": DTypeSet.all.subtracting(DTypeSet(.resource))], gpu: ["T": [.floatingOrComplex, .index]],
                hostMemory: hostMemory, make: stitchKernel
            )
            .cuda(stitchCUDAKernel)
    }
}

@Sendable private func stitchShape(_ c: inout ShapeContext) throws {
    let count = c.inputCount / 2
    var slice = PartialShape.unknown
    var largest: Int? = -1
    for index in 0..<count {
        let (indices, data) = (c.input(index), c.input(count + index))
        if let values = c.integers(index) {
            largest = largest.map { max($0, values.max() ?? -1) }
        } else {
            largest = nil
        }
        guard let rank = indices.rank, let dimensions = data.dimensions else { continue }
        guard dimensions.count >= rank else {
            throw Status.invalidArgument("Shape must be at least rank \(rank) but is rank \(dimensions.count)")
        }
        _ = try PartialShape(Array(dimensions[..<rank])).merging(indices)
        slice = try slice.merging(PartialShape(Array(dimensions[rank...])))
    }
    // Only the first dimension depends on the values of the indices.
    c.setOutput(0, PartialShape([largest.map { $0 &+ 1 }]).concatenating(slice))
}

@Sendable private func stitchKernel(_ request: KernelRequest) throws -> Kernel {
    let (count, dtype) = (try request.int("N"), try request.type("T"))
    return .sync { context in
        let (rows, slice) = try stitchPlan(context, count)
        let output = try context.output(0, dtype, Shape(validating: [rows] + slice))
        // Rows that no index names are zero.
        output.clearElements()
        guard output.elementCount > 0 else { return }
        let moves = RowCopy(dtype: dtype, width: wrappingProduct(slice))
        for index in 0..<count {
            let places = context.elements(index, Int32.self)
            moves.runInOrder(places.count, from: context.input(count + index), to: output) { ($0, Int(places[$0])) }
        }
    }
}

/// The number of rows of the result, and the dimensions of a row.
func stitchPlan(_ context: borrowing KernelContext, _ count: Int) throws -> (rows: Int, slice: [Int]) {
    let slice = Array(context.shape(count).dimensions.dropFirst(context.shape(0).rank))
    var rows = 0
    for index in 0..<count {
        let (indices, data) = (context.input(index), context.input(count + index))
        guard data.shape.dimensions.starts(with: indices.shape.dimensions) else {
            throw Status.invalidArgument(
                "data[\(index)].shape = \(data.shape) does not start with indices[\(index)].shape = "
                    + "\(indices.shape)"
            )
        }
        guard Array(data.shape.dimensions[indices.rank...]) == slice else {
            let (firstIndices, first) = (context.shape(0), context.shape(count))
            throw Status.invalidArgument(
                "Need data[0].shape[\(firstIndices.rank):] = data[\(index)].shape[\(indices.rank):], got "
                    + "data[0].shape = \(first), data[\(index)].shape = \(data.shape), indices[0].shape = \(firstIndices), "
                    + "indices[\(index)].shape = \(indices.shape)")
        }
        for (place, value) in indices.elements(Int32.self).enumerated() {
            guard value >= 0 else { throw Status.invalidArgument("indices[\(place)] is out of range") }
            rows = max(rows, Int(value) + 1)
        }
    }
    return (rows, slice)
}

extension GraphBuilder {
    /// Merges slices of several tensors into one tensor. Each slice becomes the row that its index names (`DynamicStitch`).
    public func dynamicallyStitched(_ indices: [Output], _ data: [Output]) -> Output {
        add("DynamicStitch", indices + data, attributes: ["N": .int(indices.count)])[0]
    }
}

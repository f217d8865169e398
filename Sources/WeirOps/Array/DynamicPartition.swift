public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Distributes slices of `data` over `num_partitions` tensors. `partitions` holds the number of each slice's partition.
    static let dynamicPartition = OpDefinition(
        "DynamicPartition", "(data: T, partitions: int32) -> (outputs: num_partitions * T)", "num_partitions: int >= 1",
        "T: type"
    )
    .shape { c in
        let (data, partitions) = (c.input(0), c.input(1))
        guard let rank = partitions.rank else { return }
        try c.requireRank(0, atLeast: rank)
        if let dimensions = data.dimensions {
            _ = try PartialShape(Array(dimensions[..<rank])).merging(partitions)
            let part = PartialShape([nil]).concatenating(data.dropFirst(rank))
            for index in c.outputs.indices { c.setOutput(index, part) }
        }
    }
    .gradient(dynamicPartitionGradient)
    .kernel(["T": .unquantized], gpu: ["T": [.floatingOrComplex, .index]], make: dynamicPartitionKernel)
    .cuda(dynamicPartitionCUDAKernel)
}

/// The dimensions of the slices that are distributed.
func partitionedSlice(_ data: Shape, _ partitions: Shape) throws -> [Int] {
    guard data.dimensions.starts(with: partitions.dimensions) else {
        throw Status.invalidArgument(
            "data.shape must start with partitions.shape, got data.shape = \(data), partitions.shape = \(partitions)")
    }
    return Array(data.dimensions[partitions.rank...])
}

@Sendable private func dynamicPartitionKernel(_ request: KernelRequest) throws -> Kernel {
    let count = try request.int("num_partitions")
    return .sync { context in
        let (data, partitions) = (context.input(0), context.input(1))
        let slice = try partitionedSlice(data.shape, partitions.shape)
        var rows = [[Int]](repeating: [], count: count)
        for (row, partition) in partitions.elements(Int32.self).enumerated() {
            guard partition >= 0, partition < count else {
                throw Status.invalidArgument(
                    "partitions\(coordinatesText(row, in: partitions.shape)) = \(partition) is not in [0, \(count))")
            }
            rows[Int(partition)].append(row)
        }
        let moves = RowCopy(dtype: data.dtype, width: wrappingProduct(slice))
        for (index, rows) in rows.enumerated() {
            let output = try context.output(index, data.dtype, Shape(validating: [rows.count] + slice))
            guard output.elementCount > 0 else { continue }
            rows.withUnsafeBufferPointer { rows in
                moves.run(rows.count, from: data, to: output, in: context.pool) { (rows[$0], $0) }
            }
        }
    }
}

/// Stitches the gradients of the partitions together in the order of the data.
@Sendable private func dynamicPartitionGradient(_ g: GradientContext) -> [Output?] {
    let (data, partitions) = (g.inputs[0], g.inputs[1])
    let count = g.outputs.count
    let prefix = g.shape(partitions)
    let all = g.op("Range", g.integer(0), g.op("Size", partitions), g.integer(1))
    let places = g.ops(
        "DynamicPartition", [g.op("Reshape", all, prefix), partitions], attributes: ["num_partitions": .int(count)])
    let stitched = g.ops("ParallelDynamicStitch", places + g.outputGradients, attributes: ["N": .int(count)])[0]
    return [g.op("Reshape", stitched, g.shape(data)), nil]
}

extension Output {
    /// Distributes slices of this tensor over `count` tensors. `partitions` holds the number of each slice's partition
    /// (`DynamicPartition`).
    public func dynamicallyPartitioned(_ partitions: Output, count: Int) -> [Output] {
        builder.add("DynamicPartition", [self, partitions], attributes: ["num_partitions": .int(count)]).outputs
    }
}

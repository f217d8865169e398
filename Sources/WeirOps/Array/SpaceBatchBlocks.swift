import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// The order of elements in SpaceToBatchND and BatchToSpaceND. A spatial tensor is cut into blocks. The first elements of all
/// blocks are the first batch, their second elements are the second batch, and so on.
struct SpaceBatchBlocks {
    /// The block sizes, and the margins of the spatial tensor: the paddings of SpaceToBatchND, or the crops of BatchToSpaceND.
    let block: [Int]
    let margins: [(before: Int, after: Int)]

    /// Reads the inputs of the node.
    /// - Parameter marginName: `paddings` or `crops`.
    /// - Throws: `invalidArgument` if they are invalid.
    init(_ block: Tensor, _ margins: Tensor, rank: Int, _ marginName: String) throws {
        guard block.rank == 1 else {
            throw Status.invalidArgument("block_shape rank should be 1 instead of \(block.rank)")
        }
        let count = block.elementCount
        guard rank > count else {
            throw Status.invalidArgument("input rank should be >= \(1 + count) instead of \(rank)")
        }
        guard margins.rank == 2, margins.dimension(0) == count, margins.dimension(1) == 2 else {
            throw Status.invalidArgument("\(marginName) should have shape [\(count), 2] instead of \(margins.shape)")
        }
        try self.init(try block.integers("block_shape"), try margins.integers(marginName), marginName)
    }

    init(_ block: [Int], _ margins: [Int], _ marginName: String) throws {
        self.block = block
        guard margins.count == 2 * block.count else {
            throw Status.invalidArgument("\(marginName) must have \(2 * block.count) numbers, found \(margins.count)")
        }
        var product = 1
        for size in block {
            guard size >= 1 else {
                throw Status.invalidArgument(
                    marginName == "crops"
                        ? "Product of block sizes must be positive, got \(wrappingProduct(block))"
                        : "All values in block_shape must be positive, got value, \(size) at index "
                            + "\(block.firstIndex(of: size) ?? 0).")
            }
            let (next, overflow) = product.multipliedReportingOverflow(by: size)
            guard !overflow else {
                throw Status.invalidArgument("Product of block sizes must be positive, got overflow")
            }
            product = next
        }
        blockProduct = product
        guard margins.allSatisfy({ $0 >= 0 }) else {
            throw Status.invalidArgument("\(marginName == "crops" ? "Crops" : "Paddings") must be non-negative")
        }
        guard margins.allSatisfy({ $0 <= 1 << 60 }) else {
            throw Status.invalidArgument("\(marginName) are too large")
        }
        self.margins = block.indices.map { (margins[2 * $0], margins[2 * $0 + 1]) }
    }
    let blockProduct: Int

    /// Returns the shape of the batches of a spatial tensor.
    /// - Throws: `invalidArgument` if a padded dimension is not divisible by its block size.
    func batched(_ shape: Shape) throws -> Shape {
        var sizes = shape.dimensions
        let (batch, overflow) = sizes[0].multipliedReportingOverflow(by: blockProduct)
        guard !overflow else { throw Status.invalidArgument("batch size overflows") }
        sizes[0] = batch
        for (axis, block) in block.enumerated() {
            let (sum, overflow) = sizes[axis + 1].addingReportingOverflow(margins[axis].before + margins[axis].after)
            guard !overflow else { throw Status.invalidArgument("Paddings are too large") }
            guard sum % block == 0 else {
                throw Status.invalidArgument(
                    "padded_shape[\(axis)]=\(sum) is not divisible by block_shape[\(axis)]=\(block)")
            }
            sizes[axis + 1] = sum / block
        }
        return try Shape(validating: sizes)
    }

    /// Returns the shape of the spatial tensor of batches.
    /// - Throws: `invalidArgument` if the batch dimension is not divisible by `blockProduct`, or the crops are too large.
    func spatial(_ shape: Shape) throws -> Shape {
        var sizes = shape.dimensions
        guard sizes[0] % blockProduct == 0 else {
            throw Status.invalidArgument(
                "Input batch dimension (\(sizes[0])) is not divisible by product of block sizes (\(blockProduct))")
        }
        sizes[0] /= blockProduct
        for (axis, block) in block.enumerated() {
            let (whole, overflow) = sizes[axis + 1].multipliedReportingOverflow(by: block)
            guard !overflow else { throw Status.invalidArgument("cropped_shape[\(axis)] overflows") }
            sizes[axis + 1] = whole - margins[axis].before - margins[axis].after
            guard sizes[axis + 1] >= 0 else {
                throw Status.invalidArgument("cropped_shape[\(axis)]=\(sizes[axis + 1]) must be non-negative")
            }
        }
        return try Shape(validating: sizes)
    }

    /// Copies between a spatial tensor and its batches. The spatial tensor does not hold the margins, so they are skipped.
    func copy(_ spatial: Tensor, _ batched: Tensor, toBatches: Bool, in pool: ComputePool) {
        guard spatial.elementCount > 0, batched.elementCount > 0 else { return }
        let (space, batches) = (spatial.shape.dimensions, batched.shape.dimensions)
        let (spaceStrides, batchStrides) = (StridedCopy.strides(of: space), StridedCopy.strides(of: batches))
        var steps = spaceStrides
        for (axis, block) in block.enumerated() { steps[axis + 1] = spaceStrides[axis + 1] &* block }
        for index in 0..<blockProduct {
            var rest = index
            var (sizes, inSpace, inBatches) = (space, 0, index * space[0] * batchStrides[0])
            for axis in block.indices.reversed() {
                let offset = rest % block[axis] - margins[axis].before
                rest /= block[axis]
                // Of this batch's elements along the axis, those in `first..<end` lie in the spatial tensor.
                let first = offset >= 0 ? 0 : (-offset + block[axis] - 1) / block[axis]
                let end = min(batches[axis + 1], max(0, (space[axis + 1] - offset + block[axis] - 1) / block[axis]))
                sizes[axis + 1] = max(0, end - first)
                inSpace += (first * block[axis] + offset) * spaceStrides[axis + 1]
                inBatches += first * batchStrides[axis + 1]
            }
            guard !sizes.contains(0) else { continue }
            if toBatches {
                StridedCopy(sizes, from: steps, to: batchStrides)
                    .run(from: spatial, skipping: inSpace, to: batched, at: inBatches, in: pool)
            } else {
                StridedCopy(sizes, from: batchStrides, to: steps)
                    .run(from: batched, skipping: inBatches, to: spatial, at: inSpace, in: pool)
            }
        }
    }
}

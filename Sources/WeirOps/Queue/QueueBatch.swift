import WeirKernels
import WeirTensor

extension QueueSpecification {
    /// - Throws: `invalidArgument` when the components have no specified shapes, or a batch of `count` elements is too
    ///   large.
    func requireBatch(of count: Int) throws {
        guard hasShapes else {
            let what = kind == .priority ? "DequeueMany requires" : "DequeueMany and DequeueUpTo require"
            throw Status.invalidArgument("\(label)'s \(what) the components to have specified shapes.")
        }
        for shape in shapes { _ = try batchShape(count, shape.dimensions ?? [], []) }
    }

    /// Returns one tensor for each component, whose rows are the elements. Rows of different shapes are padded with zeros.
    /// - Throws: `invalidArgument` when the result is too large.
    func batch(_ elements: [QueueElement]) throws -> [Tensor] {
        try types.indices.map { component in
            let parts = elements.map { $0[component] }
            let shape = try batchShape(parts.count, shapes[component].dimensions ?? [], parts)
            if shapes[component].isFullyKnown { return try stacked(parts, types[component], shape) }
            let result = try Tensor.zeros(types[component], shape)
            let rowShape = shape.dropFirst()
            for (row, part) in parts.enumerated() {
                part.copyIntoCorner(of: result, row * rowShape.elementCount, rowShape)
            }
            return result
        }
    }

    private func batchShape(_ count: Int, _ dimensions: [Int?], _ parts: [Tensor]) throws -> Shape {
        let row = dimensions.enumerated().map { axis, size in
            size ?? parts.reduce(0) { max($0, $1.dimension(axis)) }
        }
        return try Shape(validating: [count] + row)
    }

    private func stacked(_ parts: [Tensor], _ dtype: DType, _ shape: Shape) throws -> Tensor {
        let result = try Tensor(dtype, shape)
        for (row, part) in parts.enumerated() { result.rows(row..<row + 1).copyElements(from: part) }
        return result
    }
}

extension Tensor {
    /// Copies this tensor to the low corner of the block of shape `block` that starts at element `start` of `target`.
    fileprivate func copyIntoCorner(of target: Tensor, _ start: Int, _ block: Shape) {
        guard elementCount > 0 else { return }
        let width = rank == 0 ? 1 : dimension(rank - 1)
        let strides = block.strides
        var position = [Int](repeating: 0, count: max(rank - 1, 0))
        for run in 0..<elementCount / width {
            var offset = start
            for (axis, index) in position.enumerated() { offset += index * strides[axis] }
            copyRun(run * width, width, to: target, at: offset)
            for axis in position.indices.reversed() {
                position[axis] += 1
                if position[axis] < dimension(axis) { break }
                position[axis] = 0
            }
        }
    }
    private func copyRun(_ start: Int, _ count: Int, to target: Tensor, at offset: Int) {
        func copy<E>(_ type: E.Type) {
            let (source, sink) = (elements(E.self), target.mutableElements(E.self))
            for index in 0..<count { sink[offset + index] = source[start + index] }
        }
        switch dtype {
        case .string: copy(ByteString.self)
        case .resource: copy(ResourceHandle.self)
        case .variant: copy(Variant.self)
        default:
            let size = dtype.byteCount
            let source = UnsafeRawBufferPointer(rebasing: bytes[start * size..<(start + count) * size])
            UnsafeMutableRawBufferPointer(rebasing: target.mutableBytes[offset * size..<(offset + count) * size])
                .copyMemory(from: source)
        }
    }
}

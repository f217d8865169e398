package import WeirDevice
package import WeirGraph
package import WeirTensor

/// Moves elements where the tensors are: on the CPU, or on a card. A kernel that only moves elements is written once, with a mover.
package enum ElementMover: Sendable {
    case host(ComputePool)
    case card(CUDAMover)

    package var isOnCard: Bool { if case .card = self { true } else { false } }

    /// Copies a block between tensors of one dtype. Each offset is the index of the block's first element.
    package func copy(
        _ block: StridedCopy, from source: Tensor, skipping sourceOffset: Int = 0, to target: Tensor, at targetOffset: Int = 0
    ) throws {
        switch self {
        case .host(let pool): block.run(from: source, skipping: sourceOffset, to: target, at: targetOffset, in: pool)
        case .card(let card): try card.copy(block, from: source, skipping: sourceOffset, to: target, at: targetOffset)
        }
    }
    /// Copies all elements of a tensor to one with the same dtype and number of elements.
    package func copy(_ source: Tensor, to target: Tensor) throws {
        switch self {
        case .host: target.copyElements(from: source)
        case .card(let card): try card.device.copy(from: source, to: target)
        }
    }
    /// Sets all elements to zero.
    package func clear(_ target: Tensor) throws {
        switch self {
        case .host: target.clearElements()
        case .card(let card): try card.device.fill(target)
        }
    }
    /// Sets all elements to the one element of `value`, which may be in host memory.
    package func fill(_ target: Tensor, with value: Tensor) throws {
        switch self {
        case .host(let pool): target.fillElements(with: value, in: pool)
        case .card(let card): try card.fill(target, with: value)
        }
    }
    /// Copies between `rows` rows and tensors that hold consecutive parts of each row.
    /// - Parameter parts: the tensors, and the number of elements of a row that each holds.
    package func join(_ parts: [(tensor: Tensor, width: Int)], rows: Int, into whole: Tensor) throws {
        switch self {
        case .host(let pool):
            let total = parts.reduce(0) { $0 + $1.width }
            var offset = 0
            for (part, width) in parts {
                StridedCopy([rows, width], from: [width, 1], to: [total, 1]).run(from: part, to: whole, at: offset, in: pool)
                offset += width
            }
        case .card(let card): try card.exchange(parts, rows: rows, whole, toParts: false)
        }
    }

    /// The output of a kernel that changes an input: the input itself if nobody else holds it, otherwise a copy of it.
    package func outputChanging(_ input: Int, _ context: borrowing KernelContext, _ dtype: DType) throws -> Tensor {
        let source = context.input(input).firstByte
        let output = try context.output(0, dtype, context.shape(input), reusing: input)
        if output.firstByte != source { try copy(context.input(input), to: output) }
        return output
    }

    /// Sets output `index` to a block of a tensor: a view if the block is contiguous, otherwise a copy.
    package func setOutput(
        _ index: Int, _ shape: Shape, _ block: StridedCopy, of source: Tensor, at offset: Int, _ context: borrowing KernelContext
    ) throws {
        switch self {
        case .host: try context.setOutput(index, shape, block, of: source, at: offset)
        case .card(let card):
            let count = shape.elementCount
            // A view keeps the source alive, so a small part of a large tensor is copied.
            if count > 0, block.isContiguous,
                count == source.elementCount || source.byteCount - count * source.dtype.byteCount <= 1 << 20
                    || count * source.dtype.byteCount > 1 << 12
            {
                if count == source.elementCount { return context.setOutput(index, source.shaped(shape)) }
                return context.setOutput(index, source.reshaped(Shape(source.elementCount)).rows(offset..<offset + count).shaped(shape))
            }
            let output = try context.output(index, source.dtype, shape)
            try card.copy(block, from: source, skipping: offset, to: output)
        }
    }
}

/// The body of a kernel that only moves elements.
package typealias MovingBody = @Sendable (borrowing KernelContext, ElementMover) throws -> Void

extension Kernel {
    /// A kernel of the CPU that moves elements.
    package static func moving(_ body: @escaping MovingBody) -> Kernel {
        .sync { context in try body(context, .host(context.pool)) }
    }
}

extension OpDefinition {
    /// Adds a kernel that only moves elements, for the CPU and for CUDA devices.
    package func kernel(
        _ types: [String: DTypeSet] = [:], gpu: [String: DTypeSet], hostMemory: Set<String> = [],
        moving make: @escaping @Sendable (KernelRequest) throws -> MovingBody
    ) -> OpDefinition {
        kernel(types, gpu: gpu, hostMemory: hostMemory) { request in .moving(try make(request)) }.cuda { request in
            let body = try make(request)
            let mover = ElementMover.card(try CUDAMover(request.cudaDevice()))
            return .sync { context in try body(context, mover) }
        }
    }
}

public import WeirGraph
import WeirKernels
public import WeirTensor

extension OpDefinition {
    /// Reinterprets the bytes of a tensor as another dtype. A smaller dtype adds a last dimension; a larger one removes it.
    static let bitcast = OpDefinition(
        "Bitcast", "(input: T) -> (output: type)",
        "T: {bfloat16, half, float, double, int64, int32, uint8, uint16, uint32, uint64, int8, int16, "
            + "complex64, complex128, qint8, quint8, qint16, quint16, qint32}",
        "type: {bfloat16, half, float, double, int64, int32, uint8, uint16, uint32, uint64, int8, int16, "
            + "complex64, complex128, qint8, quint8, qint16, quint16, qint32}"
    )
    .shape(bitcastShape)
    .noGradient()
    .kernel(["T": .bitwise], gpu: ["T": .bitwise], moving: bitcastKernel)
}

@Sendable private func bitcastShape(_ c: inout ShapeContext) throws {
    guard let source = c.attributes.type("T"), let target = c.attributes.type("type") else { return }
    let (from, to) = (source.byteCount, target.byteCount)
    let shape = c.input(0)
    guard let rank = shape.rank else { return }
    if from == to {
        c.setOutput(0, shape)
    } else if from > to {
        c.setOutput(0, shape.concatenating([from / to]))
    } else {
        guard rank > 0 else { throw Status.invalidArgument("Shape must be at least rank 1 but is rank 0") }
        if let last = shape[-1], last != to / from {
            throw Status.invalidArgument(
                "Cannot bitcast from \(source) to \(target) due to shape. \(last) does not match \(to / from)")
        }
        c.setOutput(0, shape.dropLast())
    }
}

@Sendable private func bitcastKernel(_ request: KernelRequest) throws -> MovingBody {
    let (source, target) = (try request.type("T"), try request.type("type"))
    let (from, to) = (source.byteCount, target.byteCount)
    guard from % to == 0 || to % from == 0 else {
        throw Status.invalidArgument("Cannot convert between datatype \(source) and \(target)")
    }
    return { context, mover in
        var input = context.input(0)
        var sizes = input.shape.dimensions
        if from > to {
            sizes.append(from / to)
        } else if from < to {
            guard sizes.popLast() == to / from else {
                throw Status.invalidArgument(
                    "Cannot bitcast from \(source) to \(target): shape \(input.shape)")
            }
        }
        let shape = try Shape(validating: sizes)
        // A view may begin at any byte, but elements of the new dtype must be aligned. An unaligned input is copied.
        if Int(bitPattern: input.firstByte) % to != 0 {
            let copy = try Tensor(source, input.shape, in: context.allocator)
            try mover.copy(input, to: copy)
            input = copy
        }
        context.setOutput(0, source == target ? input : input.bitcast(to: target, shape))
    }
}

extension Output {
    /// Reinterprets the bytes of the tensor as `dtype` (`Bitcast`).
    public func bitcast(to dtype: DType) -> Output {
        builder.add("Bitcast", [self], attributes: ["type": .type(dtype)])[0]
    }
}

public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Outputs the coordinates of the elements that are true or not zero, one row per element.
    static let whereNonzero = OpDefinition(
        "Where", "(input: T) -> (index: int64)",
        "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, "
            + "qint16, quint16, uint16, complex128, half, uint32, uint64, bool} = bool"
    )
    .shape { c in c.setOutput(0, .matrix(nil, c.input(0).rank)) }
    .noGradient()
    .kernel(
        ["T": .numericOrBool], gpu: ["T": [.complex, DTypeSet(.bool, .float32, .float64, .int64, .int8, .uint8)]],
        make: whereKernel
    )
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["input", "index"], make: whereKernel)
    .cuda(whereCUDAKernel)
}

@Sendable private func whereKernel(_ request: KernelRequest) throws -> Kernel {
    try request.type("T") == .bool ? WhereVisitor().visit(UInt8.self) : request.numeric("T", WhereVisitor())
}

private struct WhereVisitor: NumericVisitor {
    func visit<E: NumericElement>(_ type: E.Type) throws -> Kernel {
        .sync { context in
            let shape = context.shape(0)
            guard shape.rank > 0 else { throw Status.invalidArgument("WhereOp : Unhandled input dimensions: 0") }
            let elements = context.elements(0, E.self)
            var count = 0
            for element in elements { count &+= element != E.zero ? 1 : 0 }
            let rank = shape.rank
            let output = try context.output(0, .int64, Shape(validating: [count, rank]))
            guard count > 0 else { return }
            let rows = output.mutableElements(Int64.self)
            let width = shape[rank - 1]
            // All coordinates but the last are the same along a row of the input.
            var position = [Int64](repeating: 0, count: rank)
            var next = 0
            for start in stride(from: 0, to: elements.count, by: width) {
                for column in 0..<width where elements[start &+ column] != E.zero {
                    for axis in 0..<rank - 1 { rows[next &+ axis] = position[axis] }
                    rows[next &+ rank &- 1] = Int64(column)
                    next &+= rank
                }
                var axis = rank - 2
                while axis >= 0 {
                    position[axis] += 1
                    if position[axis] < shape[axis] { break }
                    position[axis] = 0
                    axis -= 1
                }
            }
        }
    }
}

extension Output {
    /// Returns the coordinates of the elements that are true or not zero, one row per element (`Where`).
    public func nonzeroIndices() -> Output { builder.add("Where", [self])[0] }
}

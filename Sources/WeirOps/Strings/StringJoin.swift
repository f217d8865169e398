import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `StringJoin`: joins strings element by element. Scalars are broadcast.
    static let stringJoin = OpDefinition(
        "StringJoin", "(inputs: N * string) -> (output: string)", "N: int >= 0", "separator: string = ''"
    )
    .shape(joinedShape)
    .noGradient()
    .kernel { request in
        let separator = try request.bytes("separator").bytes
        return .sync { context in try join(context, separator) }
    }
}

@Sendable private func joinedShape(_ c: inout ShapeContext) throws {
    var shape = PartialShape.scalar
    for index in 0..<c.inputCount where c.input(index) != .scalar {
        // An input of unknown rank may be a scalar, so that its shape says nothing about the others.
        guard c.input(index).rank != nil else { return c.setOutput(0, .unknown) }
        shape = shape == .scalar ? c.input(index) : try shape.merging(c.input(index))
    }
    c.setOutput(0, shape)
}

private func join(_ context: borrowing KernelContext, _ separator: [UInt8]) throws {
    let inputs = context.inputTensors
    let shape = inputs.first { $0.rank > 0 }?.shape ?? .scalar
    for input in inputs where input.rank > 0 && input.shape != shape {
        throw Status.invalidArgument("Input shapes do not match: \(shape) vs. \(input.shape)")
    }
    let output = try context.output(0, .string, shape).mutableElements(ByteString.self)
    for index in 0..<output.count {
        let size = inputs.reduce(separator.count * max(0, inputs.count - 1)) { sum, input in
            sum &+ input.elements(ByteString.self)[input.rank == 0 ? 0 : index].count
        }
        try MemoryBudget.take(size)
        var text: [UInt8] = []
        text.reserveCapacity(size)
        for (place, input) in inputs.enumerated() {
            if place > 0 { text += separator }
            text += input.elements(ByteString.self)[input.rank == 0 ? 0 : index].bytes
        }
        output[index] = ByteString(text)
    }
}

extension KernelRequest {
    /// Returns a required string attribute as bytes, which need not be UTF-8.
    func bytes(_ name: String) throws -> ByteString { try attributes.bytes(name) ?? ByteString(try string(name)) }
}

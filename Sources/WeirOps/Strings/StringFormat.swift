import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `StringFormat`: replaces the placeholders in a template with tensors.
    static let stringFormat = OpDefinition(
        "StringFormat", "(inputs: T) -> (output: string)", "T: list(type) >= 0", "template: string = '%s'",
        "placeholder: string = '%s'", "summarize: int = 3"
    )
    .shape(ShapeFunctions.scalar)
    .noGradient()
    .kernel { request in
        let parts = splitText(try request.bytes("template").bytes, try request.bytes("placeholder").bytes)
        let limit = try request.int("summarize")
        let count = request.inputTypes.count
        guard parts.count == count + 1 else {
            throw Status.invalidArgument(
                "num placeholders in template and num inputs must match: \(parts.count - 1) vs. \(count)")
        }
        return .sync { context in
            try MemoryBudget.take((0..<context.inputCount).reduce(0) { $0 &+ context.input($1).textSize })
            var text = parts[0]
            for (index, part) in parts.dropFirst().enumerated() {
                TensorText(context.input(index), limit: limit).append(to: &text)
                text += part
            }
            context.setOutput(0, Tensor(ByteString(text)))
        }
    }
}

private func splitText(_ template: [UInt8], _ placeholder: [UInt8]) -> [[UInt8]] {
    // An empty placeholder occurs between all bytes.
    if placeholder.isEmpty { return template.isEmpty ? [[]] : template.map { [$0] } }
    var parts: [[UInt8]] = []
    var start = 0
    while let next = template[start...].firstRange(of: placeholder) {
        parts.append(Array(template[start..<next.lowerBound]))
        start = next.upperBound
    }
    return parts + [Array(template[start...])]
}

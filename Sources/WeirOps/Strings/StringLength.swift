import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `StringLength`: the number of bytes or UTF-8 characters of each string.
    static let stringLength = OpDefinition(
        "StringLength", "(input: string) -> (output: int32)", "unit: {'BYTE', 'UTF8_CHAR'} = 'BYTE'"
    )
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .kernel { request in
        let countsCharacters = try request.string("unit") == "UTF8_CHAR"
        return .sync { context in
            let input = context.input(0)
            let output = try context.output(0, .int32, input.shape).mutableElements(Int32.self)
            for (index, text) in input.elements(ByteString.self).enumerated() {
                let count = countsCharacters ? text.bytes.count { !$0.isUTF8Continuation } : text.count
                output[index] = Int32(clamping: count)
            }
        }
    }
}

import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `RegexReplace`: replaces the matches of a regular expression in each string.
    static let regexReplace = OpDefinition(
        "RegexReplace", "(input: string, pattern: string, rewrite: string) -> (output: string)",
        "replace_global: bool = true"
    )
    .shape { c in
        try c.requireRank(1, 0)
        try c.requireRank(2, 0)
        c.setOutput(0, c.input(0))
    }
    .noGradient()
    .kernel { request in
        let replacesAll = try request.bool("replace_global")
        return .sync { context in
            let expression = try scalarPattern(context, 1, "Pattern")
            let rewrite = context.input(2)
            guard rewrite.rank == 0 else {
                throw Status.invalidArgument("Rewrite must be scalar, but received \(rewrite.shape)")
            }
            let template = RegularExpression.Rewrite(rewrite.elements(ByteString.self)[0])
            try replace(context, expression, template, replacesAll)
        }
    }

    /// `StaticRegexReplace`: like `RegexReplace`, with the pattern and the rewrite in attributes.
    static let staticRegexReplace = OpDefinition(
        "StaticRegexReplace", "(input: string) -> (output: string)", "pattern: string", "rewrite: string",
        "replace_global: bool = true"
    )
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .kernel { request in
        let expression = try regularExpression(try request.bytes("pattern"))
        let template = RegularExpression.Rewrite(try request.bytes("rewrite"))
        let replacesAll = try request.bool("replace_global")
        return .sync { context in try replace(context, expression, template, replacesAll) }
    }
}

private func replace(
    _ context: borrowing KernelContext, _ expression: RegularExpression, _ rewrite: RegularExpression.Rewrite,
    _ replacesAll: Bool
) throws {
    let input = context.input(0)
    let output = try context.output(0, .string, input.shape).mutableElements(ByteString.self)
    var matcher = expression.matcher(isFull: false, context.step.cancellation)
    for (index, text) in input.elements(ByteString.self).enumerated() {
        output[index] = try expression.replacing(text, with: rewrite, all: replacesAll, &matcher)
    }
}

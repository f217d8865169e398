import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Whether all of each string matches a regular expression.
    static let regexFullMatch = OpDefinition("RegexFullMatch", "(input: string, pattern: string) -> (output: bool)")
        .shape { c in
            try c.requireRank(1, 0)
            c.setOutput(0, c.input(0))
        }
        .noGradient()
        .kernel { _ in .sync { context in try match(context, try scalarPattern(context, 1, "Pattern")) } }

    /// As RegexFullMatch, with the expression in an attribute. Savers ask it where a path points to.
    static let staticRegexFullMatch = OpDefinition(
        "StaticRegexFullMatch", "(input: string) -> (output: bool)", "pattern: string"
    )
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .kernel { request in
        let expression = try regularExpression(try request.bytes("pattern"))
        return .sync { context in try match(context, expression) }
    }
}

private func match(_ context: borrowing KernelContext, _ expression: RegularExpression) throws {
    let input = context.input(0)
    let output = try context.output(0, .bool, input.shape).mutableElements(Bool.self)
    var matcher = expression.matcher(isFull: true, context.step.cancellation)
    for (index, text) in input.elements(ByteString.self).enumerated() { output[index] = try expression.matches(text, &matcher) }
}

/// A pattern's expression, or what is wrong with it.
func regularExpression(_ pattern: ByteString) throws -> RegularExpression {
    do { return try RegularExpression(pattern) } catch {
        throw Status.invalidArgument("Invalid pattern: \(pattern), error: \(error.message)")
    }
}

/// The expression in a scalar input.
func scalarPattern(_ context: borrowing KernelContext, _ index: Int, _ what: String) throws -> RegularExpression {
    let pattern = context.input(index)
    guard pattern.rank == 0 else {
        throw Status.invalidArgument("\(what) must be scalar, but received \(pattern.shape)")
    }
    return try regularExpression(pattern.elements(ByteString.self)[0])
}

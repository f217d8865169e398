import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `RegexFullMatch`: whether the whole of each string matches a regular expression.
    static let regexFullMatch = OpDefinition("RegexFullMatch", "(input: string, pattern: string) -> (output: bool)")
        .shape { c in
            try c.requireRank(1, 0)
            c.setOutput(0, c.input(0))
        }
        .noGradient()
        .kernel { _ in .sync { context in try match(context, try scalarPattern(context, 1, "Pattern")) } }

    /// `StaticRegexFullMatch`: like `RegexFullMatch`, with the pattern in an attribute. TensorFlow's savers use it to check
    /// paths.
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

/// Compiles a pattern.
/// - Throws: `invalidArgument` when the pattern is invalid.
func regularExpression(_ pattern: ByteString) throws -> RegularExpression {
    do { return try RegularExpression(pattern) } catch {
        throw Status.invalidArgument("Invalid pattern: \(pattern), error: \(error.message)")
    }
}

/// Compiles the pattern in a scalar input.
func scalarPattern(_ context: borrowing KernelContext, _ index: Int, _ what: String) throws -> RegularExpression {
    let pattern = context.input(index)
    guard pattern.rank == 0 else {
        throw Status.invalidArgument("\(what) must be scalar, but received \(pattern.shape)")
    }
    return try regularExpression(pattern.elements(ByteString.self)[0])
}

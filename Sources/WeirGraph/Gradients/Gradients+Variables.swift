import WeirTensor

extension GraphBuilder {
    /// Adds the gradients of `output` with respect to variables, in the order of the variables.
    ///
    /// All reads of a variable count. Records an error that names the variable if the output does not depend on one of them.
    public func gradients(of output: Output, with variables: [Variable]) -> [Output] {
        let found = gradients(of: [output], with: variables.map(\.handle))
        return zip(variables, found).map { variable, gradient in
            if let gradient { return gradient }
            record(.invalidArgument("gradients: '\(output.name)' does not depend on variable '\(variable.name)'"))
            return variable.value
        }
    }
}

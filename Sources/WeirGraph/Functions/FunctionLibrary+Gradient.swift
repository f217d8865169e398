public import WeirTensor

extension FunctionLibrary {
    /// Adds the gradient function of a function (`SymbolicGradient`). Its arguments are the function's arguments and the
    /// gradients of its results. Its results are the gradients of the arguments, zeros where there is none.
    ///
    /// - Returns: the name of the new function.
    /// - Throws: `notFound` when the function does not exist; the errors of building the gradients.
    package mutating func addGradient(of reference: FunctionReference, registry: OpRegistry) throws(Status) -> String {
        guard let function = self[reference.name] else { throw .notFound("Function \(reference.name) is not defined.") }
        let outer = GraphBuilder(registry: registry)
        outer.addLibrary(self)
        let inputs = try function.schema.ports(function.inputs, Attributes(reference.attributes))
        var body = try BodyGradient(reference, in: outer, inputs: inputs.map { ($0.dtype, .unknown, nil) })
        try body.differentiate(body.results.map { ($0.dtype, $0.shape) }, wanted: Array(inputs.indices))
        let builder = body.body.builder
        var results: [Output] = []
        for (argument, gradient) in zip(body.arguments, body.gradients) {
            guard let result = gradient ?? ControlFlow.zeroGradient(like: argument) else {
                throw .unimplemented("Function \(reference.name): the gradient of a handle is not known")
            }
            results.append(result)
        }
        let made = try body.body.function(
            named: "\(reference.name)_gradient", arguments: body.arguments + body.seeds.compactMap { $0 }, results: results)
        for added in builder.library.functions.values where self[added.name] == nil { try add(added) }
        try add(made)
        return made.name
    }
}

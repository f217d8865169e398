public import WeirGraph
import WeirKernels
public import WeirTensor

extension OpDefinition {
    /// `ReadVariableOp`: the current value of a resource variable. Later changes of the variable do not affect it.
    static let readVariableOp = OpDefinition("ReadVariableOp", "(resource: resource) -> (value: dtype)", "dtype: type")
        .stateful()
        .variable(.read)
        .shape { c in c.setOutput(0, try StateShapes.variable(c)) }
        .sharding { c in
            c.input(0).rank.map { rank in
                let labels = ShardingContext.labels(rank)
                return ShardingRule(inputs: [labels], outputs: [labels])
            }
        }
        .gradient { g in [g.gradient()] }
        .cudaAsOnHost()
        .kernel(gpu: [:], hostMemory: ["resource"]) { request in
            let (dtype, lookup) = (try request.type("dtype"), HandleLookup<ResourceVariable>())
            return .sync { context in
                let handle = context.input(0)
                context.setOutput(0, try readVariable(lookup, handle, dtype, context))
            }
        }

    /// `_ReadVariablesOp`: the values of several variables. Graph optimizers make it from several nodes.
    static let readVariablesOp = OpDefinition(
        "_ReadVariablesOp", "(resources: N * resource) -> (values: dtypes)", "N: int >= 0", "dtypes: list(type) >= 1"
    )
    .stateful()
    .shape { c in
        for index in c.outputs.indices { c.setOutput(index, c.handle(index)?.shape ?? .unknown) }
    }
    .gradient { g in g.gradients }
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["resources"]) { request in
        let dtypes = try request.types("dtypes")
        guard try request.int("N") == dtypes.count else {
            throw Status.invalidArgument(
                "Mismatched number of arguments to ReadVariablesOp (\(try request.int("N")) vs. \(dtypes.count))")
        }
        let lookups = dtypes.map { _ in HandleLookup<ResourceVariable>() }
        return .sync { context in
            for (index, lookup) in lookups.enumerated() {
                context.setOutput(index, try readVariable(lookup, context.input(index), dtypes[index], context))
            }
        }
    }

    /// `VariableShape`: the shape of a variable's value.
    static let variableShape = OpDefinition(
        "VariableShape", "(input: resource) -> (output: out_type)", "out_type: {int32, int64} = int32"
    )
    .stateful()
    .shape { c in c.setOutput(0, .vector(c.handle(0)?.shape.rank)) }
    .sharding { c in
        guard let rank = c.input(0).rank else { return nil }
        let labels = ShardingContext.labels(rank)
        return ShardingRule(inputs: [labels], outputs: [[]]).fromOnePart { local in
            local.outputs(local.inputs).map { local.op("Mul", $0, local.constant(labels.map(local.partCount), $0.dtype)) }
        }
    }
    .noGradient()
    .kernel(["out_type": .index], gpu: ["out_type": .index], hostMemory: ["input", "output"]) { request in
        let (narrow, lookup) = (try request.type("out_type") == .int32, HandleLookup<ResourceVariable>())
        return .sync { context in
            let handle = context.input(0)
            let dimensions = try lookup.find(handle, context).cell.read().shape.dimensions
            let output =
                narrow ? Tensor(dimensions.map { Int32(truncatingIfNeeded: $0) }) : Tensor(dimensions.map { Int64($0) })
            context.setOutput(0, output)
        }
    }
}

/// - Throws: `failedPrecondition` when the variable does not exist or has no value. The message contains "uninitialized",
///   from which clients conclude that a restarted task must be initialized again.
private func readVariable(
    _ lookup: HandleLookup<ResourceVariable>, _ handle: Tensor, _ dtype: DType, _ context: borrowing KernelContext
) throws -> Tensor {
    let variable: ResourceVariable
    do {
        variable = try lookup.find(handle, context)
    } catch {
        let status = Status(error)
        guard status.code == .notFound else { throw status }
        throw missing(try HandleLookup<ResourceVariable>.element(handle), status.message)
    }
    try variable.require(dtype)
    guard let value = variable.cell.value else {
        throw missing(try HandleLookup<ResourceVariable>.element(handle), "The variable has no value.")
    }
    return value
}

private func missing(_ handle: ResourceHandle, _ reason: String) -> Status {
    .failedPrecondition(
        "Could not find variable \(handle.name). This could mean that the variable has been deleted. In TF1, it can "
            + "also mean the variable is uninitialized. Debug info: container=\(handle.container), status error "
            + "message=\(reason)")
}

extension Output {
    /// Returns the value of the variable of this handle (`ReadVariableOp`).
    ///
    /// - Parameter dtype: the dtype of the variable, if the handle does not carry it.
    public func readVariable(_ dtype: DType? = nil) -> Output {
        let dtype = dtype ?? builder.handleShape(endpoint)?.dtype ?? .float32
        return builder.add("ReadVariableOp", [self], attributes: ["dtype": .type(dtype)])[0]
    }
    /// Returns the shape of the variable of this handle (`VariableShape`).
    public func variableShape() -> Output { builder.add("VariableShape", [self])[0] }
}

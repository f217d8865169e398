public import WeirGraph
import WeirKernels
public import WeirTensor

// Conditional accumulators. The older ops take a reference to two strings, the newer a resource handle.

extension OpDefinition {
    /// `ConditionalAccumulator`: an accumulator of dense gradients.
    static let conditionalAccumulator = accumulator(
        "ConditionalAccumulator", "() -> (handle: Ref(string))", isSparse: false)
    static let resourceConditionalAccumulator = accumulator(
        "ResourceConditionalAccumulator", "() -> (handle: resource)", isSparse: false)
    /// `SparseConditionalAccumulator`: an accumulator of sparse gradients, which consist of some rows.
    static let sparseConditionalAccumulator = accumulator(
        "SparseConditionalAccumulator", "() -> (handle: Ref(string))", isSparse: true)

    /// `AccumulatorApplyGradient`: adds a gradient. A gradient whose `local_step` is below the accumulator's global step is
    /// dropped.
    static let accumulatorApplyGradient = accumulatorOp(
        "AccumulatorApplyGradient", "(handle: Ref(string), local_step: int64, gradient: dtype) -> ()",
        ["dtype: \(StateTypes.numbers)"], make: applyKernel)
    static let resourceAccumulatorApplyGradient = accumulatorOp(
        "ResourceAccumulatorApplyGradient", "(handle: resource, local_step: int64, gradient: dtype) -> ()",
        ["dtype: \(StateTypes.numbers)"], make: applyKernel
    ).stateful()
    static let sparseAccumulatorApplyGradient = accumulatorOp(
        "SparseAccumulatorApplyGradient",
        "(handle: Ref(string), local_step: int64, gradient_indices: int64, gradient_values: dtype, "
            + "gradient_shape: int64) -> ()",
        ["dtype: \(StateTypes.numbers)", "has_known_shape: bool"], make: sparseApplyKernel)

    /// `AccumulatorTakeGradient`: the mean or sum of the gradients; waits until there are enough. It resets the accumulator
    /// and increments its global step.
    static let accumulatorTakeGradient = accumulatorOp(
        "AccumulatorTakeGradient", "(handle: Ref(string), num_required: int32) -> (average: dtype)",
        ["dtype: \(StateTypes.numbers)"], make: takeKernel
    ).blocking()
    static let resourceAccumulatorTakeGradient = accumulatorOp(
        "ResourceAccumulatorTakeGradient", "(handle: resource, num_required: int32) -> (average: dtype)",
        ["dtype: \(StateTypes.numbers)"], make: takeKernel
    ).blocking().stateful()
    static let sparseAccumulatorTakeGradient = accumulatorOp(
        "SparseAccumulatorTakeGradient",
        "(handle: Ref(string), num_required: int32) -> (indices: int64, values: dtype, shape: int64)",
        ["dtype: \(StateTypes.numbers)"], make: takeKernel
    ).blocking().shape { c in
        c.setOutput(0, .vector(nil))
        c.setOutput(2, .vector(nil))
    }

    /// `AccumulatorSetGlobalStep`: sets the global step. Gradients of earlier steps are dropped.
    static let accumulatorSetGlobalStep = accumulatorOp(
        "AccumulatorSetGlobalStep", "(handle: Ref(string), new_global_step: int64) -> ()", [], make: setStepKernel)
    static let resourceAccumulatorSetGlobalStep = accumulatorOp(
        "ResourceAccumulatorSetGlobalStep", "(handle: resource, new_global_step: int64) -> ()", [], make: setStepKernel
    ).stateful()

    /// `AccumulatorNumAccumulated`: the number of gradients in an accumulator.
    static let accumulatorNumAccumulated = accumulatorOp(
        "AccumulatorNumAccumulated", "(handle: Ref(string)) -> (num_accumulated: int32)", [], make: countKernel
    ).shape(ShapeFunctions.scalar)
    static let resourceAccumulatorNumAccumulated = accumulatorOp(
        "ResourceAccumulatorNumAccumulated", "(handle: resource) -> (num_accumulated: int32)", [], make: countKernel
    ).stateful().shape(ShapeFunctions.scalar)
}

private func accumulator(_ name: String, _ signature: String, isSparse: Bool) -> OpDefinition {
    let isOld = signature.firstRange(of: "Ref") != nil
    return OpDefinition(
        name, signature, "dtype: \(StateTypes.numbers)", "shape: shape", "container: string = ''",
        "shared_name: string = ''", "reduction_type: {'MEAN', 'SUM'} = 'MEAN'"
    )
    .stateful()
    .shape { c in c.setOutput(0, isOld ? .vector(2) : .scalar) }
    .noGradient()
    .kernel(["dtype": .floating]) { request in
        let (dtype, shape) = (try request.type("dtype"), try request.shape("shape"))
        let takesMean = try request.string("reduction_type") == "MEAN"
        let resource = try NodeResource(request, nodeNameIsShared: false) { name in
            GradientAccumulator(
                name: name.name, dtype: dtype, shape: shape, isSparse: isSparse, takesMean: takesMean)
        }
        let (text, handle) = (resource.stringHandle(request), resource.handle(request))
        return .sync { context in
            _ = try resource.get()
            if isOld { context.setOutput(0, reference: text) } else { context.setOutput(0, handle) }
        }
    }
}

private func accumulatorOp(
    _ name: String, _ signature: String, _ attributes: [String], make: @escaping KernelFactory.Make
) -> OpDefinition {
    OpDefinition(name, signature, attributes: attributes).shape(ShapeFunctions.unknown).noGradient().kernel(make: make)
}

/// - Throws: `invalidArgument` when input `index` is not a scalar.
private func scalar<E>(_ context: borrowing KernelContext, _ index: Int, _ name: String, _ type: E.Type) throws -> E {
    let shape = context.shape(index)
    guard shape.rank == 0 else {
        throw Status.invalidArgument("Argument \(name) must be scalar, but had bad shape \(shape)")
    }
    return context.elements(index, E.self)[0]
}

@Sendable private func applyKernel(_ request: KernelRequest) -> Kernel {
    let handle = ResourceInput<GradientAccumulator>(request)
    return .sync { context in
        let accumulator = try handle.find(context)
        let step = try scalar(context, 1, "local_step", Int64.self)
        try accumulator.apply(.dense(try context.input(2).snapshot()), localStep: step, context.pool)
    }
}

@Sendable private func sparseApplyKernel(_ request: KernelRequest) throws -> Kernel {
    let handle = ResourceInput<GradientAccumulator>(request)
    let knowsShape = try request.bool("has_known_shape")
    return .sync { context in
        let accumulator = try handle.find(context)
        let step = try scalar(context, 1, "local_step", Int64.self)
        let gradient = Gradient.sparse(
            indices: try context.input(2).snapshot(), values: try context.input(3).snapshot(), shape: knowsShape ? context.input(4) : nil)
        try accumulator.apply(gradient, localStep: step, context.pool)
    }
}

@Sendable private func takeKernel(_ request: KernelRequest) throws -> Kernel {
    let handle = ResourceInput<GradientAccumulator>(request)
    let (dtype, isSparse) = (try request.type("dtype"), request.outputTypes.count > 1)
    return .async { context, done in
        do {
            let accumulator = try handle.find(context)
            let required = Int(try scalar(context, 1, "num_required", Int32.self))
            guard required > 0 else {
                throw Status.invalidArgument("Argument num_required must be positive, but was \(required)")
            }
            guard accumulator.dtype == dtype, accumulator.isSparse == isSparse else {
                throw Status.invalidArgument(
                    "Accumulator '\(accumulator.name)' gives \(accumulator.isSparse ? "sparse" : "dense") gradients of "
                        + "type \(accumulator.dtype), not \(isSparse ? "sparse" : "dense") ones of type \(dtype)")
            }
            accumulator.take(required, context.pool, context.step.cancellation, done)
        } catch {
            done(.failure(Status(error)))
        }
    }
}

@Sendable private func setStepKernel(_ request: KernelRequest) -> Kernel {
    let handle = ResourceInput<GradientAccumulator>(request)
    return .sync { context in
        let accumulator = try handle.find(context)
        accumulator.setGlobalStep(try scalar(context, 1, "new_global_step", Int64.self))
    }
}

@Sendable private func countKernel(_ request: KernelRequest) -> Kernel {
    let handle = ResourceInput<GradientAccumulator>(request)
    return .sync { context in
        let count = try handle.find(context).count
        context.setOutput(0, Tensor(Int32(clamping: count)))
    }
}

extension GraphBuilder {
    /// Adds an accumulator for the gradients of several workers (`ResourceConditionalAccumulator`).
    /// - Parameter takesMean: whether the result is the mean of the gradients, or their sum.
    public func conditionalAccumulator(
        _ dtype: DType, _ shape: PartialShape, sharedName: String = "", takesMean: Bool = true,
        name: String = "conditional_accumulator"
    ) -> Output {
        add(
            "ResourceConditionalAccumulator", name: name,
            attributes: [
                "dtype": .type(dtype), "shape": .shape(shape), "shared_name": .string(sharedName),
                "reduction_type": .string(takesMean ? "MEAN" : "SUM"),
            ])[0]
    }
}

extension Output {
    /// Adds a gradient to the accumulator of this handle, unless `localStep` is below its global step.
    @discardableResult
    public func applyGradient(_ gradient: Output, localStep: Output) -> Operation {
        builder.add("ResourceAccumulatorApplyGradient", [self, localStep, gradient])
    }
    /// Returns the mean or sum of the accumulator's gradients. The node waits until there are `count` of them.
    public func takeGradient(_ count: Output, _ dtype: DType) -> Output {
        builder.add("ResourceAccumulatorTakeGradient", [self, count], attributes: ["dtype": .type(dtype)])[0]
    }
    /// Sets the global step. Gradients of earlier steps are dropped.
    @discardableResult
    public func setGlobalStep(_ step: Output) -> Operation {
        builder.add("ResourceAccumulatorSetGlobalStep", [self, step])
    }
    /// Returns the number of gradients in the accumulator, an `int32` scalar.
    public func accumulatedCount() -> Output { builder.add("ResourceAccumulatorNumAccumulated", [self])[0] }
}

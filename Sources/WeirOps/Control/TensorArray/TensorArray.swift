import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `TensorArrayV3`: creates a new tensor array at every execution.
    static let tensorArrayV3 = OpDefinition(
        "TensorArrayV3", "(size: int32) -> (handle: resource, flow: float)", "dtype: type",
        "element_shape: shape = {unknown}", "dynamic_size: bool = false", "clear_after_read: bool = true",
        "identical_element_shapes: bool = false", "tensor_array_name: string = ''"
    )
    .stateful()
    .shape { c in
        try c.requireRank(0, 0)
        c.setOutput(0, .vector(2))
        c.setOutput(1, .scalar)
        let shape = c.attributes.shape("element_shape") ?? .unknown
        if let dtype = c.attributes.type("dtype"),
            shape.dimensions?.contains(nil) == false || c.attributes.bool("identical_element_shapes") == true
        {
            c.setHandle(0, dtype, shape)
        }
    }
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["size", "handle"], make: tensorArrayKernel)

    static let tensorArrayV2 = OpDefinition(
        "TensorArrayV2", "(size: int32) -> (handle: string)", "dtype: type", "element_shape: shape = {unknown}",
        "dynamic_size: bool = false", "clear_after_read: bool = true", "tensor_array_name: string = ''"
    )
    .stateful()
    .shape { $0.setOutput(0, .vector(2)) }
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["size", "handle"], make: tensorArrayKernel)

    static let tensorArrayV1 = OpDefinition(
        "TensorArray", "(size: int32) -> (handle: Ref(string))", "dtype: type", "dynamic_size: bool = false",
        "clear_after_read: bool = true", "tensor_array_name: string = ''", "element_shape: shape = {unknown}"
    )
    .stateful()
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["size", "handle"], make: tensorArrayKernel)

    /// `TensorArraySizeV3`: the number of elements.
    static let tensorArraySizeV3 = tensorArraySize(.third)
    static let tensorArraySizeV2 = tensorArraySize(.second)
    static let tensorArraySizeV1 = tensorArraySize(.first)

    private static func tensorArraySize(_ version: TensorArrayVersion) -> OpDefinition {
        OpDefinition("TensorArraySize", version, "(handle: HANDLE, flow_in: float) -> (size: int32)")
            .shape(ShapeFunctions.scalar)
            .noGradient()
            .cudaAsOnHost()
            .kernel(gpu: [:], hostMemory: ["handle", "size"]) { request in
                let input = request.tensorArrayInput
                return .sync { context in
                    let count = try input.find(context).withState { state throws -> Int in
                        try state.requireOpen()
                        return state.count
                    }
                    context.setOutput(0, Tensor(Int32(clamping: count)))
                }
            }
    }

    /// `TensorArrayCloseV3`: closes a tensor array and releases its elements.
    static let tensorArrayCloseV3 = tensorArrayClose(.third)
    static let tensorArrayCloseV2 = tensorArrayClose(.second)
    static let tensorArrayCloseV1 = tensorArrayClose(.first)

    private static func tensorArrayClose(_ version: TensorArrayVersion) -> OpDefinition {
        OpDefinition("TensorArrayClose", version, "(handle: HANDLE) -> ()")
            .noGradient()
            .cudaAsOnHost()
            .kernel(gpu: [:], hostMemory: ["handle"]) { request in
                let input = request.tensorArrayInput
                return .sync { context in try input.find(context).close() }
            }
    }
}

@Sendable private func tensorArrayKernel(_ request: KernelRequest) throws -> Kernel {
    let dtype = try request.type("dtype"), shape = try request.shape("element_shape").validatedSize()
    let isDynamic = try request.bool("dynamic_size"), clearsAfterRead = try request.bool("clear_after_read")
    let hasIdenticalShapes = request.attributes.bool("identical_element_shapes") ?? false
    let given = try request.string("tensor_array_name")
    let base = given.isEmpty ? request.name : given
    let output = StepResourceOutput(request)
    return .sync { context in
        let size = context.input(0)
        guard size.rank == 0 else {
            throw Status.invalidArgument("TensorArray size must be scalar, but had shape: \(size.shape)")
        }
        let count = Int(size.elements(Int32.self)[0])
        guard count >= 0 else { throw Status.invalidArgument("Size should be >= 0.") }
        let array = TensorArrayResource(
            TensorArrayState(
                name: "\(base)_\(context.step.nextResourceNumber())", dtype: dtype, count: count, elementShape: shape,
                isDynamic: isDynamic, clearsAfterRead: clearsAfterRead, hasIdenticalShapes: hasIdenticalShapes))
        try context.step.resources.create(array, name: TensorArrayResource.container + array.name)
        output.put(array, container: TensorArrayResource.container, name: array.name, context)
        if context.outputCount > 1 { context.setOutput(1, try .zeros(.float32, .scalar, in: context.allocator)) }
    }
}

import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Outputs a constant, the attribute `value`.
    static let const = OpDefinition("Const", "() -> (output: dtype)", "value: tensor", "dtype: type")
        .role(.constant)
        .shape(constantShape)
        .knownValue { c in c.attributes.tensor("value").flatMap { $0.dtype == c.outputType ? .tensor($0) : nil } }
        .noGradient()
        .kernel(gpu: ["dtype": [.gpuMovable, .quantized, DTypeSet(.variant)]], make: constantKernel)
        .kernel(["dtype": .int32], gpu: ["dtype": .int32], hostMemory: ["output"], make: constantKernel)

    /// Like `Const`, but the output is in host memory on every device.
    static let hostConst = OpDefinition("HostConst", "() -> (output: dtype)", "value: tensor", "dtype: type")
        .role(.constant)
        .shape(constantShape)
        .knownValue { c in c.attributes.tensor("value").flatMap { $0.dtype == c.outputType ? .tensor($0) : nil } }
        .noGradient()
        .kernel(gpu: [:], hostMemory: ["output"], make: constantKernel)
}

@Sendable private func constantShape(_ c: inout ShapeContext) {
    if let value = c.attributes.tensor("value") { c.setOutput(0, PartialShape(value.shape)) }
}

@Sendable private func constantKernel(_ request: KernelRequest) throws -> Kernel {
    let value = try constantValue(request)
    return .sync { context in context.setOutput(0, value) }
}

/// Returns the value in the memory in which the kernel outputs it. The upload to the device happens once, when the kernel is
/// made, so that a step copies nothing.
private func constantValue(_ request: KernelRequest) throws -> Tensor {
    let value = try request.tensor("value")
    let dtype = try request.type("dtype")
    guard value.dtype == dtype else {
        throw Status.invalidArgument("Type mismatch between value (\(value.dtype)) and dtype (\(dtype))")
    }
    let device = request.place.device
    let staysOnHost = device.isHost || !dtype.isBitwise || dtype == .int32 || request.op.name == "HostConst"
    return staysOnHost ? value : try device.upload(value)
}

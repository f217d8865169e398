import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// A value that is part of the graph.
    static let const = OpDefinition("Const", "() -> (output: dtype)", "value: tensor", "dtype: type")
        .role(.constant)
        .shape(constantShape)
        .knownValue { c in c.attributes.tensor("value").flatMap { $0.dtype == c.outputType ? .tensor($0) : nil } }
        .noGradient()
        .kernel(gpu: ["dtype": [.gpuMovable, .quantized, DTypeSet(.variant)]], make: constantKernel)
        .kernel(["dtype": .int32], gpu: ["dtype": .int32], hostMemory: ["output"], make: constantKernel)

    /// A value that is part of the graph, in host memory wherever the node is.
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

/// The value where the device wants it, so that a step copies nothing.
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

public import WeirGraph
import WeirKernels
public import WeirTensor

extension OpDefinition {
    /// Stands for a value that each step must feed.
    static let placeholder = OpDefinition(
        "Placeholder", "() -> (output: dtype)", "dtype: type", "shape: shape = {unknown}"
    )
    .role(.placeholder)
    .shape(placeholderShape)
    .noGradient()
    .kernel(gpu: [:], make: placeholderKernel)

    static let placeholderV2 = OpDefinition("PlaceholderV2", "() -> (output: dtype)", "dtype: type", "shape: shape")
        .role(.placeholder)
        .shape(placeholderShape)
        .noGradient()
        .kernel(gpu: [:], make: placeholderKernel)

    /// Forwards its input, unless a step feeds another value.
    static let placeholderWithDefault = OpDefinition(
        "PlaceholderWithDefault", "(input: dtype) -> (output: dtype)", "dtype: type", "shape: shape"
    )
    .role(.placeholder)
    .shape { c in
        let shape = c.attributes.shape("shape") ?? .unknown
        // The input must fit the attribute. A fed value may have another shape than the input, so only the attribute is certain.
        _ = try c.input(0).merging(shape)
        c.setOutput(0, shape)
    }
    .gradient { g in [g.gradient()] }
    .kernel(gpu: ["dtype": [.gpuMovable, DTypeSet(.variant)]]) { _ in forwardInputKernel }
    .kernel(
        ["dtype": DTypeSet(.int32, .string, .resource)], gpu: ["dtype": DTypeSet(.int32, .string, .resource)],
        hostMemory: ["input", "output"]
    ) { _ in forwardInputKernel }
}

@Sendable private func placeholderShape(_ c: inout ShapeContext) {
    c.setOutput(0, c.attributes.shape("shape") ?? .unknown)
}

@Sendable private func placeholderKernel(_ request: KernelRequest) throws -> Kernel {
    let dtype = try request.type("dtype")
    let shape = try request.shape("shape")
    var message = "You must feed a value for placeholder tensor '\(request.name)' with dtype \(dtype)"
    if let rank = shape.rank, rank > 0 { message += " and shape \(shape)" }
    let status = Status.invalidArgument(message)
    return .sync { _ in throw status }
}

extension GraphBuilder {
    /// Adds a placeholder that each step must feed (`Placeholder`).
    public func placeholder(_ dtype: DType, shape: PartialShape = .unknown, name: String? = nil) -> Output {
        add("Placeholder", name: name, attributes: ["dtype": .type(dtype), "shape": .shape(shape)])[0]
    }
    /// Adds a placeholder that a step may feed. It outputs `value` otherwise (`PlaceholderWithDefault`).
    public func placeholder(default value: Output, shape: PartialShape = .unknown, name: String? = nil) -> Output {
        add("PlaceholderWithDefault", [value], name: name, attributes: ["shape": .shape(shape)])[0]
    }
}

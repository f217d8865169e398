import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `TensorArrayGradV3`: the array that accumulates the gradients of a tensor array.
    static let tensorArrayGradV3 = OpDefinition(
        "TensorArrayGradV3", "(handle: resource, flow_in: float) -> (grad_handle: resource, flow_out: float)",
        "source: string"
    )
    .stateful()
    .shape { c in
        c.setOutput(0, .vector(2))
        c.setOutput(1, .scalar)
        if let element = c.handle(0) { c.setHandle(0, element.dtype, element.shape) }
    }
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["handle", "grad_handle"], make: tensorArrayGradientKernel)

    /// `TensorArrayGradWithShape`: like `TensorArrayGradV3`, but with `shape_to_prepend` before the shape of each element.
    static let tensorArrayGradWithShape = OpDefinition(
        "TensorArrayGradWithShape",
        "(handle: resource, flow_in: float, shape_to_prepend: int32) -> (grad_handle: resource, flow_out: float)",
        "source: string"
    )
    .stateful()
    .shape { c in
        c.setOutput(0, .vector(2))
        c.setOutput(1, .scalar)
        guard let element = c.handle(0) else { return }
        let prefix = c.input(2)[0].map { PartialShape.ofRank(min($0, Shape.maximumRank)) } ?? .unknown
        c.setHandle(0, element.dtype, prefix.concatenating(element.shape))
    }
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["handle", "shape_to_prepend", "grad_handle"], make: tensorArrayGradientKernel)

    static let tensorArrayGradV2 = OpDefinition(
        "TensorArrayGradV2", "(handle: string, flow_in: float) -> (grad_handle: string)", "source: string"
    )
    .stateful()
    .shape { $0.setOutput(0, .vector(2)) }
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["handle", "grad_handle"], make: tensorArrayGradientKernel)

    static let tensorArrayGradV1 = OpDefinition(
        "TensorArrayGrad", "(handle: string, flow_in: float) -> (grad_handle: Ref(string))", "source: string"
    )
    .stateful()
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["handle", "grad_handle"], make: tensorArrayGradientKernel)
}

@Sendable private func tensorArrayGradientKernel(_ request: KernelRequest) throws -> Kernel {
    let input = request.tensorArrayInput
    let source = try request.string("source")
    let output = StepResourceOutput(request)
    return .sync { context in
        let forward = try input.find(context)
        guard !forward.isGradient else {
            throw Status.invalidArgument(
                "Wrong input container. \(TensorArrayResource.gradientContainer)\(forward.name)")
        }
        let prefix = context.inputCount > 2 ? try context.input(2).shapeValue("shape_to_prepend") : nil
        let gradient = try forward.gradient(source: source, prepending: prefix)
        let name = TensorArrayResource.gradientContainer + gradient.name
        if context.step.resources.find(TensorArrayResource.self, name: name) == nil {
            // Two nodes may run this at the same time. They have the same array, so the second `create` may fail.
            try? context.step.resources.create(gradient, name: name)
        }
        output.put(gradient, container: TensorArrayResource.gradientContainer, name: gradient.name, context)
        if context.outputCount > 1 { context.setOutput(1, try .zeros(.float32, .scalar, in: context.allocator)) }
    }
}

/// Adds the gradient array of the array that the node of `g` uses.
///
/// - Parameters:
///   - flow: orders the gradient array after the ops that determine the size of the array.
///   - source: a gradient. Its name scope tells different differentiations of one graph apart.
func tensorArrayGradient(_ g: GradientContext, flow: Output, source: Output) -> (handle: Output, flow: Output) {
    let outputs = g.ops(
        "TensorArrayGradV3", [g.inputs[0], flow], attributes: ["source": .string(gradientSource(source))])
    return outputs.count == 2 ? (outputs[0], outputs[1]) : (flow, flow)
}

/// Returns the name scope up to the last part that begins with `gradients`.
private func gradientSource(_ gradient: Output) -> String {
    let parts = gradient.nodeName.split(separator: "/")
    guard let last = parts.lastIndex(where: { $0.hasPrefix("gradients") }) else { return "gradients" }
    return parts[...last].joined(separator: "/")
}

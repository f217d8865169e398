public import WeirGraph
import WeirKernels
public import WeirTensor

extension OpDefinition {
    /// Forwards its input. Fails if the input's shape is not compatible with the attribute `shape`.
    static let ensureShape = OpDefinition("EnsureShape", "(input: T) -> (output: T)", "shape: shape", "T: type")
        .passing(.check)
        .shape { c in c.setOutput(0, try c.input(0).merging(c.attributes.shape("shape") ?? .unknown)) }
        .gradient { g in [g.gradient()] }
        .kernel(
            gpu: ["T": [.numeric.subtracting(.int32), DTypeSet(.variant)]], make: ensureShapeKernel
        )
        .kernel(
            ["T": DTypeSet(.int32, .bool, .string, .resource)], gpu: ["T": DTypeSet(.int32, .bool, .string, .resource)],
            hostMemory: ["input", "output"], make: ensureShapeKernel
        )
        .cudaAsOnHost()
}

@Sendable private func ensureShapeKernel(_ request: KernelRequest) throws -> Kernel {
    let expected = try request.shape("shape")
    let name = request.name
    return .sync { context in
        let shape = context.shape(0)
        guard expected.isCompatible(with: shape) else {
            throw Status.invalidArgument(
                "Shape of tensor \(name) \(shape) is not compatible with expected shape \(expected).")
        }
        context.setOutput(0, slot: context.slot(0))
    }
}

extension Output {
    /// Forwards the tensor. The step fails if its shape is not compatible with `shape` (`EnsureShape`).
    public func ensuringShape(_ shape: PartialShape) -> Output {
        builder.add("EnsureShape", [self], attributes: ["shape": .shape(shape)])[0]
    }
}

import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

// Ops that forward their inputs.

/// A kernel that forwards input 0 to output 0 without a copy. This is safe because no kernel writes to a shared tensor.
let forwardInputKernel = Kernel.sync { context in context.setOutput(0, slot: context.slot(0)) }

extension OpDefinition {
    /// Forwards its input.
    static let identity = passing("Identity", .identity).gradient { g in [g.gradient()] }
    /// Forwards its input. No gradient flows through it.
    static let stopGradient = passing("StopGradient", .value).noGradient()
    /// Forwards its input. Asking for its gradient is an error.
    static let preventGradient = OpDefinition(
        "PreventGradient", "(input: T) -> (output: T)", "T: type", "message: string = ''"
    )
    .passing(.value)
    .sharding(ShardingRule.linearElementwise)
    .knownValue { c in c.input(0) }
    .shape(passedShape)
    .gradient { g in
        throw Status.notFound("Gradient explicitly disabled. Reason: \(g.attributes.string("message") ?? "")")
    }
    .kernel(gpu: ["T": [.gpuMovable, DTypeSet(.variant)]]) { _ in forwardInputKernel }

    /// Forwards a reference to a variable, not the variable's value.
    static let refIdentity = OpDefinition("RefIdentity", "(input: Ref(T)) -> (output: Ref(T))", "T: type")
        .allowingUninitializedInput()
        .shape(ShapeFunctions.unchanged)
        .gradient { g in [g.gradient()] }
        .kernel(gpu: ["T": [.gpuMovable, DTypeSet(.variant)]]) { _ in forwardInputKernel }
        .kernel(
            ["T": DTypeSet(.int32, .string, .resource)], gpu: ["T": DTypeSet(.int32, .string, .resource)],
            hostMemory: ["input", "output"]
        ) { _ in forwardInputKernel }

    /// Forwards several tensors.
    static let identityN = OpDefinition("IdentityN", "(input: T) -> (output: T)", "T: list(type) >= 1")
        .passing(.each)
        .shape { c in
            for index in c.outputs.indices {
                c.setOutput(index, c.input(index))
                c.passHandle(from: index, to: index)
            }
        }
        .gradient { g in g.gradients }
        .kernel(gpu: [:]) { _ in
            .sync { context in
                for index in 0..<context.inputCount { context.setOutput(index, slot: context.slot(index)) }
            }
        }

    /// Outputs the current value of its input. A copy is made only of a reference variable's memory, which may be updated later.
    static let snapshot = OpDefinition("Snapshot", "(input: T) -> (output: T)", "T: type")
        .passing(.copy)
        .sharding(ShardingRule.linearElementwise)
        .shape(ShapeFunctions.unchanged)
        .gradient { g in [g.gradient()] }
        .kernel(["T": .numericOrBool], gpu: ["T": .numericOrBool]) { _ in
            .sync { context in context.setOutput(0, try context.input(0).snapshot()) }
        }
        .cuda { request in
            let device = try request.cudaDevice()
            return .sync { context in
                // The tensor may be in host memory: the node passes memory of either kind on.
                let input = context.input(0)
                guard device.holds(input) else { return context.setOutput(0, try input.snapshot()) }
                try device.copy(from: input, to: try context.output(0, input.dtype, input.shape))
            }
        }

    /// Forwards its input, which the client guarantees to be a constant.
    static let guaranteeConst = OpDefinition("GuaranteeConst", "(input: T) -> (output: T)", "T: type")
        .stateful()
        .shape(passedShape)
        .noGradient()
        .kernel { _ in forwardInputKernel }

    /// Copies a tensor to memory of its own.
    static let deepCopy = OpDefinition("DeepCopy", "(x: T) -> (y: T)", "T: type")
        .stateful()
        .shape(ShapeFunctions.unchanged)
        .noGradient()
        .kernel(gpu: ["T": [.floating, DTypeSet(.int64, .int8, .uint64, .uint8)]], moving: deepCopyKernel)
        .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["x", "y"], moving: deepCopyKernel)

    private static func passing(_ name: String, _ way: PassThrough) -> OpDefinition {
        OpDefinition(name, "(input: T) -> (output: T)", "T: type")
            .passing(way)
            .knownValue { c in c.input(0) }
            .shape(passedShape)
            .sharding(ShardingRule.linearElementwise)
            .kernel(gpu: ["T": [.gpuMovable, DTypeSet(.variant)]]) { _ in forwardInputKernel }
            .kernel(
                ["T": DTypeSet(.int32, .string, .resource)], gpu: ["T": DTypeSet(.int32, .string, .resource)],
                hostMemory: ["input", "output"]
            ) { _ in forwardInputKernel }
    }
}

@Sendable private func passedShape(_ c: inout ShapeContext) {
    c.setOutput(0, c.input(0))
    c.passHandle()
}

@Sendable private func deepCopyKernel(_ request: KernelRequest) -> MovingBody {
    { context, mover in
        let input = context.input(0)
        try mover.copy(input, to: try context.output(0, input.dtype, input.shape))
    }
}

extension Output {
    /// Forwards the tensor under another name (`Identity`).
    public func identity(name: String? = nil) -> Output { builder.add("Identity", [self], name: name)[0] }
    /// Forwards the tensor. Gradients treat it as a constant (`StopGradient`).
    public func stopGradient() -> Output { builder.add("StopGradient", [self])[0] }
}

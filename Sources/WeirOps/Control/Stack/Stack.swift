import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `StackV2`: creates a new stack at every execution.
    static let stackV2 = OpDefinition(
        "StackV2", "(max_size: int32) -> (handle: resource)", "elem_type: type", "stack_name: string = ''"
    )
    .stateful()
    .shape { $0.setOutput(0, .vector(2)) }
    .noGradient()
    .kernel(gpu: [:], hostMemory: ["max_size", "handle"], make: stackKernel)

    static let stack = OpDefinition(
        "Stack", "() -> (handle: Ref(string))", "elem_type: type", "stack_name: string = ''"
    )
    .stateful()
    .shape { $0.setOutput(0, .vector(2)) }
    .noGradient()
    .kernel(gpu: [:], hostMemory: ["handle"], make: stackKernel)

    /// `StackPushV2`: pushes a tensor on a stack and passes it on. The tensor stays in its memory: no device of Weir
    /// implements `swap_memory`.
    static let stackPushV2 = pushing("StackPushV2", "resource").stateful()
    static let stackPush = pushing("StackPush", "Ref(string)")

    private static func pushing(_ name: String, _ handle: String) -> OpDefinition {
        OpDefinition(name, "(handle: \(handle), elem: T) -> (output: T)", "T: type", "swap_memory: bool = false")
            .shape { c in c.setOutput(0, c.input(1)) }
            .noGradient()
            .cudaAsOnHost()
            .kernel(gpu: [:], hostMemory: ["handle"]) { request in
                let input = StepResourceInput<StackResource>(request, label: "Stack")
                let dtype = try request.type("T")
                return .sync { context in
                    let stack = try input.find(context)
                    guard dtype == stack.dtype else {
                        throw Status.invalidArgument("Must have type \(stack.dtype.rawValue) but got \(dtype.rawValue)")
                    }
                    let tensor = context.input(1)
                    try stack.push(tensor)
                    context.setOutput(0, tensor)
                }
            }
    }

    /// `StackPopV2`: pops the top of a stack.
    static let stackPopV2 = popping("StackPopV2", "resource").stateful()
    static let stackPop = popping("StackPop", "Ref(string)")

    private static func popping(_ name: String, _ handle: String) -> OpDefinition {
        OpDefinition(name, "(handle: \(handle)) -> (elem: elem_type)", "elem_type: type")
            .noGradient()
            .cudaAsOnHost()
            .kernel(gpu: [:], hostMemory: ["handle"]) { request in
                let input = StepResourceInput<StackResource>(request, label: "Stack")
                return .sync { context in context.setOutput(0, try input.find(context).pop()) }
            }
    }

    /// `StackCloseV2`: closes a stack and releases its tensors.
    static let stackCloseV2 = closingStack("StackCloseV2", "resource").stateful()
    static let stackClose = closingStack("StackClose", "Ref(string)")

    private static func closingStack(_ name: String, _ handle: String) -> OpDefinition {
        OpDefinition(name, "(handle: \(handle)) -> ()")
            .noGradient()
            .cudaAsOnHost()
            .kernel(gpu: [:], hostMemory: ["handle"]) { request in
                let input = StepResourceInput<StackResource>(request, label: "Stack")
                return .sync { context in try input.find(context).close() }
            }
    }
}

@Sendable private func stackKernel(_ request: KernelRequest) throws -> Kernel {
    let dtype = try request.type("elem_type")
    let given = try request.string("stack_name")
    let base = given.isEmpty ? request.name : given
    let output = StepResourceOutput(request)
    return .sync { context in
        var limit = Int(Int32.max)
        if context.inputCount > 0 {
            let size = context.input(0)
            guard size.rank == 0 else {
                throw Status.invalidArgument("Stack size must be a scalar, but had shape: \(size.shape)")
            }
            let value = Int(size.elements(Int32.self)[0])
            if value >= 0 { limit = value }
        }
        let stack = StackResource(name: "\(base)_\(context.step.nextResourceNumber())", dtype: dtype, limit: limit)
        try context.step.resources.create(stack, name: StackResource.container + stack.name)
        output.put(stack, container: StackResource.container, name: stack.name, context)
    }
}

import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `_Arg`: an argument of a function. The executor sets its output itself and does not run the kernel.
    static let argument = makeArgument("_Arg")
    static let deviceArgument = makeArgument("_DeviceArg")
    /// `_Retval`: a result of a function. The executor takes its input itself and does not run the kernel.
    static let result = makeResult("_Retval")
    static let deviceResult = makeResult("_DeviceRetval")

    private static func makeArgument(_ name: String) -> OpDefinition {
        OpDefinition(name, "() -> (output: T)", "T: type", "index: int >= 0")
            .role(.argument)
            .statefulWithKernelPerGraph()
            .shape { c in
                // These attributes are not in the schema. The builder of the function's body sets them if it knows the
                // shape.
                if let shape = c.attributes.shapes("_output_shapes")?.first { c.setOutput(0, shape) }
                if let dtype = c.attributes.types("_handle_dtypes")?.first,
                    let shape = c.attributes.shapes("_handle_shapes")?.first
                {
                    c.setHandle(0, dtype, shape)
                }
            }
            .kernel(gpu: [:], make: outsideOfCall)
    }
    private static func makeResult(_ name: String) -> OpDefinition {
        OpDefinition(name, "(input: T) -> ()", "T: type", "index: int >= 0")
            .role(.result)
            .statefulWithKernelPerGraph()
            .noGradient()
            .kernel(gpu: [:], make: outsideOfCall)
    }
}

@Sendable private func outsideOfCall(_ request: KernelRequest) -> Kernel {
    let status = Status.internalError("\(request.op.name) node '\(request.name)' was run outside of a function's call")
    return .sync { _ in throw status }
}

import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `PartitionedCall`: calls a function.
    static let partitionedCall = calling("PartitionedCall")
    static let statefulPartitionedCall = calling("StatefulPartitionedCall").statefulWithKernelPerGraph()

    private static func calling(_ name: String) -> OpDefinition {
        OpDefinition(
            name, "(args: Tin) -> (output: Tout)", "Tin: list(type) >= 0", "Tout: list(type) >= 0", "f: func",
            "config: string = ''", "config_proto: string = ''", "executor_type: string = ''"
        )
        .shape { c in
            for (index, shape) in (c.attributes.shapes("_output_shapes") ?? []).enumerated() {
                c.setOutput(index, shape)
            }
        }
        .calling(.call("f"))
        .gradient { g in try ControlFlow.callGradient(g) }
        .kernel(gpu: [:]) { request in
            let function = try NodeFunction(request, "f")
            let types = request.outputTypes
            return .async { context, done in
                function.call(context.inputTensors, in: context.step) { done(callOutputs($0, types)) }
            }
        }
    }

    /// `RemoteCall`: calls a function on the device that the first input names. Here this must be the device of the node.
    static let remoteCall = OpDefinition(
        "RemoteCall", "(target: string, args: Tin) -> (output: Tout)", "Tin: list(type) >= 1", "Tout: list(type) >= 1",
        "f: func"
    )
    .statefulWithKernelPerGraph()
    .blocking()
    .noGradient()
    .kernel(gpu: [:], hostMemory: ["target"]) { request in
        let function = try NodeFunction(request, "f")
        let types = request.outputTypes
        return .async { context, done in
            do {
                let target = try context.input(0).scalar(of: ByteString.self).description
                let own = context.device.name
                guard own.matches(try DeviceName(target)) else {
                    throw Status.unimplemented(
                        "RemoteCall runs functions on the device of its node, \(own), only; target is \(target)")
                }
                let arguments = (1..<context.inputCount).map { context.input($0) }
                function.call(arguments, in: context.step) { done(callOutputs($0, types)) }
            } catch {
                done(.failure(Status(error)))
            }
        }
    }

    /// `SymbolicGradient`: the gradient of a function. Before placement it is replaced with the nodes of the gradient. The
    /// kernel only reports that the function was not inlined, in which case its gradient cannot be built.
    static let symbolicGradient = OpDefinition(
        "SymbolicGradient", "(input: Tin) -> (output: Tout)", "Tin: list(type) >= 1", "Tout: list(type) >= 1", "f: func"
    )
    .calling(.gradient("f"))
    .noGradient()
    .kernel { request in
        let name = request.attributes.function("f")?.name ?? ""
        let status = Status.unimplemented(
            "SymbolicGradient node '\(request.name)': the gradient of function '\(name)' cannot be built where the function stays a call")
        return .sync { _ in throw status }
    }
}

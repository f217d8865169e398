import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `TensorArrayWriteV3`: writes one element.
    static let tensorArrayWriteV3 = tensorArrayWrite(.third).gradient(tensorArrayWriteGradient)
    static let tensorArrayWriteV2 = tensorArrayWrite(.second)
    static let tensorArrayWriteV1 = tensorArrayWrite(.first)

    private static func tensorArrayWrite(_ version: TensorArrayVersion) -> OpDefinition {
        OpDefinition(
            "TensorArrayWrite", version,
            "(handle: HANDLE, index: int32, value: T, flow_in: float) -> (flow_out: float)",
            "T: type"
        )
        .shape { c in
            try c.requireRank(1, 0)
            if version == .third, let element = c.handle(0) { _ = try element.shape.merging(c.input(2)) }
            c.setOutput(0, .scalar)
        }
        .cudaAsOnHost()
        .kernel(gpu: [:], hostMemory: ["handle", "index"]) { request in
            let input = request.tensorArrayInput
            let dtype = try request.type("T")
            return .sync { context in
                let index = try tensorArrayIndex(context.input(1))
                let array = try input.find(context)
                try array.requireWritten(dtype)
                let value = context.input(2)
                try array.withState { try $0.write(index, value) }
                context.setOutput(0, slot: context.slot(3))
            }
        }
    }

    /// `TensorArrayReadV3`: reads one element.
    static let tensorArrayReadV3 = tensorArrayRead(.third).gradient(tensorArrayReadGradient)
    static let tensorArrayReadV2 = tensorArrayRead(.second)
    static let tensorArrayReadV1 = tensorArrayRead(.first)

    private static func tensorArrayRead(_ version: TensorArrayVersion) -> OpDefinition {
        OpDefinition(
            "TensorArrayRead", version, "(handle: HANDLE, index: int32, flow_in: float) -> (value: dtype)",
            "dtype: type"
        )
        .shape { c in
            try c.requireRank(1, 0)
            if version == .third, let element = c.handle(0) { c.setOutput(0, element.shape) }
        }
        .cudaAsOnHost()
        .kernel(gpu: [:], hostMemory: ["handle", "index"]) { request in
            let input = request.tensorArrayInput
            let dtype = try request.type("dtype")
            return .sync { context in
                let index = try tensorArrayIndex(context.input(1))
                let array = try input.find(context)
                try array.requireRead(dtype)
                let allocator = context.allocator
                context.setOutput(0, try array.withState { try $0.read(index, in: allocator) })
            }
        }
    }
}

/// The gradient of a write is a read of the same element of the gradient array.
@Sendable private func tensorArrayWriteGradient(_ g: GradientContext) -> [Output?] {
    guard let flow = g.gradients[0] else { return [nil, nil, nil, nil] }
    let array = tensorArrayGradient(g, flow: flow, source: flow)
    let value = g.op(
        "TensorArrayReadV3", array.handle, g.inputs[1], array.flow, attributes: ["dtype": .type(g.inputs[2].dtype)])
    return [nil, nil, value, flow]
}

/// The gradient of a read is a write to the same element of the gradient array.
@Sendable private func tensorArrayReadGradient(_ g: GradientContext) -> [Output?] {
    let value = g.gradient()
    let array = tensorArrayGradient(g, flow: g.inputs[2], source: value)
    return [nil, nil, g.op("TensorArrayWriteV3", array.handle, g.inputs[1], value, array.flow)]
}

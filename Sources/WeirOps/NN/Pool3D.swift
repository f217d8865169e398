import WeirGraph
import WeirKernels
import WeirTensor

private let volumeAttributes = [
    "ksize: list(int) >= 5", "strides: list(int) >= 5", "padding: {'SAME', 'VALID'}",
    "data_format: {'NDHWC', 'NCDHW'} = 'NDHWC'",
]

// Pooling of volumes, with the kernels of 2-D pooling.
extension OpDefinition {
    /// The maximum of each window of a volume.
    static let maxPool3D = OpDefinition(
        "MaxPool3D", "(input: T) -> (output: T)", attributes: volumeAttributes + ["T: {half, bfloat16, float}"]
    )
    .shape { c in c.setOutput(0, try PoolAttributes(c.attributes, spatialRank: 3).partial(c.input(0))) }
    .sharding(ShardingRule.pooling)
    .gradient { g in
        [g.op("MaxPool3DGrad", g.inputs[0], g.outputs[0], g.gradient(), attributes: poolAttributes(g, explicit: false))]
    }
    .kernel(["T": .floating], gpu: ["T": .floating]) { request in
        let attributes = try volumePool(request)
        return try request.real("T", MaxPoolVisitor { _ in attributes })
    }
    .cuda { request in
        let attributes = try volumePool(request)
        return try cudaMaxPool(request) { _ in attributes }
    }

    /// The gradient of `MaxPool3D` with respect to its input.
    static let maxPool3DGrad = OpDefinition(
        "MaxPool3DGrad", "(orig_input: TInput, orig_output: TInput, grad: T) -> (output: T)",
        attributes: volumeAttributes + ["T: {half, bfloat16, float} = float", "TInput: {half, bfloat16, float} = float"]
    )
    .shape { c in c.setOutput(0, try c.input(0).merging(.ofRank(5))) }
    .gradient { g in volumeSecondGradient(g, "MaxPool3DGradGrad") }
    .kernel(["T": .floating, "TInput": .floating], gpu: ["T": .floating, "TInput": .floating]) { request in
        guard try request.type("T") == request.type("TInput") else { throw request.unsupportedType("T") }
        let attributes = try volumePool(request)
        return try request.real("T", MaxPoolGradientVisitor(gathers: false, attributes: { _ in attributes }))
    }
    .cuda { request in
        guard try request.type("T") == request.type("TInput") else { throw request.unsupportedType("T") }
        let attributes = try volumePool(request)
        return try cudaMaxPoolGradient(request, gathers: false) { _ in attributes }
    }

    /// The gradient of `MaxPool3DGrad`.
    static let maxPool3DGradGrad = OpDefinition(
        "MaxPool3DGradGrad", "(orig_input: T, orig_output: T, grad: T) -> (output: T)",
        attributes: volumeAttributes + [
            "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"
        ]
    )
    .shape { c in c.setOutput(0, try PoolAttributes(c.attributes, spatialRank: 3).partial(c.input(0)).merging(c.input(1))) }
    .gradient { g in volumeSecondGradient(g, "MaxPool3DGrad") }
    .kernel(["T": .real], gpu: ["T": .floating]) { request in
        let attributes = try volumePool(request)
        return try request.real("T", MaxPoolGradientVisitor(gathers: true, attributes: { _ in attributes }))
    }
    .cuda { request in
        let attributes = try volumePool(request)
        return try cudaMaxPoolGradient(request, gathers: true) { _ in attributes }
    }

    /// The mean of each window of a volume.
    static let avgPool3D = OpDefinition(
        "AvgPool3D", "(input: T) -> (output: T)", attributes: volumeAttributes + ["T: {half, bfloat16, float, double}"]
    )
    .shape { c in c.setOutput(0, try PoolAttributes(c.attributes, spatialRank: 3).partial(c.input(0))) }
    .gradient { g in averageGradient(g, "AvgPool3DGrad") }
    .kernel(["T": .floating], gpu: ["T": .floating]) { try averageKernel($0, spatialRank: 3) }
    .cuda { try cudaAverageKernel($0, spatialRank: 3) }

    /// The gradient of `AvgPool3D`.
    static let avgPool3DGrad = OpDefinition(
        "AvgPool3DGrad", "(orig_input_shape: int32, grad: T) -> (output: T)",
        attributes: volumeAttributes + ["T: {half, bfloat16, float, double}"]
    )
    .shape { c in averageGradientShape(&c, 5) }
    .gradient { g in [nil, g.op("AvgPool3D", g.gradient(), attributes: poolAttributes(g, explicit: false))] }
    .kernel(["T": .floating], gpu: ["T": .floating], hostMemory: ["orig_input_shape"]) {
        try averageGradientKernel($0, spatialRank: 3)
    }
    .cuda { try cudaAverageGradientKernel($0, spatialRank: 3) }
}

private func volumePool(_ request: KernelRequest) throws -> PoolAttributes {
    let attributes = try PoolAttributes(request.attributes, spatialRank: 3)
    try attributes.requireSpatial("Pooling is not yet supported on the depth dimension.")
    return attributes
}

private func volumeSecondGradient(_ g: GradientContext, _ op: String) -> [Output?] {
    let flow = g.op(op, g.inputs[0], g.inputs[1], g.gradient(), attributes: poolAttributes(g, explicit: false))
    return [g.op("ZerosLike", g.inputs[0]), g.op("ZerosLike", g.inputs[1]), flow]
}

import WeirGraph
import WeirKernels
import WeirTensor

private let realTypes = "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"

extension OpDefinition {
    /// The maximum of each window and its index in the flattened image, or in the flattened batch.
    static let maxPoolWithArgmax = OpDefinition(
        "MaxPoolWithArgmax", "(input: T) -> (output: T, argmax: Targmax)", "ksize: list(int) >= 4",
        "strides: list(int) >= 4", "Targmax: {int32, int64} = int64", "padding: {'SAME', 'VALID'}",
        "include_batch_in_index: bool = false", realTypes
    )
    .shape { c in
        let shape = try PoolAttributes(c.attributes, spatialRank: 2).partial(c.input(0))
        c.setOutput(0, shape)
        c.setOutput(1, shape)
    }
    .gradient { g in
        let names = ["ksize", "strides", "padding", "include_batch_in_index"]
        let attributes = Attributes(g.attributes.values.filter { names.contains($0.key) })
        return [g.op("MaxPoolGradWithArgmax", g.inputs[0], g.gradient(), g.outputs[1], attributes: attributes)]
    }
    .kernel(["T": .real, "Targmax": .index], gpu: ["T": .floating, "Targmax": DTypeSet(.int64)]) { request in
        let attributes = try PoolAttributes(request.attributes, spatialRank: 2)
        try attributes.requireSpatial("Depthwise max pooling with argmax is not supported")
        return try request.real(
            "T",
            ArgmaxVisitor(
                attributes: attributes, indexType: try request.type("Targmax"),
                includesBatch: try request.bool("include_batch_in_index")))
    }
    .cuda { request in
        let attributes = try PoolAttributes(request.attributes, spatialRank: 2)
        try attributes.requireSpatial("Depthwise max pooling with argmax is not supported")
        let (dtype, includesBatch) = (try request.type("T"), try request.bool("include_batch_in_index"))
        let pool = try CUDAPool(request, dtype)
        return .sync { context in
            let (shape, outputShape) = try argmaxPlan(attributes, context.shape(0))
            let (output, argmax) = (try context.output(0, dtype, outputShape), try context.output(1, .int64, outputShape))
            try pool.maximaAndIndices(shape, context.input(0), output, argmax, includesBatch: includesBatch)
        }
    }

    /// The gradient of `MaxPoolWithArgmax` with respect to its input.
    static let maxPoolGradWithArgmax = OpDefinition(
        "MaxPoolGradWithArgmax", "(input: T, grad: T, argmax: Targmax) -> (output: T)", "ksize: list(int) >= 4",
        "strides: list(int) >= 4", "padding: {'SAME', 'VALID'}", "include_batch_in_index: bool = false",
        "Targmax: {int32, int64}", realTypes
    )
    .shape { c in c.setOutput(0, try c.input(0).merging(.ofRank(4))) }
    .kernel(["T": .real, "Targmax": .index], gpu: ["T": .floating, "Targmax": DTypeSet(.int64)]) { request in
        let attributes = try PoolAttributes(request.attributes, spatialRank: 2)
        return try request.real(
            "T", ArgmaxGradientVisitor(attributes: attributes, includesBatch: try request.bool("include_batch_in_index")))
    }
    .cuda { request in
        let (attributes, dtype) = (try PoolAttributes(request.attributes, spatialRank: 2), try request.type("T"))
        let (scatter, includesBatch) = (try CUDAOrderedScatter(request, dtype), try request.bool("include_batch_in_index"))
        return .sync { context in
            let windows = try argmaxGradientPlan(attributes, context)
            let input = context.shape(0)
            let result = try context.output(0, dtype, input)
            try scatter.run(
                context.input(1), context.input(2), result, group: windows, groupStep: includesBatch ? 0 : input.elementCount == 0 ? 0 : input.count(1...))
        }
    }
}

private func argmaxPlan(_ attributes: PoolAttributes, _ input: Shape) throws -> (PoolShape, Shape) {
    let plan = try attributes.plan(input)
    guard input.elementCount <= Int(Int32.max) else {
        throw Status.invalidArgument("an input of \(input.elementCount) elements is too large")
    }
    return plan
}

/// Checks the shapes and returns the number of windows of an image.
private func argmaxGradientPlan(_ attributes: PoolAttributes, _ context: borrowing KernelContext) throws -> Int {
    let (_, expected) = try attributes.plan(context.shape(0))
    for (name, found) in [("grad", context.shape(1)), ("argmax", context.shape(2))] where found != expected {
        throw Status.invalidArgument("Expected \(name) shape to be \(expected), but got \(found)")
    }
    return expected.elementCount == 0 ? 1 : expected.count(1...)
}

private struct ArgmaxVisitor: RealVisitor {
    let attributes: PoolAttributes
    let indexType: DType
    let includesBatch: Bool

    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        let (attributes, indexType, includesBatch) = (attributes, indexType, includesBatch)
        return .sync { context in
            let (shape, outputShape) = try argmaxPlan(attributes, context.shape(0))
            let output = try context.output(0, E.dtype, outputShape), argmax = try context.output(1, indexType, outputShape)
            guard outputShape.elementCount > 0 else { return }
            let (input, largest) = (context.elements(0, E.self).start, output.mutableElements(E.self).start)
            let channels = shape.channels
            let (inputSize, outputSize) = (shape.input.volume * channels, shape.output.volume * channels)
            context.pool.parallelFor(shape.batch, grain: shape.grain) { images in
                for image in images {
                    let offset = includesBatch ? image * inputSize : 0
                    forEachMaximum(shape, input + image * inputSize) { window in
                        for channel in 0..<channels {
                            let place = image &* outputSize &+ window.number &* channels &+ channel
                            let index = offset &+ Int(window.pixels[channel]) &* channels &+ channel
                            largest[place] = window.best[channel]
                            if indexType == .int32 {
                                argmax.mutableElements(Int32.self)[place] = Int32(truncatingIfNeeded: index)
                            } else {
                                argmax.mutableElements(Int64.self)[place] = Int64(index)
                            }
                        }
                    }
                }
            }
        }
    }
}

private struct ArgmaxGradientVisitor: RealVisitor {
    let attributes: PoolAttributes
    let includesBatch: Bool

    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        let (attributes, includesBatch) = (attributes, includesBatch)
        return .sync { context in
            let inputShape = context.shape(0)
            let windows = try argmaxGradientPlan(attributes, context)
            let result = try context.output(0, E.dtype, inputShape).mutableElements(E.self)
            result.update(repeating: .zero)
            let flow = context.elements(1, E.self)
            guard flow.count > 0 else { return }
            let indices = try context.input(2).integers("argmax")
            let imageSize = inputShape.count(1...)
            for (position, index) in indices.enumerated() {
                let place = includesBatch ? index : index &+ position / windows &* imageSize
                guard index >= 0, place >= 0, place < result.count else {
                    throw Status.invalidArgument("argmax index \(index) is not in the input of shape \(inputShape)")
                }
                result[place] = E.plus(result[place], flow[position])
            }
        }
    }
}

import WeirGraph
import WeirKernels
import WeirTensor

/// The variant of an optional: a tuple of tensors, or nothing.
struct OptionalValue: VariantValue {
    static var typeName: String { "tensorflow::data::Optional" }
    let components: [Tensor]?

    // The metadata is one byte: 1 if there is a value, else 0.
    var encoded: (metadata: [UInt8], tensors: [Tensor])? { ([components == nil ? 0 : 1], components ?? []) }

    let extent: VariantSize
    var heldTensors: [Tensor] { components ?? [] }
    func holding(_ tensors: [Tensor]) -> any VariantValue { components == nil ? self : OptionalValue(components: tensors) }

    init(components: [Tensor]?) {
        self.components = components
        extent = VariantSize(of: components ?? [])
    }
    init(_ variant: Variant) throws(Status) {
        if let optional = variant.value as? OptionalValue {
            self = optional
        } else if let opaque = variant.value as? OpaqueVariant, opaque.name == OptionalValue.typeName {
            self.init(components: opaque.metadata.first == 1 ? opaque.tensors : nil)
        } else {
            throw .invalidArgument("Expected an optional, found \(variant.typeName)")
        }
    }
    init(scalar tensor: Tensor, op: String) throws(Status) {
        guard tensor.rank == 0, tensor.dtype == .variant else {
            throw .invalidArgument("Input to \(op) must be a scalar tensor containing an OptionalVariant object.")
        }
        do {
            try self.init(tensor.elements(Variant.self)[0])
        } catch {
            throw .invalidArgument("Input to \(op) must be an OptionalVariant object.")
        }
    }
}

extension OpDefinition {
    /// `OptionalFromValue`: an optional with a value.
    static let optionalFromValue = OpDefinition(
        "OptionalFromValue", "(components: Toutput_types) -> (optional: variant)", "Toutput_types: list(type) >= 1"
    )
    .shape(ShapeFunctions.scalar)
    .gradient { g in
        g.ops(
            "OptionalGetValue", [g.gradient()],
            attributes: [
                "output_types": .types(g.inputs.map(\.dtype)), "output_shapes": .shapes(g.inputs.map(\.shape)),
            ]
        ).map { $0 }
    }
    .cudaAsOnHost()
    .kernel(gpu: [:]) { _ in
        .sync { context in
            let value = OptionalValue(components: context.inputTensors)
            try value.extent.check()
            context.setOutput(0, Tensor(Variant(value)))
        }
    }

    /// `OptionalNone`: an optional without a value.
    static let optionalNone = OpDefinition("OptionalNone", "() -> (optional: variant)")
        .shape(ShapeFunctions.scalar)
        .noGradient()
        .cudaAsOnHost()
        .kernel(gpu: [:]) { _ in
            .sync { context in context.setOutput(0, Tensor(Variant(OptionalValue(components: nil)))) }
        }

    /// `OptionalHasValue`: whether an optional has a value.
    static let optionalHasValue = OpDefinition("OptionalHasValue", "(optional: variant) -> (has_value: bool)")
        .shape(ShapeFunctions.scalar)
        .noGradient()
        .cudaAsOnHost()
        .kernel(gpu: [:], hostMemory: ["has_value"]) { _ in
            .sync { context in
                let optional = try OptionalValue(scalar: context.input(0), op: "OptionalHasValue")
                context.setOutput(0, Tensor(optional.components != nil))
            }
        }

    /// `OptionalGetValue`: the value of an optional.
    static let optionalGetValue = OpDefinition(
        "OptionalGetValue", "(optional: variant) -> (components: output_types)", "output_types: list(type) >= 1",
        "output_shapes: list(shape) >= 1"
    )
    .shape { c in
        for (index, shape) in (c.attributes.shapes("output_shapes") ?? []).enumerated() { c.setOutput(index, shape) }
    }
    .gradient { g in
        [g.op("OptionalFromValue", g.outputs.indices.map { g.gradient($0) })]
    }
    .cudaAsOnHost()
    .kernel(gpu: [:], make: optionalValueKernel)
}

extension GradientContext {
    fileprivate func op(_ name: String, _ inputs: [Output]) -> Output { builder.add(name, inputs)[0] }
}

@Sendable private func optionalValueKernel(_ request: KernelRequest) throws -> Kernel {
    let types = try request.types("output_types"), shapes = try request.shapes("output_shapes")
    guard types.count == shapes.count else {
        throw Status.invalidArgument(
            "output_types and output_shapes must be same length, got:\noutput_types: \(types.count)\n"
                + "output_shapes: \(shapes.count)")
    }
    return .sync { context in
        let optional = try OptionalValue(scalar: context.input(0), op: "OptionalGetValue")
        guard let components = optional.components else {
            throw Status.invalidArgument("The given optional does not have a value.")
        }
        guard components.count == types.count else {
            throw Status.invalidArgument(
                "The given optional has \(components.count) components, expected \(types.count)")
        }
        for (index, component) in components.enumerated() {
            guard component.dtype == types[index] else {
                throw Status.invalidArgument(
                    "The given optional does not match the expected type for component \(index). Expected: "
                        + "\(types[index]). Actual: \(component.dtype).")
            }
            guard shapes[index].isCompatible(with: component.shape) else {
                throw Status.invalidArgument(
                    "The given optional does not match the expected shape for component \(index). Expected: "
                        + "\(shapes[index]). Actual: \(component.shape).")
            }
            context.setOutput(index, component)
        }
    }
}

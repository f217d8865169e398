import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// The roles of a training op's inputs, derived from its schema.
struct TrainingInputs: Sendable {
    /// The variable, followed by its slots.
    private(set) var variables: [VariableInput] = []
    /// The names of the variable and its slots in error messages.
    private(set) var names: [String] = []
    private(set) var scalars: [(name: HyperParameterName, index: Int)] = []
    private(set) var gradient = 0
    private(set) var gradientName = "grad"
    /// The input with the row indices of a sparse gradient; nil for a dense gradient.
    private(set) var indices: Int?
    let dtype: DType

    init(_ request: KernelRequest) throws {
        dtype = try request.type("T")
        for (index, argument) in request.op.schema.inputs.enumerated() {
            if argument.isReference || argument.type == .fixed(.resource) {
                variables.append(VariableInput(request, index))
                names.append(argument.name.hasPrefix("gradient_") ? "accum" : argument.name)
            } else if argument.name == "grad" || argument.name == "delta" {
                gradient = index
                gradientName = argument.name
            } else if argument.name == "indices" {
                indices = index
            } else if let name = HyperParameterName(rawValue: argument.name) {
                scalars.append((name, index))
            } else {
                throw Status.internalError("\(request.op.name): no optimizer has an input '\(argument.name)'")
            }
        }
    }

    /// Reads the scalar inputs.
    /// - Throws: `invalidArgument` when one of them is not a scalar.
    func hyperParameters<E: FloatingElement>(
        _ context: borrowing KernelContext, _ type: E.Type, _ flags: HyperParameters<E.Compute>
    ) throws -> HyperParameters<E.Compute> {
        var h = flags
        try requireScalars(context)
        for (name, index) in scalars {
            if name == .globalStep {
                h.set(name, E.Compute(context.elements(index, Int64.self)[0]))
            } else {
                h.set(name, context.elements(index, E.self)[0].compute)
            }
        }
        return h
    }

    /// - Throws: `invalidArgument` when a hyperparameter is not a scalar.
    func requireScalars(_ context: borrowing KernelContext) throws {
        for (name, index) in scalars where context.rank(index) != 0 {
            throw Status.invalidArgument("\(name.label) is not a scalar: \(context.shape(index))")
        }
    }

    /// Checks a dense update.
    /// - Throws: `invalidArgument` when slots or the gradient do not have the variable's shape.
    func requireDense(_ tensors: [Tensor], _ gradient: Tensor) throws {
        try requireSlots(tensors)
        guard gradient.shape == tensors[0].shape else { throw mismatch(gradientName, tensors[0], gradient) }
    }

    private func requireSlots(_ tensors: [Tensor]) throws {
        for (name, tensor) in zip(names, tensors).dropFirst() where tensor.shape != tensors[0].shape {
            throw mismatch(name, tensors[0], tensor)
        }
    }
    fileprivate func mismatch(_ name: String, _ variable: Tensor, _ other: Tensor) -> Status {
        .invalidArgument("var and \(name) do not have the same shape\(variable.shape) \(other.shape)")
    }

    /// Checks the shapes of a sparse update.
    /// - Throws: `invalidArgument` when those of the slots, the gradient or the indices do not match the variable's.
    func requireSparseShapes(_ tensors: [Tensor], _ gradient: Tensor, _ indices: Tensor) throws {
        try requireSlots(tensors)
        let variable = tensors[0].shape
        guard variable.rank > 0 else { throw Status.invalidArgument("var must be at least 1 dimensional") }
        guard indices.rank == 1 else { throw Status.invalidArgument("indices must be one-dimensional") }
        guard gradient.rank == variable.rank else {
            throw Status.invalidArgument("grad must have the same number of dimensions as var")
        }
        for axis in 1..<max(1, variable.rank) where variable[axis] != gradient.dimension(axis) {
            throw Status.invalidArgument("var and grad must match in dimension \(axis)")
        }
        guard gradient.dimension(0) == indices.elementCount else {
            throw Status.invalidArgument("grad must be the same size as indices in the first dimension.")
        }
        guard !variable.dimensions.dropFirst().contains(0) else {
            throw Status.invalidArgument("Inner dimension should be greater than zero.")
        }
    }

    /// Checks a sparse update and returns the row indices of the gradient.
    /// - Throws: `invalidArgument` when an index is out of range, or the gradient's shape does not match.
    func requireSparse(_ tensors: [Tensor], _ gradient: Tensor, _ indices: Tensor) throws -> [Int] {
        try requireSparseShapes(tensors, gradient, indices)
        let variable = tensors[0].shape
        let rows = try indices.integers("indices")
        for (position, row) in rows.enumerated() where row < 0 || row >= variable[0] {
            throw Status.invalidArgument("Index \(row) at offset \(position) in indices is out of range")
        }
        return rows
    }
}

/// A visitor that makes the kernel of a training op.
private struct TrainingVisitor<R: UpdateRule>: FloatingVisitor {
    let request: KernelRequest
    let check: HyperCheck

    func visit<E: FloatingElement>(_ type: E.Type) throws -> Kernel {
        let inputs = try TrainingInputs(request)
        var flags = HyperParameters<E.Compute>()
        flags.usesNesterov = request.attributes.bool("use_nesterov") ?? false
        flags.updatesSlots = request.attributes.bool("update_slots") ?? true
        flags.multipliesLinear = request.attributes.bool("multiply_linear_by_lr") ?? false
        guard inputs.variables.count == R.slotCount + 1 else {
            throw Status.internalError("\(request.op.name) has \(inputs.variables.count) variables")
        }
        return .sync { [flags, check] context in
            let h = try inputs.hyperParameters(context, E.self, flags)
            try check.require(h)
            let gradient = context.input(inputs.gradient)
            let pool = context.pool
            if inputs.variables.count == 1, inputs.indices == nil, R.applies(h) {
                // A fast path for plain gradient descent, the most common update and often one of small variables.
                try inputs.variables[0].cell(context, inputs.dtype).modify { variable in
                    guard gradient.shape == variable.shape else { throw inputs.mismatch(inputs.gradientName, variable, gradient) }
                    UpdateLoop<R, E>(variable, gradient, h).runDense(gradient.elementCount, pool)
                }
                return inputs.variables[0].passOn(context)
            }
            var cells: [VariableStorage] = []
            cells.reserveCapacity(inputs.variables.count)
            for variable in inputs.variables { cells.append(try variable.cell(context, inputs.dtype)) }
            if let index = inputs.indices {
                let indices = context.input(index)
                try VariableStorage.modify(cells) { tensors in
                    let rows = try inputs.requireSparse(tensors, gradient, indices)
                    if rows.isEmpty { return }
                    let width = tensors[0].shape.count(1...)
                    if R.applies(h) {
                        UpdateLoop<R, E>(tensors, gradient, h).runSparse(rows, width: width, pool)
                    } else {
                        UpdateLoop<R.General, E>(tensors, gradient, h).runSparse(rows, width: width, pool)
                    }
                }
            } else {
                try VariableStorage.modify(cells) { tensors in
                    try inputs.requireDense(tensors, gradient)
                    let count = gradient.elementCount
                    if R.applies(h) {
                        UpdateLoop<R, E>(tensors, gradient, h).runDense(count, pool)
                    } else {
                        UpdateLoop<R.General, E>(tensors, gradient, h).runDense(count, pool)
                    }
                }
            }
            inputs.variables[0].passOn(context)
        }
    }
}

/// The requirements of some ops on their hyperparameters.
enum HyperCheck: Sendable {
    case none
    /// A positive learning rate, non-negative regularization and a non-positive power.
    case regularization

    func require<C: MathScalar>(_ h: HyperParameters<C>) throws {
        guard self == .regularization else { return }
        // The conditions are written so that NaN fails too.
        guard h.lr > 0 || (h.multipliesLinear && h.lr >= 0) else {
            throw Status.invalidArgument("lr is not a positive scalar (or zero if multiply_linear_by_lr is set): []")
        }
        for (name, value) in [(HyperParameterName.l1, h.l1), (.l2, h.l2), (.l2Shrinkage, h.l2Shrinkage)] where !(value >= 0) {
            throw Status.invalidArgument("\(name.label) is not a non-negative scalar: []")
        }
        guard h.lrPower <= 0 else { throw Status.invalidArgument("lr_power is not a non-positive scalar: []") }
    }
}

extension OpDefinition {
    /// Defines a training op.
    ///
    /// - Parameters:
    /// - attributes: the attributes besides `T`, `Tindices` and `use_locking`.
    /// - gpu: whether TensorFlow has a GPU kernel for it.
    static func training<R: UpdateRule>(
        _ name: String, _ signature: String, _ attributes: String..., rule: R.Type, gpu: Bool = true,
        check: HyperCheck = .none
    ) -> OpDefinition {
        let isSparse = signature.firstRange(of: "indices: Tindices") != nil
        let isHandle = signature.firstRange(of: ": resource") != nil
        let definition = OpDefinition(
            name, signature,
            attributes: ["T: \(StateTypes.numbers)"] + (isSparse ? ["Tindices: {int32, int64}"] : [])
                + ["use_locking: bool = false"] + attributes
        )
        .shape(trainingShape)
        .noGradient()
        .kernel(
            isSparse ? ["T": .floating, "Tindices": .index] : ["T": .floating],
            gpu: gpu ? ["T": DTypeSet(.float32, .float64, .float16)] : nil,
            hostMemory: handleNames(signature)
        ) { request in
            try request.floating("T", TrainingVisitor<R>(request: request, check: check))
        }
        if let rule = R.cuda, gpu { _ = definition.cuda { request in try cudaTrainingKernel(request, rule) } }
        return isHandle ? definition.stateful() : definition
    }
}

/// Returns the names of a signature's resource inputs.
private func handleNames(_ signature: String) -> Set<String> {
    let inputs = signature.dropFirst().prefix { $0 != ")" }.split(separator: ",")
    return Set(
        inputs.filter { $0.hasSuffix(": resource") }.map { String($0.drop { $0 == " " }.prefix { $0 != ":" }) })
}

/// The shape function: the variable, its slots and a dense gradient have one shape. A sparse gradient has any number of rows.
@Sendable private func trainingShape(_ c: inout ShapeContext) throws {
    let arguments = c.node.op.schema.inputs
    var shape = PartialShape.unknown
    for (index, argument) in arguments.enumerated() {
        if argument.isReference {
            shape = try shape.merging(c.input(index))
        } else if argument.type == .fixed(.resource) {
            shape = try shape.merging(StateShapes.variable(c, index, attribute: "T"))
        } else if HyperParameterName(rawValue: argument.name) != nil {
            try c.requireRank(index, 0)
        }
    }
    guard let gradient = arguments.firstIndex(where: { $0.name == "grad" || $0.name == "delta" }) else { return }
    if let indices = arguments.firstIndex(where: { $0.name == "indices" }) {
        try c.requireRank(indices, 1)
        _ = try shape.replacing(0, with: c.input(indices)[0]).merging(c.input(gradient))
    } else {
        shape = try shape.merging(c.input(gradient))
    }
    c.setOutput(0, shape)
}

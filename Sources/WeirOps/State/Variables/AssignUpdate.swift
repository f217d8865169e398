public import WeirGraph
import WeirKernels
import WeirDevice
import WeirTensor

// Addition to and subtraction from variables in place.

extension OpDefinition {
    /// `AssignAdd`: adds a value to a variable.
    static let assignAdd = referenceUpdate("AssignAdd", AdditionInPlace.self)
    /// `AssignSub`: subtracts a value from a variable.
    static let assignSub = referenceUpdate("AssignSub", SubtractionInPlace.self)
    /// `AssignAddVariableOp`: adds a value to a resource variable.
    static let assignAddVariableOp = handleUpdate("AssignAddVariableOp", AdditionInPlace.self)
    /// `AssignSubVariableOp`: subtracts a value from a resource variable.
    static let assignSubVariableOp = handleUpdate("AssignSubVariableOp", SubtractionInPlace.self)
}

private func referenceUpdate(_ name: String, _ function: (some InPlaceFunction).Type) -> OpDefinition {
    OpDefinition(
        name, "(ref: Ref(T), value: T) -> (output_ref: Ref(T))", "T: \(StateTypes.numbers)", "use_locking: bool = false"
    )
    .resourceForm("\(name)VariableOp")
    .shape(ShapeFunctions.merged)
    .noGradient()
    .kernel(["T": .numeric], gpu: ["T": StateTypes.gpuUpdate]) { request in
        try inPlaceKernel(request, "T", function, mismatch: referenceMismatch)
    }
    .cuda { request in try cudaInPlaceKernel(request, "T", function, mismatch: referenceMismatch) }
}
@Sendable private func referenceMismatch(_ variable: Shape, _ value: Shape) -> Status {
    .invalidArgument("Parameters and update must be the same size")
}

private func handleUpdate(_ name: String, _ function: (some InPlaceFunction).Type) -> OpDefinition {
    OpDefinition(name, "(resource: resource, value: dtype) -> ()", "dtype: type")
        .stateful()
        .variable(.update)
        .shape(StateShapes.assignment)
        .noGradient()
        .kernel(["dtype": .numeric], gpu: ["dtype": StateTypes.gpuUpdate], hostMemory: ["resource"]) { request in
            try inPlaceKernel(request, "dtype", function, mismatch: handleMismatch)
        }
        .cuda { request in try cudaInPlaceKernel(request, "dtype", function, mismatch: handleMismatch) }
}
@Sendable private func handleMismatch(_ variable: Shape, _ value: Shape) -> Status {
    .invalidArgument("Cannot update variable with shape \(variable) using a Tensor with shape \(value), shapes must be equal.")
}

/// A function that computes the new element of a variable from the old one and the value.
private protocol InPlaceFunction: Sendable {
    static func apply<E: NumericElement>(_ a: E, _ b: E) -> E
    static var cuda: CUDAUpdateRule { get }
}
private enum AdditionInPlace: InPlaceFunction {
    static var cuda: CUDAUpdateRule { CUDAUpdateRule(update: "x.v = x.v + g;") }
    @inline(__always) static func apply<E: NumericElement>(_ a: E, _ b: E) -> E { E.plus(a, b) }
}
private enum SubtractionInPlace: InPlaceFunction {
    static var cuda: CUDAUpdateRule { CUDAUpdateRule(update: "x.v = x.v - g;") }
    @inline(__always) static func apply<E: NumericElement>(_ a: E, _ b: E) -> E { E.minus(a, b) }
}

private func inPlaceKernel<F: InPlaceFunction>(
    _ request: KernelRequest, _ attribute: String, _ function: F.Type,
    mismatch: @escaping @Sendable (Shape, Shape) -> Status
) throws -> Kernel {
    let variable = VariableInput(request)
    let dtype = try request.type(attribute)
    return try request.numeric(attribute, InPlaceVisitor<F>(variable: variable, dtype: dtype, mismatch: mismatch))
}

private func cudaInPlaceKernel<F: InPlaceFunction>(
    _ request: KernelRequest, _ attribute: String, _ function: F.Type, mismatch: @escaping @Sendable (Shape, Shape) -> Status
) throws -> Kernel {
    let (variable, dtype) = (VariableInput(request), try request.type(attribute))
    let program = try CUDAUpdate(
        request.cudaDevice(), "update in place \(F.self)", try request.cudaType(attribute), size: dtype.byteCount, index: nil, F.cuda)
    return .sync { context in
        let value = context.input(1)
        try variable.cell(context, dtype).modify { tensor in
            guard tensor.shape == value.shape else { throw mismatch(tensor.shape, value.shape) }
            try program.run([tensor], value, [])
        }
        variable.passOn(context)
    }
}

private struct InPlaceVisitor<F: InPlaceFunction>: NumericVisitor {
    let variable: VariableInput
    let dtype: DType
    let mismatch: @Sendable (Shape, Shape) -> Status

    func visit<E: NumericElement>(_ type: E.Type) throws -> Kernel {
        .sync { [variable, dtype, mismatch] context in
            let cell = try variable.cell(context, dtype)
            let value = context.input(1)
            let pool = context.pool
            try cell.modify { tensor in
                guard tensor.shape == value.shape else { throw mismatch(tensor.shape, value.shape) }
                let (target, source) = (tensor.mutableElements(E.self), value.elements(E.self))
                pool.parallelFor(target.count, grain: 64 << 10) { range in
                    for index in range { target[index] = F.apply(target[index], source[index]) }
                }
            }
            variable.passOn(context)
        }
    }
}

extension Output {
    /// Adds to the variable of this reference (`AssignAdd`).
    @discardableResult
    public func assignAdd(_ value: Output) -> Output { builder.add("AssignAdd", [self, value])[0] }
    /// Subtracts from the variable of this reference (`AssignSub`).
    @discardableResult
    public func assignSub(_ value: Output) -> Output { builder.add("AssignSub", [self, value])[0] }
    /// Adds to the variable of this handle (`AssignAddVariableOp`).
    @discardableResult
    public func assignAddVariable(_ value: Output) -> Operation { builder.add("AssignAddVariableOp", [self, value]) }
    /// Subtracts from the variable of this handle (`AssignSubVariableOp`).
    @discardableResult
    public func assignSubVariable(_ value: Output) -> Operation { builder.add("AssignSubVariableOp", [self, value]) }
}

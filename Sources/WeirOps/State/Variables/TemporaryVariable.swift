import Synchronization
import WeirGraph
import WeirKernels
import WeirTensor

/// A variable that lives until its step ends or it is destroyed.
private final class StepVariable: Resource {
    static var kind: String { "N10tensorflow19TemporaryVariableOp6TmpVarE" }
    let cell: VariableStorage
    init(_ cell: VariableStorage) { self.cell = cell }

    /// Returns the name in the resource table of the step. Each iteration of a loop has its own variable.
    static func name(_ name: String, _ frame: FrameIteration) -> String { "\(name):\(frame.frame):\(frame.iteration)" }
}

extension OpDefinition {
    /// `TemporaryVariable`: a reference to a new variable of this step.
    static let temporaryVariable = OpDefinition(
        "TemporaryVariable", "() -> (ref: Ref(dtype))", "shape: shape", "dtype: type", "var_name: string = ''"
    )
    .stateful()
    .shape(StateShapes.fromAttribute)
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: ["dtype": StateTypes.gpuReference]) { request in
        let (dtype, given) = (try request.type("dtype"), try request.string("var_name"))
        let name = given.isEmpty ? request.name : given
        guard let shape = try request.shape("shape").known else {
            throw Status.invalidArgument("Shape \(try request.shape("shape")) is not fully defined")
        }
        // Validates the dimensions, because the attribute comes from a client.
        let sane = try Shape(validating: shape.dimensions)
        return .sync { context in
            let value = try Tensor.zeros(dtype, sane, in: dtype.isBitwise ? context.allocator : HostAllocator.shared)
            let cell = VariableStorage(name: name, dtype: dtype, value: value, updatesInPlace: true)
            try context.step.resources.create(StepVariable(cell), name: StepVariable.name(name, context.frame))
            context.setOutput(0, reference: cell)
        }
    }

    /// `DestroyTemporaryVariable`: outputs the last value of a temporary variable and destroys it.
    static let destroyTemporaryVariable = OpDefinition(
        "DestroyTemporaryVariable", "(ref: Ref(T)) -> (value: T)", "T: type", "var_name: string"
    )
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: ["T": StateTypes.gpuReference]) { request in
        let name = try request.string("var_name")
        guard !name.isEmpty else { throw Status.invalidArgument("Missing var_name attribute") }
        return .sync { context in
            let value = try context.reference(0).read()
            try context.step.resources.remove(kind: StepVariable.kind, name: StepVariable.name(name, context.frame))
            context.setOutput(0, value)
        }
    }
}

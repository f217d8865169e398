import Synchronization
public import WeirGraph
import WeirKernels
public import WeirTensor

/// A variable that graphs access by reference (`VariableV2`).
final class RefVariable: CacheableResource {
    static var kind: String { "N10tensorflow9LegacyVarE" }
    let cell: VariableStorage
    private let closed = Atomic<Bool>(false)

    init(name: String, dtype: DType) { cell = VariableStorage(name: name, dtype: dtype, updatesInPlace: true) }
    var isClosed: Bool { closed.load(ordering: .acquiring) }
    func close() {
        closed.store(true, ordering: .releasing)
        cell.clear()
    }
}

extension OpDefinition {
    /// `VariableV2`: a reference to a variable, which is created without a value if there is none.
    static let variableV2 = refVariable("VariableV2").shape(StateShapes.fromAttribute)

    /// `Variable`: the op of older graphs, in which the shape [] means an unknown shape.
    static let variable = refVariable("Variable").shape { c in
        if let shape = c.attributes.shape("shape"), shape.rank != 0 { c.setOutput(0, shape) }
    }

    /// `IsVariableInitialized`: whether the variable of a reference has a value.
    static let isVariableInitialized = OpDefinition(
        "IsVariableInitialized", "(ref: Ref(dtype)) -> (is_initialized: bool)", "dtype: type"
    )
    .allowingUninitializedInput()
    .resourceForm("VarIsInitializedOp")
    .shape(ShapeFunctions.scalar)
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: ["dtype": StateTypes.gpuReference], hostMemory: ["is_initialized"]) { _ in
        .sync { context in context.setOutput(0, Tensor(try context.reference(0).isInitialized)) }
    }
}

private func refVariable(_ name: String) -> OpDefinition {
    OpDefinition(
        name, "() -> (ref: Ref(dtype))", "shape: shape", "dtype: type", "container: string = ''",
        "shared_name: string = ''"
    )
    .stateful()
    .holdingParameters()
    .variable(.reference)
    .resourceForm("VarHandleOp")
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: ["dtype": StateTypes.gpuReference]) { request in
        let (name, dtype) = (request.name, try request.type("dtype"))
        let variable = try NodeResource<RefVariable>(request, nodeNameIsShared: true) { found in
            guard found.cell.dtype == dtype else {
                throw Status.invalidArgument(
                    "Variable '\(found.cell.name)' is of type \(found.cell.dtype), not \(dtype)")
            }
        } make: { _ in
            RefVariable(name: name, dtype: dtype)
        }
        return .sync { context in context.setOutput(0, reference: try variable.get().cell) }
    }
}

extension GraphBuilder {
    /// Adds a variable that is accessed by reference (`VariableV2`). It has no value until it is assigned.
    public func refVariable(_ dtype: DType, _ shape: PartialShape, name: String = "Variable") -> Output {
        add("VariableV2", name: name, attributes: ["dtype": .type(dtype), "shape": .shape(shape)])[0]
    }
}

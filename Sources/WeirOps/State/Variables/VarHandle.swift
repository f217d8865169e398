import Synchronization
public import WeirGraph
import WeirKernels
public import WeirTensor

extension OpDefinition {
    /// `VarHandleOp`: the handle of a variable, which need not exist yet.
    static let varHandleOp = OpDefinition(
        "VarHandleOp", "() -> (resource: resource)", "container: string = ''", "shared_name: string = ''",
        "debug_name: string = ''", "dtype: type", "shape: shape", "allowed_devices: list(string) = []"
    )
    .stateful()
    .holdingParameters()
    .variable(.handle)
    .shape { c in
        c.setOutput(0, .scalar)
        guard let dtype = c.attributes.type("dtype"), let shape = c.attributes.shape("shape") else { return }
        c.setHandle(0, dtype, shape)
    }
    .noGradient()
    .kernel(gpu: ["dtype": [StateTypes.gpuAssign, DTypeSet(.variant)]], hostMemory: ["resource"]) { request in
        let variable = VariableHandle(
            container: try request.string("container"), name: try request.string("shared_name"),
            dtype: try request.type("dtype"), shape: try request.shape("shape"), place: request.place)
        return .sync { context in context.setOutput(0, variable.tensor()) }
    }

    /// `_VarHandlesOp`: the handles of several variables. Graph optimizers make it from several nodes.
    static let varHandlesOp = OpDefinition(
        "_VarHandlesOp", "() -> (resources: N * resource)", "containers: list(string)", "shared_names: list(string)",
        "N: int >= 0", "dtypes: list(type)", "shapes: list(shape)"
    )
    .stateful()
    .shape { c in
        let (dtypes, shapes) = (c.attributes.types("dtypes") ?? [], c.attributes.shapes("shapes") ?? [])
        for index in c.outputs.indices {
            c.setOutput(index, .scalar)
            if index < min(dtypes.count, shapes.count) { c.setHandle(index, dtypes[index], shapes[index]) }
        }
    }
    .noGradient()
    .kernel(
        gpu: ["dtypes": [.floating, .complex, DTypeSet(.int8, .int64, .bool, .variant)]], hostMemory: ["resources"],
        make: varHandlesKernel)
}

@Sendable private func varHandlesKernel(_ request: KernelRequest) throws -> Kernel {
    let (containers, names) = (try request.strings("containers"), try request.strings("shared_names"))
    let (dtypes, shapes) = (try request.types("dtypes"), try request.shapes("shapes"))
    let count = try request.int("N")
    guard [containers.count, names.count, dtypes.count, shapes.count].allSatisfy({ $0 == count }) else {
        throw Status.invalidArgument(
            "_VarHandlesOp: containers, shared_names, dtypes and shapes must each have N = \(count) elements, found "
                + "\(containers.count), \(names.count), \(dtypes.count) and \(shapes.count)")
    }
    let variables = (0..<count).map { index in
        VariableHandle(
            container: containers[index].description, name: names[index].description, dtype: dtypes[index],
            shape: shapes[index], place: request.place)
    }
    return .sync { context in
        for (index, variable) in variables.enumerated() { context.setOutput(index, variable.tensor()) }
    }
}

/// Makes the handles of one variable.
private struct VariableHandle: Sendable {
    private static let counter = Atomic<Int>(0)

    private let place: KernelEnvironment
    private let dtype: DType
    private let shape: PartialShape
    /// The handle, which is the same in every step. Nil if the variable is anonymous.
    private let named: Tensor?

    init(container: String, name: String, dtype: DType, shape: PartialShape, place: KernelEnvironment) {
        (self.place, self.dtype, self.shape) = (place, dtype, shape)
        if name == ResourceHandle.anonymousName {
            named = nil
        } else {
            let container = container.isEmpty ? place.resources.defaultContainer : container
            named = Tensor(
                ResourceHandle(
                    ResourceVariable.self, container: container, name: name, on: place,
                    dtypesAndShapes: [(dtype, shape)]))
        }
    }

    func tensor() -> Tensor {
        if let named { return named }
        let number = VariableHandle.counter.wrappingAdd(1, ordering: .relaxed).oldValue
        let name = "Resource-\(number)-of-\(dtype)"
        return Tensor(
            ResourceHandle(
                ResourceVariable.self, container: "Anonymous", name: name, on: place,
                dtypesAndShapes: [(dtype, shape)], object: ResourceVariable(name: name, dtype: dtype)))
    }
}

extension GraphBuilder {
    /// Adds a handle of the variable with this name in the current name scope. Assign the variable before reading it.
    public func variableHandle(
        _ dtype: DType, _ shape: PartialShape, name: String = "Variable", container: String = ""
    ) -> Output {
        nameScope(name) {
            add(
                "VarHandleOp", name: "handle",
                attributes: [
                    "dtype": .type(dtype), "shape": .shape(shape), "shared_name": .string(scopeName),
                    "container": .string(container),
                ])[0]
        }
    }
}

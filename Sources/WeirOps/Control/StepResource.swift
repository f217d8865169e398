import WeirGraph
import WeirKernels
import WeirTensor

/// A resource that lives as long as a step, found by its handle: stacks, tensor arrays.
///
/// The handle carries the object itself, so that finding it costs nothing; the step's table is for handles that have
/// been somewhere else in between.
struct StepResourceInput<R: Resource>: Sendable {
    private let device: String
    private let type: PortType
    private let label: String

    /// - Parameter label: what messages call the kind: `Stack`, `Tensor array`.
    init(_ request: KernelRequest, label: String) {
        device = request.place.device.name.description
        type = request.inputTypes[0]
        self.label = label
    }

    /// - Throws: `notFound` when it is gone, `invalidArgument` when the handle is none or another device's.
    func find(_ context: borrowing KernelContext) throws -> R {
        if type.dtype == .resource {
            let tensor = context.input(0)
            guard tensor.elementCount == 1 else {
                throw Status.invalidArgument("\(label) handle must be a scalar, but had shape: \(tensor.shape)")
            }
            let handle = tensor.elements(ResourceHandle.self)[0]
            guard handle.device == device else {
                throw Status.invalidArgument(
                    "Trying to access resource \(handle.name) located in device \(handle.device) from device \(device)")
            }
            if let resource = handle.object as? R { return resource }
            return try context.step.resources.lookup(R.self, name: handle.name)
        }
        let tensor = type.isReference ? try context.reference(0).read() : context.input(0)
        guard tensor.dtype == .string, tensor.elementCount == 2 else {
            throw Status.invalidArgument("\(label) handle must have two elements, but had shape: \(tensor.shape)")
        }
        let names = tensor.elements(ByteString.self)
        return try context.step.resources.lookup(R.self, name: names[0].description + names[1].description)
    }
}

/// Puts out handles of per-step resources in the form a version of an op has: a resource handle, a pair of strings, or
/// a reference to one.
struct StepResourceOutput: Sendable {
    private let device: String
    private let type: PortType

    init(_ request: KernelRequest) {
        device = request.place.device.name.description
        type = request.outputTypes[0]
    }

    func put<R: Resource>(_ resource: R, container: String, name: String, _ context: borrowing KernelContext) {
        if type.dtype == .resource {
            let handle = ResourceHandle(
                device: device, container: "__per_step_\(context.step.id)", name: container + name, typeName: R.kind,
                object: resource)
            return context.setOutput(0, Tensor([handle], ofShape: .scalar))
        }
        let pair = Tensor([ByteString(container), ByteString(name)])
        if type.isReference {
            context.setOutput(0, reference: VariableStorage(name: name, dtype: .string, value: pair))
        } else {
            context.setOutput(0, pair)
        }
    }
}

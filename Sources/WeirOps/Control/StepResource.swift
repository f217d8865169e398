import WeirGraph
import WeirKernels
import WeirTensor

/// The input of a kernel that is the handle of a per-step resource: a stack or a tensor array.
///
/// A resource handle carries a reference to the object, so a lookup costs nothing. If the handle lost the reference, for
/// example in a transfer, the lookup uses the resource table of the step.
struct StepResourceInput<R: Resource>: Sendable {
    private let device: String
    private let type: PortType
    private let label: String

    /// - Parameter label: the kind of resource in error messages: `Stack`, `Tensor array`.
    init(_ request: KernelRequest, label: String) {
        device = request.place.device.name.description
        type = request.inputTypes[0]
        self.label = label
    }

    /// Returns the resource of the handle at input 0.
    /// - Throws: `notFound` when the resource is gone; `invalidArgument` when the input is not a handle, or one of another
    ///   device.
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

/// The output of a kernel that is the handle of a per-step resource. Its form depends on the version of the op: a resource
/// handle, a pair of strings, or a reference to such a pair.
struct StepResourceOutput: Sendable {
    private let device: String
    private let type: PortType

    init(_ request: KernelRequest) {
        device = request.place.device.name.description
        type = request.outputTypes[0]
    }

    /// Sets output 0 to the handle of `resource`.
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

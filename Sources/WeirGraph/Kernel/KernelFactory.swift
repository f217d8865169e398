public import WeirTensor
public import WeirDevice

/// That an op has kernels for one type of device and some types of elements: what placement goes by. TensorFlow's own for
/// CPUs and GPUs.
public struct KernelSupport: Sendable {
    public let deviceType: String
    public let types: [String: DTypeSet]
    /// The inputs and outputs, by name, that lie in host memory although the kernel is another device's.
    public let hostMemory: Set<String>

    public init(deviceType: String, types: [String: DTypeSet], hostMemory: Set<String> = []) {
        self.deviceType = deviceType
        self.types = types
        self.hostMemory = hostMemory
    }

    func accepts(_ attributes: Attributes) -> Bool {
        types.allSatisfy { name, allowed in
            if let type = attributes.type(name) { return allowed.contains(type) }
            if let list = attributes.types(name) { return list.allSatisfy(allowed.contains) }
            return false
        }
    }

    /// For an error message: `device='CPU'; T in [float, double]`.
    public var summary: String {
        let constraints = types.sorted { $0.key < $1.key }.map { "\($0.key) in [\($0.value.types.map(\.name).joined(separator: ", "))]" }
        return (["device='\(deviceType)'"] + constraints).joined(separator: "; ")
    }
}

/// Makes an op's kernels for the CPU.
public struct KernelFactory: Sendable {
    public typealias Make = @Sendable (KernelRequest) throws -> Kernel

    public let support: KernelSupport
    public let make: Make
    public init(_ support: KernelSupport, make: @escaping Make) {
        self.support = support
        self.make = make
    }
}

/// The kernels of one kind of device. A new kind brings its own, and says on the ops which it has (`supported(on:)`).
public protocol KernelLibrary: Sendable {
    /// Makes the kernel of a node.
    /// - Parameter support: what the op says of its kernels on this type of device, which fits the node.
    /// - Throws: what is wrong with the node's attributes; `unimplemented` when there is no such kernel after all.
    func kernel(for request: KernelRequest, _ support: KernelSupport) throws -> Kernel
}

/// The kernels that ops declare themselves.
public struct HostKernels: KernelLibrary {
    public init() {}
    public func kernel(for request: KernelRequest, _ support: KernelSupport) throws -> Kernel {
        guard let factory = request.op.hostKernel(request.attributes) else {
            throw Status.unimplemented("Op '\(request.op.name)' has no kernel here that computes what node '\(request.name)' asks for")
        }
        return try factory.make(request)
    }
}

/// What a kernel is made from: the node, and the place where it will run.
public struct KernelRequest: Sendable {
    public let name: String
    public let op: OpDefinition
    public let attributes: Attributes
    public let inputTypes: [PortType]
    public let outputTypes: [PortType]
    public let place: KernelPlace
    /// Functions of the graph's library that the node may call.
    public let functions: any FunctionInstantiator

    public init(
        name: String, op: OpDefinition, attributes: Attributes, inputTypes: [PortType], outputTypes: [PortType],
        place: KernelPlace, functions: any FunctionInstantiator
    ) {
        self.name = name
        self.op = op
        self.attributes = attributes
        self.inputTypes = inputTypes
        self.outputTypes = outputTypes
        self.place = place
        self.functions = functions
    }

    private func missing(_ attribute: String, _ kind: String) -> Status {
        .invalidArgument("\(op.name) node '\(name)': attribute '\(attribute)' must be \(kind), found \(attributes[attribute].map { "\($0)" } ?? "none")")
    }
    // Required attributes: schemas give defaults, so a missing one is a malformed node.
    public func type(_ name: String) throws -> DType { try attributes.type(name) ?? { throw missing(name, "a type") }() }
    public func int(_ name: String) throws -> Int { try attributes.int(name) ?? { throw missing(name, "an integer") }() }
    public func bool(_ name: String) throws -> Bool { try attributes.bool(name) ?? { throw missing(name, "a bool") }() }
    public func float(_ name: String) throws -> Float { try attributes.float(name) ?? { throw missing(name, "a float") }() }
    public func string(_ name: String) throws -> String { try attributes.string(name) ?? { throw missing(name, "a string") }() }
    public func shape(_ name: String) throws -> PartialShape { try attributes.shape(name) ?? { throw missing(name, "a shape") }() }
    public func tensor(_ name: String) throws -> Tensor { try attributes.tensor(name) ?? { throw missing(name, "a tensor") }() }
    public func ints(_ name: String) throws -> [Int] { try attributes.ints(name) ?? { throw missing(name, "a list of integers") }() }
    public func types(_ name: String) throws -> [DType] { try attributes.types(name) ?? { throw missing(name, "a list of types") }() }
    public func shapes(_ name: String) throws -> [PartialShape] { try attributes.shapes(name) ?? { throw missing(name, "a list of shapes") }() }
    public func strings(_ name: String) throws -> [ByteString] { try attributes.strings(name) ?? { throw missing(name, "a list of strings") }() }
    public func function(_ name: String) throws -> any CallableFunction {
        guard let reference = attributes.function(name) else { throw missing(name, "a function") }
        return try functions.instantiate(reference)
    }

    /// The ports that the input (or output) of this name takes: one, or as many as its attributes say.
    public func inputRange(_ name: String) throws -> Range<Int> {
        try range(name, op.schema.inputs)
    }
    public func outputRange(_ name: String) throws -> Range<Int> {
        try range(name, op.schema.outputs)
    }
    /// For each input (and output) whether it lies in host memory, as the op says it for this type of device. Strings and
    /// handles always do.
    public func hostPorts(_ support: KernelSupport) throws -> (inputs: [Bool], outputs: [Bool]) {
        func ports(_ arguments: [OpSchema.Argument], _ types: [PortType]) throws -> [Bool] {
            var isHost = types.map { $0.dtype == .string || $0.dtype == .resource }
            for (argument, range) in zip(arguments, try op.schema.ranges(arguments, attributes)) where support.hostMemory.contains(argument.name) {
                for port in range { isHost[port] = true }
            }
            return isHost
        }
        return (try ports(op.schema.inputs, inputTypes), try ports(op.schema.outputs, outputTypes))
    }
    private func range(_ name: String, _ arguments: [OpSchema.Argument]) throws -> Range<Int> {
        guard let index = arguments.firstIndex(where: { $0.name == name }) else {
            preconditionFailure("\(op.name) has no argument '\(name)'")
        }
        return try op.schema.ranges(arguments, attributes)[index]
    }
}

/// Where kernels run: a device, with the resources that live on it and the threads that may help.
public final class KernelPlace: Sendable {
    public let device: any Device
    /// The variables, queues, tables… that outlive steps: one table a device, or one a device and isolated session.
    public let resources: ResourceTable
    public let pool: ComputePool
    /// The device's allocator, and whether it is the host's own.
    public let allocator: any Allocator
    public let usesHostMemory: Bool
    public let kernels: any KernelLibrary

    /// - Parameter kernels: those of the device's kind.
    public init(
        device: any Device, resources: ResourceTable, pool: ComputePool = .shared, kernels: any KernelLibrary = HostKernels()
    ) {
        self.device = device
        self.kernels = kernels
        self.resources = resources
        self.pool = pool
        allocator = device.allocator
        usesHostMemory = device.allocator === HostAllocator.shared
    }
}

/// Finds functions of a graph's library and makes them callable on the node's device.
public protocol FunctionInstantiator: Sendable {
    /// - Throws: `notFound` when the library has no such function, or what its body's kernels throw.
    func instantiate(_ reference: FunctionReference) throws -> any CallableFunction
}

public protocol CallableFunction: AnyObject, Sendable {
    /// Runs the body with these arguments inside a running step.
    func call(_ arguments: [Tensor], in step: StepContext, _ done: @escaping Completion<[Tensor]>)
}

/// For places without a library.
public struct NoFunctions: FunctionInstantiator {
    public init() {}
    public func instantiate(_ reference: FunctionReference) throws -> any CallableFunction {
        throw Status.notFound("Function \(reference.name) is not defined: there is no function library here")
    }
}

public import WeirTensor
public import WeirDevice

/// States that an op has kernels for one type of device and some element types. The placer uses it. For CPUs and GPUs these are
/// the kernels that TensorFlow registers.
public struct KernelSupport: Sendable {
    /// The type of device: `CPU`, `GPU`.
    public let deviceType: String
    /// For each type attribute, the allowed element types. Attributes that are not named may have any type.
    public let types: [String: DTypeSet]
    /// The names of the inputs and outputs that are in host memory although the kernel runs on another device.
    public let hostMemory: Set<String>

    /// States support on one type of device.
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

    /// A description for error messages: `device='CPU'; T in [float, double]`.
    public var summary: String {
        let constraints = types.sorted { $0.key < $1.key }.map { "\($0.key) in [\($0.value.types.map(\.name).joined(separator: ", "))]" }
        return (["device='\(deviceType)'"] + constraints).joined(separator: "; ")
    }
}

/// Creates an op's CPU kernels.
public struct KernelFactory: Sendable {
    /// Creates the kernel of one node. Throws when the node's attributes are not valid.
    public typealias Make = @Sendable (KernelRequest) throws -> Kernel

    /// The element types of the kernels.
    public let support: KernelSupport
    /// Creates the kernel of one node.
    public let make: Make
    /// A factory of kernels for these types.
    public init(_ support: KernelSupport, make: @escaping Make) {
        self.support = support
        self.make = make
    }
}

/// The kernels of one kind of device. A user-defined device brings its own library and declares its kernels on the ops
/// (`supported(on:)`).
public protocol KernelLibrary: Sendable {
    /// Creates the kernel of a node.
    /// - Parameter support: the op's kernel support on this type of device, which accepts the node.
    /// - Throws: `invalidArgument` when the node's attributes are not valid; `unimplemented` when there is no such kernel after
    ///   all.
    func kernel(for request: KernelRequest, _ support: KernelSupport) throws -> Kernel
}

/// The CPU kernels, which the ops declare themselves.
public struct HostKernels: KernelLibrary {
    /// The library. It has no state.
    public init() {}
    /// Creates the CPU kernel of a node.
    /// - Throws: `unimplemented` when no CPU kernel of the op accepts the node's attributes; the errors of the kernel's
    ///   factory.
    public func kernel(for request: KernelRequest, _ support: KernelSupport) throws -> Kernel {
        guard let factory = request.op.hostKernel(request.attributes) else {
            throw Status.unimplemented("Op '\(request.op.name)' has no kernel here that computes what node '\(request.name)' asks for")
        }
        return try factory.make(request)
    }
}

/// What a kernel is created from: the node, its device and the function library. TensorFlow's `OpKernelConstruction`.
public struct KernelRequest: Sendable {
    /// The node's name.
    public let name: String
    /// The node's op.
    public let op: OpDefinition
    /// The node's attributes, with the schema's defaults filled in.
    public let attributes: Attributes
    /// The types of the node's inputs.
    public let inputTypes: [PortType]
    /// The types of the node's outputs.
    public let outputTypes: [PortType]
    /// The device that the kernel runs on, and its resources.
    public let place: KernelEnvironment
    /// The functions of the graph's library, which the node may call.
    public let functions: any FunctionInstantiator

    /// A request for the kernel of one node.
    package init(
        name: String, op: OpDefinition, attributes: Attributes, inputTypes: [PortType], outputTypes: [PortType],
        place: KernelEnvironment, functions: any FunctionInstantiator
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
    /// The element type in a required attribute. Schemas fill in defaults, so a missing attribute is an error of the node.
    /// - Throws: `invalidArgument`, here and below, when the attribute is missing or of another kind.
    public func type(_ name: String) throws -> DType { try attributes.type(name) ?? { throw missing(name, "a type") }() }
    /// The integer in a required attribute.
    public func int(_ name: String) throws -> Int { try attributes.int(name) ?? { throw missing(name, "an integer") }() }
    /// The bool in a required attribute.
    public func bool(_ name: String) throws -> Bool { try attributes.bool(name) ?? { throw missing(name, "a bool") }() }
    /// The float in a required attribute.
    public func float(_ name: String) throws -> Float { try attributes.float(name) ?? { throw missing(name, "a float") }() }
    /// The text in a required attribute.
    public func string(_ name: String) throws -> String { try attributes.string(name) ?? { throw missing(name, "a string") }() }
    /// The shape in a required attribute.
    public func shape(_ name: String) throws -> PartialShape { try attributes.shape(name) ?? { throw missing(name, "a shape") }() }
    /// The tensor in a required attribute.
    public func tensor(_ name: String) throws -> Tensor { try attributes.tensor(name) ?? { throw missing(name, "a tensor") }() }
    /// The integers in a required attribute.
    public func ints(_ name: String) throws -> [Int] { try attributes.ints(name) ?? { throw missing(name, "a list of integers") }() }
    /// The element types in a required attribute.
    public func types(_ name: String) throws -> [DType] { try attributes.types(name) ?? { throw missing(name, "a list of types") }() }
    /// The shapes in a required attribute.
    public func shapes(_ name: String) throws -> [PartialShape] { try attributes.shapes(name) ?? { throw missing(name, "a list of shapes") }() }
    /// The strings in a required attribute.
    public func strings(_ name: String) throws -> [ByteString] { try attributes.strings(name) ?? { throw missing(name, "a list of strings") }() }
    /// The function in a required attribute, ready to be called on the node's device.
    /// - Throws: `invalidArgument` when the attribute is missing or of another kind; `notFound` when the library has no such
    ///   function.
    public func function(_ name: String) throws -> any CallableFunction {
        guard let reference = attributes.function(name) else { throw missing(name, "a function") }
        return try functions.instantiate(reference)
    }

    /// The range of port indices of the input of this name: one port, or as many as the attributes say.
    /// - Throws: `invalidArgument` when the op has no such input, or an attribute that gives the number is missing.
    public func inputRange(_ name: String) throws -> Range<Int> {
        try range(name, op.schema.inputs)
    }
    /// The range of port indices of the output of this name, as for `inputRange`.
    public func outputRange(_ name: String) throws -> Range<Int> {
        try range(name, op.schema.outputs)
    }
    /// For each input and output, whether it is in host memory on this type of device. Strings and resource handles always are.
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
            throw Status.invalidArgument("Op '\(op.name)' has no argument '\(name)'")
        }
        return try op.schema.ranges(arguments, attributes)[index]
    }
}

/// The device that kernels run on, with its resources, thread pool and allocator.
public final class KernelEnvironment: Sendable {
    /// The device.
    public let device: any Device
    /// The resources that outlive steps: variables, queues, tables. There is one table for each device, or one for each device
    /// of an isolated session.
    public let resources: ResourceTable
    /// The threads for parallel loops in kernels.
    public let pool: ComputePool
    /// The device's allocator.
    public let allocator: any Allocator
    /// Whether `allocator` is `HostAllocator.shared`.
    public let usesHostMemory: Bool
    /// The kernels of the device's kind.
    public let kernels: any KernelLibrary

    /// A place for kernels of `device`, with the device's allocator.
    /// - Parameter kernels: the kernels of the device's kind.
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

/// Looks up functions of a graph's library and makes them callable on the node's device.
public protocol FunctionInstantiator: Sendable {
    /// Makes the function callable.
    /// - Throws: `notFound` when the library has no such function; the errors of creating the body's kernels.
    func instantiate(_ reference: FunctionReference) throws -> any CallableFunction
}

/// A function that a kernel can call.
public protocol CallableFunction: AnyObject, Sendable {
    /// Runs the body with these arguments as part of a running step. Calls `done` once, from any thread.
    func call(_ arguments: [Tensor], in step: StepContext, _ done: @escaping Completion<[Tensor]>)
}

/// The instantiator where there is no function library.
public struct NoFunctions: FunctionInstantiator {
    /// An instantiator without functions.
    public init() {}
    /// - Throws: `notFound`, always.
    public func instantiate(_ reference: FunctionReference) throws -> any CallableFunction {
        throw Status.notFound("Function \(reference.name) is not defined: there is no function library here")
    }
}

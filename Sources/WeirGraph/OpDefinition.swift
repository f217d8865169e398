public import WeirTensor
import Synchronization

/// Everything known about one op: its schema, how shapes follow, its gradient, and its kernels.
///
/// Declared once, in one file, by chaining:
/// ```swift
/// extension OpDefinition {
///     static let matMul = OpDefinition(
///         "MatMul", "(a: T, b: T) -> (product: T)", "transpose_a: bool = false", "T: {float, double}")
///         .shape(matMulShape)
///         .gradient(matMulGradient)
///         .kernel(["T": .floating], gpu: ["T": .floating], make: matMulKernel)
/// }
/// ```
/// A definition is complete once the expression that makes it is; after that nothing changes it.
public final class OpDefinition: @unchecked Sendable {  // changed only by the chain that makes it, before it is shared
    public typealias ShapeFunction = @Sendable (inout ShapeContext) throws -> Void
    public typealias Gradient = @Sendable (GradientContext) throws -> [Output?]

    /// The op's name, exactly as on the wire.
    public let name: String
    /// Whether running it twice may differ from running it once: never folded, shared or pruned as a duplicate.
    public private(set) var isStateful = false
    /// Whether the kernel of a stateful node belongs to its graph: it keeps nothing from one graph of a session to another.
    private var isKernelOfGraph = false
    /// Whether all graphs of a session share one kernel of the node, since what it keeps must go on from step to step.
    public var keepsKernel: Bool { isStateful && !isKernelOfGraph }
    /// Whether reference inputs may be uninitialized variables.
    public private(set) var allowsUninitializedInput = false
    public private(set) var isCommutative = false
    public private(set) var isAggregate = false
    public private(set) var shapeFunction: ShapeFunction?
    public private(set) var gradient: Gradient?
    public private(set) var hasNoGradient = false
    public private(set) var kernels: [KernelFactory] = []
    /// How a node of the op calls functions of the library that its attributes name; nil when it does not, or only as data.
    public private(set) var functionCall: FunctionCall?
    /// Whether the op makes of a live input an output that is dead: a Switch, some of whose outputs are of branches not taken.
    public private(set) var givesDead = false
    /// What the op does to floats, element by element, for a node with these attributes; nil when it is no such op.
    public private(set) var elementwise: (@Sendable (Attributes) -> ElementwiseFunction?)?
    /// The graph function that a node of this op calls, for ops that are functions of a library.
    public let function: FunctionDefinition?

    private let signature: String
    private let attributeTexts: [String]
    private let parsed: Mutex<OpSchema?>

    /// - Parameters:
    ///   - signature: `"(a: T, b: T) -> (product: T)"`
    ///   - attributes: `"transpose_a: bool = false"`, `"T: {float, double}"`, … See `OpSchema`.
    public init(_ name: String, _ signature: String, _ attributes: String...) {
        self.name = name
        self.signature = signature
        attributeTexts = attributes
        parsed = Mutex(nil)
        function = nil
    }
    /// As above with the attributes in an array, for families that share them.
    public init(_ name: String, _ signature: String, attributes: [String]) {
        self.name = name
        self.signature = signature
        attributeTexts = attributes
        parsed = Mutex(nil)
        function = nil
    }
    /// The op that a function of a library is.
    init(function: FunctionDefinition) {
        name = function.name
        signature = ""
        attributeTexts = []
        parsed = Mutex(function.schema)
        self.function = function
        isStateful = function.isStateful
        gradient = { g in try ControlFlow.callGradient(g) }
    }

    /// Inputs, outputs and attributes; read from their notation when first asked for.
    public var schema: OpSchema {
        parsed.withLock { cached in
            if let cached { return cached }
            let schema = OpSchema(op: name, signature: signature, attributes: attributeTexts)
            cached = schema
            return schema
        }
    }
}

/// How a node calls functions, by the attributes that name them.
public enum FunctionCall: Sendable {
    /// One, with the node's inputs.
    case call(String)
    /// The gradient of one.
    case gradient(String)
    /// One of two, by the first input: when it is true, when it is not.
    case conditional([String])
    /// One of a list, by the first input.
    case selection(String)
    /// One as long as another gives true.
    case loop(condition: String, body: String)
}

extension OpDefinition {
    public func stateful() -> OpDefinition {
        isStateful = true
        return self
    }
    /// Stateful by what it does, not by what its kernel keeps: a transfer, a call.
    public func statefulWithoutMemory() -> OpDefinition {
        isStateful = true
        isKernelOfGraph = true
        return self
    }
    public func allowingUninitializedInput() -> OpDefinition {
        allowsUninitializedInput = true
        return self
    }
    public func commutative() -> OpDefinition {
        isCommutative = true
        return self
    }
    public func aggregate() -> OpDefinition {
        isAggregate = true
        return self
    }
    /// Says which attributes name functions that a node calls.
    public func calling(_ call: FunctionCall) -> OpDefinition {
        functionCall = call
        return self
    }
    /// Says that some outputs are dead while the input is alive.
    public func branching() -> OpDefinition {
        givesDead = true
        return self
    }
    public func shape(_ function: @escaping ShapeFunction) -> OpDefinition {
        shapeFunction = function
        return self
    }
    /// How gradients flow back: given the gradients of the outputs (nil where there is none), those of the inputs.
    public func gradient(_ function: @escaping Gradient) -> OpDefinition {
        gradient = function
        return self
    }
    /// Says that no gradient flows through this op, on purpose (indices, comparisons, shapes).
    public func noGradient() -> OpDefinition {
        hasNoGradient = true
        return self
    }

    /// Says that the op computes each element of its result from the elements at the same place of its operands.
    public func elementwise(_ function: @escaping @Sendable (Attributes) -> ElementwiseFunction?) -> OpDefinition {
        elementwise = function
        return self
    }

    /// Adds a kernel for CPUs, and, with `gpu`, for GPUs.
    ///
    /// - Parameters:
    ///   - types: for each type attribute, the types it may have; attributes not named may have any.
    ///   - gpu: the same for GPUs; nil when a GPU has no such kernel. On a simulated GPU the CPU's kernel computes.
    ///   - hostMemory: inputs and outputs (by name) that lie in host memory on a GPU: shapes, indices, handles.
    ///   - make: makes the kernel of one node; called once a node, so this is where types are chosen.
    public func kernel(
        _ types: [String: DTypeSet] = [:], gpu: [String: DTypeSet]? = nil, hostMemory: Set<String> = [],
        make: @escaping KernelFactory.Make
    ) -> OpDefinition {
        kernels.append(KernelFactory(deviceType: "CPU", types: types, hostMemory: [], make: make))
        if let gpu { kernels.append(KernelFactory(deviceType: "GPU", types: gpu, hostMemory: hostMemory, make: make)) }
        return self
    }

    /// The kernel for a node with these attributes on a device of this type, if there is one.
    public func kernel(for deviceType: String, _ attributes: Attributes) -> KernelFactory? {
        kernels.first { $0.deviceType == deviceType && $0.accepts(attributes) }
    }
}

import WeirTensor
import Synchronization

/// Everything that is known about one op: its schema, shape function, gradient and kernels.
///
/// An op is declared once, in one file, by chaining:
/// ```swift
/// extension OpDefinition {
///     static let matMul = OpDefinition(
///         "MatMul", "(a: T, b: T) -> (product: T)", "transpose_a: bool = false", "T: {float, double}")
///         .shape(matMulShape)
///         .gradient(matMulGradient)
///         .kernel(["T": .floating], gpu: ["T": .floating], make: matMulKernel)
/// }
/// ```
/// Only the chain that creates a definition changes it. After that it is immutable.
public final class OpDefinition: @unchecked Sendable {  // only the declaring chain changes it, before it is shared
    /// Infers the shapes of a node's outputs. Throws when the inputs' shapes are not valid.
    public typealias ShapeFunction = @Sendable (inout ShapeContext) throws -> Void
    /// Computes what is known of a node's output while a graph is built; nil if nothing is known.
    public typealias KnownValueFunction = @Sendable (inout KnownValueContext) -> KnownValue?
    /// Tells how the work of a node can be divided over devices; nil if it cannot be.
    public typealias Sharding = @Sendable (ShardingContext) -> ShardingRule?
    /// Estimates the number of floating-point operations of a node from its shapes.
    public typealias CostFunction = @Sendable (CostContext) -> Double
    /// Adds the nodes that compute the inputs' gradients. Returns one for each input, nil where there is none.
    public typealias Gradient = @Sendable (GradientContext) throws -> [Output?]

    /// The op's name, as in `NodeDef.op`.
    public let name: String
    /// Whether the result may differ from run to run, or running has an effect. Passes neither fold nor merge nor remove such
    /// nodes.
    public internal(set) var isStateful = false
    /// Whether each graph of a session has its own kernel of a stateful node, because the kernel keeps no state that another
    /// graph needs.
    var hasKernelPerGraph = false
    /// Whether all graphs of a session share one kernel of the node, because the kernel's state must last from step to step.
    public var sharesKernelAcrossGraphs: Bool { isStateful && !hasKernelPerGraph }
    /// Whether reference inputs may be uninitialized variables.
    public internal(set) var allowsUninitializedInput = false
    /// Whether the order of the inputs does not matter; `OpDef.is_commutative`.
    public internal(set) var isCommutative = false
    /// Whether the op sums any number of inputs of one type; `OpDef.is_aggregate`.
    public internal(set) var isAggregate = false
    /// The shape function; nil if all output shapes are unknown.
    public internal(set) var shapeFunction: ShapeFunction?
    /// The gradient function; nil if there is none. See `hasNoGradient`.
    public internal(set) var gradient: Gradient?
    /// Whether the op has no gradient on purpose: gradients stop here, and this is not an error.
    public internal(set) var hasNoGradient = false
    /// The device types that a node can run on, with the element types of the kernels.
    public internal(set) var supports: [KernelSupport] = []
    /// The CPU kernels. The first that accepts a node's attributes is used.
    public internal(set) var hostKernels: [KernelFactory] = []
    /// Creates the kernel of a node on a CUDA device; nil if the op has none. It is used where `supports` declares a GPU kernel, unless
    /// the node's kernel runs on the host.
    public internal(set) var cudaKernel: KernelFactory.Make?
    /// The function of an elementwise op in CUDA C++, for a node with these attributes; nil if it is none.
    public internal(set) var cudaExpression: (@Sendable (Attributes) -> String?)?
    /// How a node calls the library functions that its attributes name; nil if it calls none, or uses them only as data.
    public internal(set) var functionCall: FunctionCall?
    /// What a node of the op is to the passes and the executor.
    public internal(set) var role = OpRole.compute
    /// How the op forwards its inputs to its outputs; nil if it does not.
    public internal(set) var passThrough: PassThrough?
    /// Whether the outputs depend on the inputs' shapes only, not on their values.
    public internal(set) var readsOnlyShapes = false
    /// Whether a node holds state that workers share: a variable or a table. Such nodes are placed on parameter servers.
    public internal(set) var holdsParameters = false
    /// What a node does with a variable; nil if the op is none of these.
    public internal(set) var variableUse: VariableUse?
    /// The op that does to a resource variable what this op does to a variable that its first input refers to, or that makes the
    /// handle of what this op makes a reference to; nil if there is none. Both have the same inputs, in the same order.
    public internal(set) var resourceForm: String?
    /// Whether the kernel reads files that its inputs name.
    public internal(set) var readsFiles = false
    /// Whether the kernel writes to the memory of an input that other nodes may read.
    public internal(set) var changesInputs = false
    /// Whether the kernel may wait for other nodes, steps or clients.
    public internal(set) var waitsForOthers = false
    /// When a node has no effect and can be removed; nil if never.
    public internal(set) var simplification: Simplification?
    /// The part of a fused node that a node of the op can be; nil if none.
    public internal(set) var fusionPart: FusionPart?
    /// Computes a node's value while the graph is built, from what is known of its inputs.
    public internal(set) var knownValue: KnownValueFunction?
    /// Estimates the floating-point operations of a node; nil if it visits each element of its tensors once.
    public internal(set) var cost: CostFunction?
    /// The elementwise function on float buffers, for a node with these attributes; nil if the op has none.
    public internal(set) var elementwise: (@Sendable (Attributes) -> ElementwiseFunction?)?
    /// How the work of a node can be divided over devices; nil if each node is computed by one device.
    public internal(set) var sharding: Sharding?
    /// The library function that a node of this op calls; nil for all other ops.
    public let function: FunctionDefinition?

    private let signature: String
    private let attributeTexts: [String]
    private let parsed: Mutex<OpSchema?>

    /// Begins the declaration of an op.
    /// - Parameters:
    ///   - name: the op's name, as in `NodeDef.op`.
    ///   - signature: inputs and outputs, such as `"(a: T, b: T) -> (product: T)"`. See `OpSchema`.
    ///   - attributes: one string for each attribute, such as `"transpose_a: bool = false"` or `"T: {float, double}"`.
    public init(_ name: String, _ signature: String, _ attributes: String...) {
        self.name = name
        self.signature = signature
        attributeTexts = attributes
        parsed = Mutex(nil)
        function = nil
    }
    /// The same with the attributes in an array, for groups of ops that share them.
    public init(_ name: String, _ signature: String, attributes: [String]) {
        self.name = name
        self.signature = signature
        attributeTexts = attributes
        parsed = Mutex(nil)
        function = nil
    }
    /// The op whose nodes call a function of a library.
    init(function: FunctionDefinition) {
        name = function.name
        signature = ""
        attributeTexts = []
        parsed = Mutex(function.schema)
        self.function = function
        isStateful = function.isStateful
        gradient = { g in try ControlFlow.callGradient(g) }
    }

    /// A copy, which can be changed without changing `other`.
    init(copying other: OpDefinition) {
        name = other.name
        signature = other.signature
        attributeTexts = other.attributeTexts
        parsed = Mutex(other.function?.schema)
        function = other.function
        isStateful = other.isStateful
        hasKernelPerGraph = other.hasKernelPerGraph
        allowsUninitializedInput = other.allowsUninitializedInput
        isCommutative = other.isCommutative
        isAggregate = other.isAggregate
        shapeFunction = other.shapeFunction
        gradient = other.gradient
        hasNoGradient = other.hasNoGradient
        supports = other.supports
        hostKernels = other.hostKernels
        cudaKernel = other.cudaKernel
        cudaExpression = other.cudaExpression
        functionCall = other.functionCall
        role = other.role
        passThrough = other.passThrough
        readsOnlyShapes = other.readsOnlyShapes
        holdsParameters = other.holdsParameters
        variableUse = other.variableUse
        resourceForm = other.resourceForm
        readsFiles = other.readsFiles
        changesInputs = other.changesInputs
        waitsForOthers = other.waitsForOthers
        simplification = other.simplification
        fusionPart = other.fusionPart
        knownValue = other.knownValue
        cost = other.cost
        elementwise = other.elementwise
        sharding = other.sharding
    }

    /// Whether outputs may be dead although all inputs are alive.
    public var mayOutputDead: Bool { if case .switch = role { true } else { false } }
    /// Whether a node may wait for more than its inputs: for a message, an element of a queue, or a function call.
    public var mayBlock: Bool { waitsForOthers || functionCall != nil || function != nil || role == .receive }
    /// Whether a node without reference inputs and outputs only computes. Such a node may run early or late, replace equal
    /// nodes, or be removed.
    public var isPure: Bool {
        !isStateful && !readsFiles && !changesInputs && !waitsForOthers && function == nil && (role == .compute || role == .constant)
    }

    /// The inputs, outputs and attributes. The notation is parsed at the first access.
    public var schema: OpSchema {
        parsed.withLock { cached in
            if let cached { return cached }
            let schema = OpSchema(op: name, signature: signature, attributes: attributeTexts)
            cached = schema
            return schema
        }
    }
}

/// How a node calls functions. The strings are the names of the attributes that hold the functions.
public enum FunctionCall: Sendable {
    /// Calls one function with the node's inputs.
    case call(String)
    /// Calls the gradient of one function.
    case gradient(String)
    /// Calls one of two functions: the first if the first input is true, otherwise the second.
    case conditional([String])
    /// Calls one function of a list. The first input is its index.
    case selection(String)
    /// Calls `body` as long as `condition` returns true.
    case loop(condition: String, body: String)
}

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
    public typealias KnownValueFunction = @Sendable (inout KnownValueContext) -> KnownValue?
    public typealias Gradient = @Sendable (GradientContext) throws -> [Output?]

    /// The op's name, exactly as on the wire.
    public let name: String
    /// Whether running it twice may differ from running it once: never folded, shared or pruned as a duplicate.
    public internal(set) var isStateful = false
    /// Whether the kernel of a stateful node belongs to its graph: it keeps nothing from one graph of a session to another.
    var isKernelOfGraph = false
    /// Whether all graphs of a session share one kernel of the node, since what it keeps must go on from step to step.
    public var keepsKernel: Bool { isStateful && !isKernelOfGraph }
    /// Whether reference inputs may be uninitialized variables.
    public internal(set) var allowsUninitializedInput = false
    public internal(set) var isCommutative = false
    public internal(set) var isAggregate = false
    public internal(set) var shapeFunction: ShapeFunction?
    public internal(set) var gradient: Gradient?
    public internal(set) var hasNoGradient = false
    /// On which types of devices a node can run, for which types of elements.
    public internal(set) var supports: [KernelSupport] = []
    /// How the CPU computes it.
    public internal(set) var hostKernels: [KernelFactory] = []
    /// How a node of the op calls functions of the library that its attributes name; nil when it does not, or only as data.
    public internal(set) var functionCall: FunctionCall?
    /// What a node of the op is to passes and executor.
    public internal(set) var role = OpRole.compute
    /// How the outputs are the inputs, for ops that pass them on.
    public internal(set) var passThrough: PassThrough?
    /// Whether the outputs follow from the inputs' shapes, whatever their values.
    public internal(set) var readsOnlyShapes = false
    /// Whether a node holds state that workers share: a variable, a table. Parameter servers keep these.
    public internal(set) var holdsParameters = false
    /// Whether the kernel reads files that its inputs name.
    public internal(set) var readsFiles = false
    /// Whether the kernel writes to an input's memory that others may read.
    public internal(set) var changesInputs = false
    var waitsForOthers = false
    /// When a node changes nothing.
    public internal(set) var simplification: Simplification?
    /// What part of a fused product a node can be.
    public internal(set) var fusionPart: FusionPart?
    /// The value that a node has while the graph is built, from what is known of its inputs.
    public internal(set) var knownValue: KnownValueFunction?
    /// What the op does to floats, element by element, for a node with these attributes; nil when it is no such op.
    public internal(set) var elementwise: (@Sendable (Attributes) -> ElementwiseFunction?)?
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

    /// A definition of its own that says the same.
    init(copying other: OpDefinition) {
        name = other.name
        signature = other.signature
        attributeTexts = other.attributeTexts
        parsed = Mutex(other.function?.schema)
        function = other.function
        isStateful = other.isStateful
        isKernelOfGraph = other.isKernelOfGraph
        allowsUninitializedInput = other.allowsUninitializedInput
        isCommutative = other.isCommutative
        isAggregate = other.isAggregate
        shapeFunction = other.shapeFunction
        gradient = other.gradient
        hasNoGradient = other.hasNoGradient
        supports = other.supports
        hostKernels = other.hostKernels
        functionCall = other.functionCall
        role = other.role
        passThrough = other.passThrough
        readsOnlyShapes = other.readsOnlyShapes
        holdsParameters = other.holdsParameters
        readsFiles = other.readsFiles
        changesInputs = other.changesInputs
        waitsForOthers = other.waitsForOthers
        simplification = other.simplification
        fusionPart = other.fusionPart
        knownValue = other.knownValue
        elementwise = other.elementwise
    }

    /// Whether a node makes of live inputs outputs that are dead.
    public var givesDead: Bool { if case .switch = role { true } else { false } }
    /// Whether a node may wait for more than its inputs: for a message, for an element of a queue, for what a function does.
    public var mayBlock: Bool { waitsForOthers || functionCall != nil || function != nil || role == .receive }
    /// Whether a node whose values are no references only computes: it may run early, late, once for several, or not at all.
    public var isPure: Bool {
        !isStateful && !readsFiles && !changesInputs && !waitsForOthers && function == nil && (role == .compute || role == .constant)
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

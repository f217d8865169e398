public import WeirTensor

/// Runs the collective operations of a task's steps: each member of a group calls the same operation, and each gets the result.
/// TensorFlow's `CollectiveExecutor`.
public protocol CollectiveExecutor: AnyObject, Sendable {
    /// Starts this device's part of an operation. It ends when the other members have started theirs.
    /// - Parameters:
    ///   - input: this member's tensor, in host memory; nil for a member that receives a broadcast.
    ///   - step: the running step, whose cancellation ends the operation with an error.
    func start(_ operation: CollectiveOperation, input: Tensor?, step: StepContext, _ done: @escaping Completion<Tensor>)
    /// The number of failures of groups so far. A step remembers the number at its start. So a member that comes to an operation
    /// after the group has failed gets the error if its step ran then, and finds the group anew if its step is a later one.
    var failureCount: Int { get }
}

/// One member's part of a collective operation: what a node of a collective op asks for. TensorFlow's `CollectiveParams`.
public struct CollectiveOperation: Sendable {
    /// What the members' tensors become.
    public enum Kind: Sendable, Equatable {
        /// Every member gets the elementwise combination of all tensors.
        case reduce(CollectiveReduction)
        /// Every member gets its part, by rank, of the elementwise combination. The first dimension is cut.
        case reduceScatter(CollectiveReduction)
        /// Every member gets all tensors, concatenated along the first dimension in the order of ranks.
        case gather
        /// Every member gets the tensor of the one member that is the source.
        case broadcast(isSource: Bool)
        /// Member `i` gets part `i` of each member's tensor, in the order of ranks. The first dimension is cut.
        case allToAll
        /// Member `i` gets the tensor of the member `j` with `permutation[j] == i`.
        case permute([Int])
        /// The members find each other; nothing is sent. Each gets its input back.
        case join

        /// How tensors are combined, by the kinds that combine them.
        package var reduction: CollectiveReduction? {
            switch self {
            case .reduce(let reduction), .reduceScatter(let reduction): reduction
            case .gather, .broadcast, .allToAll, .permute, .join: nil
            }
        }
    }
    /// What the members' tensors become.
    public var kind: Kind
    /// The key of the group: the members that call operations together.
    public var groupKey: Int
    /// The number of members of the group.
    public var groupSize: Int
    /// The key of the operation within the group. All members use the same.
    public var instanceKey: Int
    /// The element type.
    public var dtype: DType
    /// The shape of the tensor, if the node declares it, as a receiver of a broadcast does; otherwise nil.
    public var shape: Shape?
    /// How two tensors are combined. A reduction must have it, with the loops for its merge and its element type.
    public var arithmetic: CollectiveArithmetic?
    /// The rank that this member asks for; nil if the names of the devices decide. All members of a group ask or none does.
    public var rank: Int?
    /// The device of this member, with job, replica, task, type and index.
    public var device: DeviceName
    /// The algorithm that the node asks for: `auto`, `ring`, …
    public var communicationHint: String
    /// The time after which the operation fails with DEADLINE_EXCEEDED; nil if never.
    public var timeout: Duration?
    /// The name of the node with what it does, for errors.
    public var name: String
    /// The name of the node.
    public var node: String

    /// One member's part of an operation.
    /// - Parameter node: the name of the node; `name` if nil.
    public init(
        _ kind: Kind, groupKey: Int, groupSize: Int, instanceKey: Int, dtype: DType, shape: Shape? = nil,
        arithmetic: CollectiveArithmetic? = nil, rank: Int? = nil, device: DeviceName, communicationHint: String = "auto", timeout: Duration? = nil,
        name: String, node: String? = nil
    ) {
        self.kind = kind
        self.groupKey = groupKey
        self.groupSize = groupSize
        self.instanceKey = instanceKey
        self.dtype = dtype
        self.shape = shape
        self.arithmetic = arithmetic
        self.rank = rank
        self.device = device
        self.communicationHint = communicationHint
        self.timeout = timeout
        self.name = name
        self.node = node ?? name
    }
}

/// How tensors are combined element by element.
public struct CollectiveReduction: Sendable, Equatable {
    /// TensorFlow's `merge_op`.
    public enum Merge: String, Sendable { case min = "Min", max = "Max", multiply = "Mul", add = "Add" }
    /// TensorFlow's `final_op`: whether the combination is divided by the number of members.
    public enum Final: String, Sendable { case identity = "Id", divide = "Div" }
    /// How two tensors are combined.
    public var merge: Merge
    /// What is done with the combination of all.
    public var final: Final
    /// A way to combine.
    public init(_ merge: Merge, _ final: Final = .identity) {
        self.merge = merge
        self.final = final
    }
}

public import WeirTensor

/// What a node of an op is to the passes and the executor. Most ops only compute; the others are parts of the machinery,
/// and each form of one (`Merge` and `RefMerge`) has the same role.
public enum OpRole: Sendable {
    /// The kernel makes the outputs of the inputs, and that is all.
    case compute
    /// The output is the attribute `value`.
    case constant
    /// The output is what a client feeds.
    case placeholder
    /// Orders other nodes and does nothing itself.
    case noOp
    /// Control flow: some outputs are dead although the inputs are alive.
    case `switch`
    /// Control flow: the first input that is alive.
    case merge
    /// Control flow: into a loop, out of it, and round to its next iteration.
    case enter, exit, nextIteration
    /// Control flow: whether a loop goes on.
    case loopCondition
    /// Waits for others and runs even if they are dead.
    case controlTrigger
    /// To another device or task, and from there.
    case send, receive
    /// A function's argument and result.
    case argument, result
}

/// How the outputs of an op are its inputs.
public enum PassThrough: Sendable {
    /// The output is the input, and so is the gradient.
    case identity
    /// The output is the input; the gradient is not.
    case value
    /// Each output is the input of the same number.
    case each
    /// The output is a copy of the input, which may change later.
    case copy
    /// The output is the input, once a check has passed.
    case check
}

/// When a node changes nothing, as the op's definition says it: what `ArithmeticSimplification` leaves out.
public enum Simplification: Sendable {
    /// The second operand changes nothing where it is this scalar; nor does the first, if the operands may be swapped.
    case neutral(NeutralElement, isCommutative: Bool)
    /// Applied twice, the op gives its first operand.
    case selfInverse
    /// The first input is the output where this holds of the node.
    case unchanged(@Sendable (Node) -> Bool)
    /// The first input is the output where this holds of the constant at that input.
    case unchangedFor(input: Int, @Sendable (Tensor) -> Bool)
    /// Two in a row are less than two, by the constants that each has as its second input.
    case repeated(@Sendable (_ inner: Tensor, _ outer: Tensor) -> Repetition?)

    /// What two nodes in a row come to.
    public enum Repetition: Sendable {
        /// The second, right away.
        case outerAlone
        /// The first one's input.
        case nothing
    }
}

/// The scalar that changes nothing as an operand.
public enum NeutralElement: Sendable {
    /// One or zero, for operands of these types.
    case one(DTypeSet), zero(DTypeSet)
    case truth(Bool)

    func matches(_ tensor: Tensor) -> Bool {
        guard tensor.rank == 0 else { return false }
        switch self {
        case .truth(let expected): return (try? tensor.scalar(of: Bool.self)) == expected
        case .one(let types): return types.contains(tensor.dtype) && NeutralElement.number(tensor) == 1
        // Taking away -0 makes 0 of -0.
        case .zero(let types):
            return types.contains(tensor.dtype) && NeutralElement.number(tensor).map { $0 == 0 && $0.sign == .plus } == true
        }
    }

    private static func number(_ tensor: Tensor) -> Double? {
        switch tensor.dtype {
        case .float32: (try? tensor.scalar(of: Float.self)).map(Double.init)
        case .float64: try? tensor.scalar(of: Double.self)
        case .float16: (try? tensor.scalar(of: Float16.self)).map(Double.init)
        case .bfloat16: (try? tensor.scalar(of: BFloat16.self)).map { Double($0.float) }
        default: (try? tensor.integer()).map(Double.init)
        }
    }
}

/// The part that an op plays in one node made of a product and what is done to it next: what `ProductFusion` joins.
public enum FusionPart: Sendable {
    /// The product or convolution. Its fused form is the op of this name; its channels, when they come last, are at this
    /// axis; and a tensor that is no bias may be added or not.
    case product(fused: String, channelAxis: Int, takesSums: Bool)
    /// Adds a vector to each row.
    case bias
    /// Adds a tensor, which may be a vector.
    case sum
    /// Comes last; `fused_ops` has the op's own name.
    case activation
}

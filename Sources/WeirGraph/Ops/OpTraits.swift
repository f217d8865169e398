public import WeirTensor

/// What a node of an op is to the graph passes and the executor. Most ops only compute. All forms of an op (`Merge` and
/// `RefMerge`) have the same role.
public enum OpRole: Sendable {
    /// The kernel computes the outputs from the inputs and does nothing else.
    case compute
    /// The output is the tensor in the attribute `value`.
    case constant
    /// The output is the tensor that the client feeds.
    case placeholder
    /// Has only control edges: it orders other nodes and does nothing itself.
    case noOp
    /// Control flow: forwards the input to one output. The other output is dead although the inputs are not.
    case `switch`
    /// Control flow: forwards the first input that is not dead.
    case merge
    /// Control flow: enters a loop's frame, leaves it, and passes a value to the loop's next iteration.
    case enter, exit, nextIteration
    /// Control flow: the bool scalar that says whether the loop runs another iteration.
    case loopCondition
    /// Waits for its control inputs and runs even if they are dead.
    case controlTrigger
    /// Sends a tensor to another device or task, or receives one from there.
    case send, receive
    /// An argument of a function, or a result.
    case argument, result
}

/// How an op forwards its inputs to its outputs.
public enum PassThrough: Sendable {
    /// The output is the input, and the input's gradient is the output's gradient.
    case identity
    /// The output is the input. The gradient is not passed on (`StopGradient`, `PreventGradient`).
    case value
    /// Output `i` is input `i` (`IdentityN`).
    case each
    /// The output is a copy of the input, because the input's memory may be updated later (`Snapshot`).
    case copy
    /// The output is the input if a check passes; otherwise the node fails.
    case check
}

/// When a node has no effect on its input's value, as the op's definition declares it. `ArithmeticSimplification` removes such
/// nodes.
public enum Simplification: Sendable {
    /// If the second operand is this scalar, the output is the first operand. If the op is commutative, the operands may be
    /// swapped.
    case neutral(NeutralElement, isCommutative: Bool)
    /// Two such nodes in a row give the first one's first operand.
    case selfInverse
    /// If this is true for the node, the output is its first input.
    case unchanged(@Sendable (Node) -> Bool)
    /// If this is true for the constant at input `input`, the output is the first input.
    case unchangedFor(input: Int, @Sendable (Tensor) -> Bool)
    /// Two such nodes in a row can be simplified, depending on the constants at their second inputs.
    case repeated(@Sendable (_ inner: Tensor, _ outer: Tensor) -> Repetition?)

    /// What two nodes in a row are equivalent to.
    public enum Repetition: Sendable {
        /// The second node, applied to the first one's input.
        case outerAlone
        /// The first node's input.
        case nothing
    }
}

/// The scalar operand that does not change the other operand's value.
public enum NeutralElement: Sendable {
    /// One or zero, if the operands are of one of these types.
    case one(DTypeSet), zero(DTypeSet)
    /// A bool scalar of this value.
    case truth(Bool)

    func matches(_ tensor: Tensor) -> Bool {
        guard tensor.rank == 0 else { return false }
        switch self {
        case .truth(let expected): return (try? tensor.scalar(of: Bool.self)) == expected
        case .one(let types): return types.contains(tensor.dtype) && NeutralElement.number(tensor) == 1
        // Only +0 is neutral: subtracting -0 turns -0 into +0.
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

/// The part of an op in a fused node, which computes a matrix product or convolution and the ops after it. `ContractionFusion`
/// fuses such nodes.
public enum FusionPart: Sendable {
    /// The product or convolution. `fused` is the name of the fused op, `channelAxis` the axis of the channels if they are
    /// last, and `takesSums` says whether a tensor other than a bias may be added.
    case product(fused: String, channelAxis: Int, takesSums: Bool)
    /// Adds a vector to each row.
    case bias
    /// Adds a tensor, which may be a vector.
    case sum
    /// The activation, which is the last part. Its entry in `fused_ops` is the op's name.
    case activation
}

/// What an op does with a variable that its first input refers to, or that its output refers to.
public enum VariableUse: Sendable {
    /// The output is the handle of a variable, which the attributes `dtype`, `shape` and `shared_name` describe.
    case handle
    /// The output is a reference to a variable of TensorFlow 1, which is named like its node.
    case reference
    /// The output is the variable's value.
    case read
    /// The output is the rows of the variable that the second input lists.
    case gather
    /// Replaces the value by the second input.
    case assignment
    /// Changes the value, or a part of it, in a way that depends on the old one.
    case update
}

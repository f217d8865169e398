public import WeirTensor

/// The computation of one node: a closure created for this node, with code for its types.
public enum Kernel: Sendable {
    /// Reads the inputs from the context and sets the outputs before it returns.
    public typealias Synchronous = @Sendable (borrowing KernelContext) throws -> Void
    /// Enqueues work on the device's stream. Returns whether the outputs are set. See `Kernel.enqueued`.
    public typealias Enqueued = @Sendable (borrowing KernelContext, _ done: @escaping @Sendable (EnqueuedResult) -> Void) throws -> Bool
    /// Reads the inputs from the context and calls the completion later. See `Kernel.async`.
    public typealias Asynchronous = @Sendable (borrowing KernelContext, @escaping KernelCompletion) -> Void

    /// Computes and returns. It must not wait for another kernel.
    case sync(Synchronous)
    /// Reads its inputs, starts an operation and returns. It calls the completion exactly once, immediately or later, from any
    /// thread, with one slot for each output.
    case async(Asynchronous)
    /// Enqueues work on its device's stream. If it returns true, its outputs are set: the executor propagates them at once, and
    /// the stream writes their elements later. If it returns false, it passes the outputs to `done`, because a shape depends on
    /// values. It calls `done` exactly once, from any thread, when the work is done, but not if it throws.
    case enqueued(Enqueued)
}

/// The result of work that a kernel has enqueued on its device's stream.
public enum EnqueuedResult: Sendable {
    /// The outputs were set before the kernel returned. The status is nil if there was no error.
    case outputsAlreadySet(Status?)
    /// The outputs, or the error.
    case outputs(Result<[EdgeValue], Status>)
}

/// Takes the outputs of an asynchronous kernel, one slot for each, or the error.
public typealias KernelCompletion = @Sendable (Result<[EdgeValue], Status>) -> Void

/// The value of an edge in a running graph. TensorFlow's executor calls it `Entry`.
public enum EdgeValue: Sendable {
    /// No value has arrived.
    case empty
    /// A tensor.
    case value(Tensor)
    /// A reference to a variable.
    case reference(VariableStorage)
    /// A dead value: the edge belongs to a branch that was not taken.
    case dead

    /// The tensor; nil for all other cases.
    @inlinable public var tensor: Tensor? { if case .value(let tensor) = self { tensor } else { nil } }
    /// Whether the value is dead.
    @inlinable public var isDead: Bool { if case .dead = self { true } else { false } }
    /// Whether no value has arrived.
    @inlinable public var isEmpty: Bool { if case .empty = self { true } else { false } }
}

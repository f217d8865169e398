public import WeirTensor

/// How a node computes: a closure made for just this node, its types already chosen.
public enum Kernel: Sendable {
    public typealias Synchronous = @Sendable (borrowing KernelContext) throws -> Void
    public typealias Enqueued = @Sendable (borrowing KernelContext, _ done: @escaping @Sendable (EnqueuedResult) -> Void) throws -> Bool
    public typealias Asynchronous = @Sendable (borrowing KernelContext, @escaping KernelCompletion) -> Void

    /// Computes and returns. It must not wait for another kernel.
    case sync(Synchronous)
    /// Reads its inputs, starts something, returns; calls the completion once, then or later, from any thread, with
    /// one slot an output.
    case async(Asynchronous)
    /// Gives its device's stream work to do and returns whether it has set its outputs: they are handed on at once, and
    /// their elements are there when the stream has got to them. If not, the outputs come when the work is done: a shape
    /// may follow from values. Calls `done` once, from any thread, when the work is done; not at all when it throws.
    case enqueued(Enqueued)
}

/// What came of work that a kernel has given to its device's stream.
public enum EnqueuedResult: Sendable {
    /// The outputs were handed on before; nil when all went well.
    case handedOnBefore(Status?)
    /// The outputs come now.
    case outputs(Result<[Slot], Status>)
}

public typealias KernelCompletion = @Sendable (Result<[Slot], Status>) -> Void

/// What lies on an edge of a running graph.
public enum Slot: Sendable {
    /// Nothing has arrived.
    case empty
    case value(Tensor)
    /// A variable itself, not its value.
    case reference(ReferenceCell)
    /// The edge of a branch that was not taken.
    case dead

    @inlinable public var tensor: Tensor? { if case .value(let tensor) = self { tensor } else { nil } }
    @inlinable public var isDead: Bool { if case .dead = self { true } else { false } }
    @inlinable public var isEmpty: Bool { if case .empty = self { true } else { false } }
}

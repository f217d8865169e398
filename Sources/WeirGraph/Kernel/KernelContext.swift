public import WeirTensor
public import WeirDevice

/// What a kernel sees during one call. It lives on the executor's stack; asynchronous kernels take from it what they
/// need before they return.
public struct KernelContext: ~Copyable {
    @usableFromInline let inputs: UnsafeMutablePointer<Slot>
    @usableFromInline let outputs: UnsafeMutablePointer<Slot>
    public let inputCount: Int
    public let outputCount: Int
    @usableFromInline unowned(unsafe) let stepReference: StepContext
    @usableFromInline unowned(unsafe) let placeReference: KernelPlace
    /// The loop iteration this call belongs to, as it stands in rendezvous keys.
    public let frame: FrameIteration

    @inlinable
    public init(
        inputs: UnsafeMutablePointer<Slot>, inputCount: Int, outputs: UnsafeMutablePointer<Slot>, outputCount: Int,
        step: StepContext, place: KernelPlace, frame: FrameIteration = .root
    ) {
        self.inputs = inputs
        self.inputCount = inputCount
        self.outputs = outputs
        self.outputCount = outputCount
        stepReference = step
        placeReference = place
        self.frame = frame
    }

    @inlinable public var step: StepContext { stepReference }
    @inlinable public var place: KernelPlace { placeReference }
    @inlinable public var device: any Device { placeReference.device }
    @inlinable public var resources: ResourceTable { placeReference.resources }
    @inlinable public var pool: ComputePool { placeReference.pool }

    /// The value of input `index`. The executor has seen to it that there is one, of the schema's type.
    @inlinable public func input(_ index: Int) -> Tensor {
        precondition(index < inputCount)
        guard case .value(let tensor) = inputs[index] else { preconditionFailure("input \(index) holds no value") }
        return tensor
    }
    // The same without taking a reference, so that the memory can still be reused for an output.
    @inlinable public func shape(_ index: Int) -> Shape { input(index).shape }
    @inlinable public func dtype(_ index: Int) -> DType { input(index).dtype }
    // For the hottest kernels: without a copy of the shape.
    @inlinable public func rank(_ index: Int) -> Int { input(index).rank }
    @inlinable public func dimension(_ index: Int, _ axis: Int) -> Int { input(index).dimension(axis) }
    @inlinable public func elements<E>(_ index: Int, _ type: E.Type = E.self) -> UnsafeBufferPointer<E> {
        input(index).elements(type)
    }
    /// Whether input `index` is there: loops and conditionals leave some of Merge's empty.
    @inlinable public func hasInput(_ index: Int) -> Bool { if case .value = inputs[index] { true } else { false } }
    /// The slot itself, for kernels that pass on whatever lies there (Identity, Switch, Merge).
    @inlinable public func slot(_ index: Int) -> Slot { inputs[index] }
    /// Every input's value.
    public var inputTensors: [Tensor] { (0..<inputCount).map { input($0) } }

    /// The variable that a reference input is.
    /// - Throws: `invalidArgument` when a value came instead.
    @inlinable public func reference(_ index: Int) throws -> ReferenceCell {
        guard case .reference(let cell) = inputs[index] else {
            throw Status.invalidArgument("Input \(index) must be a reference to a variable, found a value")
        }
        return cell
    }

    /// Memory for output `index`, to be written before the kernel returns.
    ///
    /// - Parameter reusing: inputs whose memory may serve when nobody else holds it and type and shape are the same.
    ///   Read their `elements` before this call; afterwards the input itself is gone.
    @inlinable
    public func output(_ index: Int, _ dtype: DType, _ shape: Shape, reusing: Int...) throws -> Tensor {
        for candidate in reusing where reuse(candidate, for: index, dtype, shape) {
            if case .value(let tensor) = outputs[index] { return tensor }
        }
        let tensor =
            placeReference.usesHostMemory || !dtype.isBitwise
            ? try Tensor(dtype, shape) : try Tensor(dtype, shape, in: placeReference.allocator)
        outputs[index] = .value(tensor)
        return tensor
    }
    @inlinable public var allocator: any Allocator { placeReference.allocator }

    @usableFromInline func reuse(_ input: Int, for output: Int, _ dtype: DType, _ shape: Shape) -> Bool {
        guard case .value(var tensor) = inputs[input] else { return false }
        inputs[input] = .empty
        if dtype.isBitwise, tensor.dtype == dtype, tensor.shape == shape, tensor.isUniquelyReferenced() {
            outputs[output] = .value(tensor)
            return true
        }
        inputs[input] = .value(tensor)
        return false
    }

    /// Makes a tensor that exists already output `index`.
    @inlinable public func setOutput(_ index: Int, _ tensor: Tensor) { outputs[index] = .value(tensor) }
    @inlinable public func setOutput(_ index: Int, reference: ReferenceCell) { outputs[index] = .reference(reference) }
    @inlinable public func setOutput(_ index: Int, slot: Slot) { outputs[index] = slot }
}

/// Which iteration of which loop: what the last field of a rendezvous key says. `frame` 0 is outside of all loops.
public struct FrameIteration: Sendable, Hashable {
    public var frame: UInt64
    public var iteration: Int
    @inlinable public init(frame: UInt64, iteration: Int) {
        self.frame = frame
        self.iteration = iteration
    }
    public static let root = FrameIteration(frame: 0, iteration: 0)
}

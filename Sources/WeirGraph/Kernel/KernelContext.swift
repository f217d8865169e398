public import WeirTensor
public import WeirDevice

/// The inputs and outputs of a kernel during one call. TensorFlow's `OpKernelContext`. The context is on the executor's stack,
/// so an asynchronous kernel must read what it needs before it returns.
public struct KernelContext: ~Copyable {
    @usableFromInline let inputs: UnsafeMutablePointer<EdgeValue>
    @usableFromInline let outputs: UnsafeMutablePointer<EdgeValue>
    /// The number of inputs.
    public let inputCount: Int
    /// The number of outputs.
    public let outputCount: Int
    @usableFromInline unowned(unsafe) let stepReference: StepContext
    @usableFromInline unowned(unsafe) let placeReference: KernelEnvironment
    /// The loop iteration that this call belongs to, for rendezvous keys.
    public let frame: FrameIteration

    /// The context of one call. The pointers, `step` and `place` must be valid until the kernel returns.
    @inlinable
    package init(
        inputs: UnsafeMutablePointer<EdgeValue>, inputCount: Int, outputs: UnsafeMutablePointer<EdgeValue>, outputCount: Int,
        step: StepContext, place: KernelEnvironment, frame: FrameIteration = .root
    ) {
        self.inputs = inputs
        self.inputCount = inputCount
        self.outputs = outputs
        self.outputCount = outputCount
        stepReference = step
        placeReference = place
        self.frame = frame
    }

    /// The running step.
    @inlinable public var step: StepContext { stepReference }
    /// The device that the kernel runs on, and its resources.
    @inlinable public var place: KernelEnvironment { placeReference }
    /// The device that the kernel runs on.
    @inlinable public var device: any Device { placeReference.device }
    /// The resources of the device that outlive steps.
    @inlinable public var resources: ResourceTable { placeReference.resources }
    /// The threads for parallel loops.
    @inlinable public var pool: ComputePool { placeReference.pool }

    /// The tensor of input `index`. The executor guarantees that there is one, of the type in the schema.
    @inlinable public func input(_ index: Int) -> Tensor {
        precondition(index < inputCount)
        guard case .value(let tensor) = inputs[index] else { preconditionFailure("input \(index) holds no value") }
        return tensor
    }
    /// The shape of input `index`. This and the next four functions do not keep a reference to the tensor, so its memory can
    /// still be reused for an output.
    @inlinable public func shape(_ index: Int) -> Shape { input(index).shape }
    /// The element type of input `index`.
    @inlinable public func dtype(_ index: Int) -> DType { input(index).dtype }
    /// The rank of input `index`, without a copy of the shape.
    @inlinable public func rank(_ index: Int) -> Int { input(index).rank }
    /// The size of axis `axis` of input `index`, without a copy of the shape.
    @inlinable public func dimension(_ index: Int, _ axis: Int) -> Int { input(index).dimension(axis) }
    /// The elements of input `index` in row-major order. They are valid until the kernel returns or the input is reused.
    @inlinable public func elements<E>(_ index: Int, _ type: E.Type = E.self) -> UnsafeBufferPointer<E> {
        input(index).elements(type)
    }
    /// Whether input `index` has a value. In loops and conditionals some inputs of Merge have none.
    @inlinable public func hasInput(_ index: Int) -> Bool { if case .value = inputs[index] { true } else { false } }
    /// The slot of input `index`, for kernels that forward any kind of value (Identity, Switch, Merge).
    @inlinable public func slot(_ index: Int) -> EdgeValue { inputs[index] }
    /// The tensors of all inputs.
    public var inputTensors: [Tensor] { (0..<inputCount).map { input($0) } }

    /// The variable that reference input `index` refers to.
    /// - Throws: `invalidArgument` when the input is a value.
    @inlinable public func reference(_ index: Int) throws -> VariableStorage {
        guard case .reference(let cell) = inputs[index] else {
            throw Status.invalidArgument("Input \(index) must be a reference to a variable, found a value")
        }
        return cell
    }

    /// Allocates output `index`. The kernel must write its elements before it returns (`Tensor.withMutableElements`).
    ///
    /// - Parameter reusing: indices of inputs whose memory may be used for the output. An input is reused if nobody else holds
    ///   its tensor and type and shape are equal. Read its `elements` before this call, because a reused input is empty
    ///   afterwards.
    /// - Throws: `resourceExhausted` when there is no memory.
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
    /// The allocator of the device.
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

    /// Sets output `index` to an existing tensor.
    @inlinable public func setOutput(_ index: Int, _ tensor: Tensor) { outputs[index] = .value(tensor) }
    /// Sets output `index` to a reference to a variable.
    @inlinable public func setOutput(_ index: Int, reference: VariableStorage) { outputs[index] = .reference(reference) }
    /// Sets output `index` to any kind of value.
    @inlinable public func setOutput(_ index: Int, slot: EdgeValue) { outputs[index] = slot }
}

/// An iteration of a loop: the last field of a rendezvous key. `frame` is 0 outside of all loops.
public struct FrameIteration: Sendable, Hashable {
    /// The ID of the loop's frame.
    public var frame: UInt64
    /// The iteration, counted from 0.
    public var iteration: Int
    /// An iteration of a frame.
    @inlinable public init(frame: UInt64, iteration: Int) {
        self.frame = frame
        self.iteration = iteration
    }
    /// Outside of all loops.
    public static let root = FrameIteration(frame: 0, iteration: 0)
}

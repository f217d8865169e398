public import WeirTensor

/// A device that runs kernels and holds tensors, such as a CPU or a GPU.
///
/// A CPU computes synchronously. A GPU computes asynchronously, in the order of a stream. A tensor of such a device may be
/// handed on before its elements are written: code that uses them runs later on the same stream, or waits for one of its
/// events.
public protocol Device: AnyObject, Sendable {
    /// The full name, such as `/job:worker/replica:0/task:0/device:CPU:0`.
    var name: DeviceName { get }
    /// The device type that kernels are registered for: `CPU`, `GPU`.
    var type: String { get }
    /// A random number drawn when the process starts. When it changes, the process was restarted and has lost its state.
    var incarnation: UInt64 { get }
    /// Allocates the memory of the device's tensors.
    var allocator: any Allocator { get }
    /// The most bytes of tensors that the device holds, as announced to clients.
    var memoryLimit: Int { get }
    /// A description of the hardware for a person.
    var hardware: String { get }

    /// The error after which the device computes no more; nil while it works. A step ends with it.
    var failure: Status? { get }
    /// The stream on which kernels run; nil when the device is synchronous.
    var stream: (any DeviceStream)? { get }
    /// Copies a tensor from host memory to this device. The device's kernels may use the result immediately. Use it only while
    /// graphs are prepared, because the calling thread may block.
    /// - Throws: `resourceExhausted` when the device has not enough memory left.
    func upload(_ tensor: Tensor) throws(Status) -> Tensor
    /// Copies a tensor from host memory to this device during a step. `done` may be called before the copy is complete; work that
    /// is enqueued on the stream later runs after it.
    func upload(_ tensor: Tensor, _ done: @escaping Completion<Tensor>)
    /// Copies a tensor of this device to host memory once `event` is reached. `done` is called when the copy is complete. It may
    /// run on a thread of the device, and must not block it.
    func download(_ tensor: Tensor, after event: (any DeviceEvent)?, _ done: @escaping Completion<Tensor>)
    /// Copies a tensor of this device directly to another device, with the semantics of `upload` there.
    /// - Returns: false when there is no direct way; then `done` is not called.
    func send(_ tensor: Tensor, after event: (any DeviceEvent)?, to other: any Device, _ done: @escaping Completion<Tensor>) -> Bool
    /// The device that this object renames; itself when it does not rename one.
    var underlying: any Device { get }
}

extension Device {
    /// Whether host code can read the device's tensors.
    public var isHost: Bool { type == "CPU" }
    /// The device itself.
    public var underlying: any Device { self }

    /// nil: the device does not fail.
    public var failure: Status? { nil }
    /// nil: a device in host memory is synchronous.
    public var stream: (any DeviceStream)? { nil }
    /// Returns the tensor, which is in host memory already.
    public func upload(_ tensor: Tensor) throws(Status) -> Tensor { tensor }
    /// Returns the tensor, which is in host memory already.
    public func upload(_ tensor: Tensor, _ done: @escaping Completion<Tensor>) { done(.success(tensor)) }
    /// Returns the tensor, which is in host memory already.
    public func download(_ tensor: Tensor, after event: (any DeviceEvent)?, _ done: @escaping Completion<Tensor>) {
        done(.success(tensor))
    }
    /// Returns false: there is no direct way.
    public func send(
        _ tensor: Tensor, after event: (any DeviceEvent)?, to other: any Device, _ done: @escaping Completion<Tensor>
    ) -> Bool { false }

    /// Copies a tensor to the host, after the work that this device's stream has been given so far.
    public func copyToHost(_ tensor: Tensor, _ done: @escaping Completion<Tensor>) {
        isHost ? done(.success(tensor)) : underlying.download(tensor, after: stream?.record(), done)
    }

    /// Copies a tensor to this device. Work that the device's stream is given later runs after the copy. A tensor that is on this
    /// device already is returned itself.
    ///
    /// - Parameters:
    ///   - source: the device that holds the tensor; nil for host memory.
    ///   - event: reached when the elements are written; nil when they are.
    public func copyToDevice(_ tensor: Tensor, from source: (any Device)?, after event: (any DeviceEvent)?, _ done: @escaping Completion<Tensor>) {
        guard let source = source?.underlying, !source.isHost else { return upload(tensor, done) }
        let target = underlying
        if source === target { return done(.success(tensor)) }
        if target.isHost { return source.download(tensor, after: event, done) }
        if source.send(tensor, after: event, to: target, done) { return }
        source.download(tensor, after: event) { result in
            switch result {
            case .success(let copy): target.upload(copy, done)
            case .failure(let status): done(.failure(status))
            }
        }
    }
}

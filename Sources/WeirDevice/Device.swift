public import WeirTensor

/// A place where kernels run and tensors lie: a CPU, a GPU.
///
/// A device either computes while it is called (a CPU), or is given work and does it later, in order, on a stream (a GPU).
/// A tensor of such a device may be handed on before its elements are there: whatever touches them comes later on the
/// stream, or waits for an event of it.
public protocol Device: AnyObject, Sendable {
    /// Its full name: `/job:worker/replica:0/task:0/device:CPU:0`.
    var name: DeviceName { get }
    /// `CPU`, `GPU`: what kernels are registered for.
    var type: String { get }
    /// Drawn at random when the process starts; another number means another process, which has lost its state.
    var incarnation: UInt64 { get }
    var allocator: any Allocator { get }
    /// The most bytes of tensors it holds, as it is announced to clients.
    var memoryLimit: Int { get }
    /// What the hardware is, for a person to read.
    var hardware: String { get }

    /// The order in which kernels run that are given to the device; nil when they have run once they return.
    var stream: (any DeviceStream)? { get }
    /// Copies a tensor of host memory to this device. The result may be handed to the device's kernels at once, before it
    /// is there. Only while graphs are prepared: the calling thread may wait.
    func upload(_ tensor: Tensor) throws(Status) -> Tensor
    /// The same in a step. `done` may be called before the elements are there; the stream's later work comes after them.
    func upload(_ tensor: Tensor, _ done: @escaping Completion<Tensor>)
    /// Copies a tensor of this device to host memory, once `event` is reached. Its elements are there when `done` is
    /// called, on a thread of the device's, which must not be held up.
    func download(_ tensor: Tensor, after event: (any DeviceEvent)?, _ done: @escaping Completion<Tensor>)
    /// Copies a tensor of this device straight to another, as `upload` there would; false when there is no direct way.
    func send(_ tensor: Tensor, after event: (any DeviceEvent)?, to other: any Device, _ done: @escaping Completion<Tensor>) -> Bool
    /// The device that this is, under another name; itself if it is none.
    var underlying: any Device { get }
}

extension Device {
    /// Whether host code can read its tensors.
    public var isHost: Bool { type == "CPU" }
    public var underlying: any Device { self }

    // What a device in host memory does.
    public var stream: (any DeviceStream)? { nil }
    public func upload(_ tensor: Tensor) throws(Status) -> Tensor { tensor }
    public func upload(_ tensor: Tensor, _ done: @escaping Completion<Tensor>) { done(.success(tensor)) }
    public func download(_ tensor: Tensor, after event: (any DeviceEvent)?, _ done: @escaping Completion<Tensor>) {
        done(.success(tensor))
    }
    public func send(
        _ tensor: Tensor, after event: (any DeviceEvent)?, to other: any Device, _ done: @escaping Completion<Tensor>
    ) -> Bool { false }

    /// Brings a tensor that this device's work so far has made to the host, where its elements can be read.
    public func bringToHost(_ tensor: Tensor, _ done: @escaping Completion<Tensor>) {
        isHost ? done(.success(tensor)) : underlying.download(tensor, after: stream?.record(), done)
    }

    /// Brings a tensor to this device, whose work on it comes after the copy; itself when it lies here already.
    ///
    /// - Parameters:
    ///   - source: the device that it is on; nil for host memory.
    ///   - event: when its elements are there; nil when they are.
    public func bring(_ tensor: Tensor, from source: (any Device)?, after event: (any DeviceEvent)?, _ done: @escaping Completion<Tensor>) {
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

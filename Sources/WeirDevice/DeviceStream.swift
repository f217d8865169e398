/// A queue of work that a device does in order, asynchronously to the code that enqueues it. A CUDA stream is one.
public protocol DeviceStream: AnyObject, Sendable {
    /// Returns an event that is reached when all work enqueued so far is done.
    func record() -> any DeviceEvent
    /// Makes all work enqueued from now on wait for an event, which may belong to another stream.
    func wait(for event: any DeviceEvent)
}

/// A point in the work of a stream. A CUDA event is one.
public protocol DeviceEvent: AnyObject, Sendable {
    /// Whether the work before this point is done.
    var isReached: Bool { get }
    /// Calls `body` once, when the event is reached; immediately when it already is. `body` may run on a thread of the device,
    /// and must not block it.
    func whenReached(_ body: @escaping @Sendable () -> Void)
}

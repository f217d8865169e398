/// Work that a device does in order, while those who gave it go on.
public protocol DeviceStream: AnyObject, Sendable {
    /// An event that is reached when all that the stream has been given so far is done.
    func record() -> any DeviceEvent
    /// Lets all that the stream is given from now on wait for an event, which may be another stream's.
    func wait(for event: any DeviceEvent)
}

/// A point in a stream's work.
public protocol DeviceEvent: AnyObject, Sendable {
    var isReached: Bool { get }
    /// Calls back once, when it is reached; at once when it is already. The thread is the device's and must not be held up.
    func whenReached(_ body: @escaping @Sendable () -> Void)
}

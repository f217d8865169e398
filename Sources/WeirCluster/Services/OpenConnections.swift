import protocol NIOCore.Channel
import Synchronization

/// The open connections of a server, so that it can close all of them.
final class OpenConnections: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]?>([:])

    func add(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        let isOpen = channels.withLock { channels in
            channels?[id] = channel
            return channels != nil
        }
        guard isOpen else { return channel.close(promise: nil) }
        channel.closeFuture.whenComplete { [self] _ in channels.withLock { _ = $0?.removeValue(forKey: id) } }
    }
    /// Closes all connections, and all that are added later.
    func close() {
        let open = channels.withLock { channels in
            defer { channels = nil }
            return channels ?? [:]
        }
        for channel in open.values { channel.close(promise: nil) }
    }
}

import Glibc
package import WeirTensor

/// Starts threads for work that blocks: reading and writing sockets, and the streams of a simulated device.
package enum SystemThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    /// Runs `body` on a new, detached thread.
    /// - Throws: `resourceExhausted` when the system has no thread left, for example because peers opened many connections.
    package static func run(_ body: @escaping @Sendable () -> Void) throws(Status) {
        let retained = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, retained.toOpaque())
        guard failure == 0 else {
            retained.release()
            throw .resourceExhausted("Cannot start a thread: \(String(cString: strerror(failure)))")
        }
        pthread_detach(thread)
    }
}

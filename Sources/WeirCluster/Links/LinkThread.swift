import Glibc
import WeirTensor

/// Threads for reading and writing sockets.
enum LinkThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    /// - Throws: `resourceExhausted` when the system has no thread left; peers may have taken them.
    static func run(_ body: @escaping @Sendable () -> Void) throws(Status) {
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
            throw .resourceExhausted("Cannot start a thread for a link: \(String(cString: strerror(failure)))")
        }
        pthread_detach(thread)
    }
}

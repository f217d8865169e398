#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif
package import WeirTensor

/// Threads of their own, for what waits: reading and writing sockets, a simulated device's streams.
package enum SystemThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    /// - Throws: `resourceExhausted` when the system has no thread left; peers may have taken them.
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

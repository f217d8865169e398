#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif
import WeirTensor

/// Waits until this process is asked to end: by a signal, or by the end of what it reads.
///
/// The second signal has its usual effect, whatever ended the wait: a second Ctrl-C ends a process that takes too long to
/// stop.
public struct TerminationRequest: Sendable {
    private let watched: Int32?
    /// SIGINT, as from Ctrl-C, and SIGTERM.
    public static let usualSignals: [Int32] = [SIGINT, SIGTERM]

    /// From now on the first of the signals does not end the process. One request at a time.
    ///
    /// - Parameter input: a file descriptor whose end counts too, such as standard input: so a child ends with whoever
    ///   started it, however that ends. What is read there is dropped.
    /// - Throws: `resourceExhausted` when the process has no file descriptor left.
    public init(signals: [Int32] = TerminationRequest.usualSignals, input: Int32? = nil) throws {
        watched = input
        try TerminationRequest.openPipe()
        hasSignalCome = false
        for number in signals {
            signal(number) { number in
                guard !hasSignalCome else {
                    signal(number, SIG_DFL)
                    raise(number)
                    return
                }
                hasSignalCome = true
                let before = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(pipeEnds.write, &byte, 1)
                errno = before
            }
        }
    }

    /// Returns once the process is asked to end.
    public func wait() async {
        // A thread of its own that waits in the kernel, not a Dispatch source: those of a signal and of an input that end
        // together crash libdispatch now and then.
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let box = Unmanaged.passRetained(Waiter(watched, continuation))
            var thread = pthread_t()
            let failed = pthread_create(
                &thread, nil,
                { argument in
                    #if canImport(Darwin)
                        Unmanaged<Waiter>.fromOpaque(argument).takeRetainedValue().run()
                    #else
                        Unmanaged<Waiter>.fromOpaque(argument!).takeRetainedValue().run()
                    #endif
                    return nil
                }, box.toOpaque())
            precondition(failed == 0, "cannot start a thread: error \(failed)")
            pthread_detach(thread)
        }
    }

    private static func openPipe() throws {
        guard pipeEnds.read < 0 else {
            // What came when nobody waited any more.
            var bytes = [UInt8](repeating: 0, count: 64)
            while read(pipeEnds.read, &bytes, bytes.count) > 0 {}
            return
        }
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else {
            throw Status.resourceExhausted("cannot wait for signals: \(String(cString: strerror(errno)))")
        }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        pipeEnds = (ends[0], ends[1])
    }

    private final class Waiter: Sendable {
        private let watched: Int32?
        private let continuation: CheckedContinuation<Void, Never>

        init(_ watched: Int32?, _ continuation: CheckedContinuation<Void, Never>) {
            self.watched = watched
            self.continuation = continuation
        }

        func run() {
            var awaited = [pollfd(fd: pipeEnds.read, events: Int16(POLLIN), revents: 0)]
            if let watched { awaited.append(pollfd(fd: watched, events: Int16(POLLIN), revents: 0)) }
            var bytes = [UInt8](repeating: 0, count: 4096)
            defer { continuation.resume() }
            while true {
                guard poll(&awaited, nfds_t(awaited.count), -1) > 0 else {
                    if errno == EINTR { continue }
                    return
                }
                if awaited[0].revents != 0, read(pipeEnds.read, &bytes, bytes.count) > 0 { return }
                if awaited.count > 1, awaited[1].revents != 0 {
                    let count = read(awaited[1].fd, &bytes, bytes.count)
                    if count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN) { return }
                }
            }
        }
    }
}

// What a signal handler may touch: plain values, set before any handler is.
private nonisolated(unsafe) var pipeEnds: (read: Int32, write: Int32) = (-1, -1)
private nonisolated(unsafe) var hasSignalCome = false

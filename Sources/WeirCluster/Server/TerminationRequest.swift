import Glibc
import ServiceLifecycle
import WeirTensor

/// Waits for a request to end this process: a signal, or the end of an input. As a service it ends its group: give it the termination
/// behavior `gracefullyShutdownGroup`.
///
/// `UnixSignalsSequence` of swift-service-lifecycle does not do it ([decision 17](../../docs/decisions/0017-signals-in-a-service.md)).
///
/// A second signal has its default effect, also after the wait has ended, so that a second Ctrl-C ends a process that takes too long to stop.
package struct TerminationRequest: Service {
    private let input: Int32?
    /// SIGINT, which Ctrl-C sends, and SIGTERM.
    package static let usualSignals: [Int32] = [SIGINT, SIGTERM]

    /// Installs handlers for the signals. There must be only one request at a time, because signal handlers are global.
    ///
    /// - Parameter input: a file descriptor whose end of file is a request too. With standard input, a child process ends when its
    ///   parent does, even if the parent crashes. The bytes of the input are dropped.
    /// - Throws: `resourceExhausted` when the process has no free file descriptor.
    package init(signals: [Int32] = TerminationRequest.usualSignals, input: Int32? = nil) throws {
        self.input = input
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

    /// Waits as `wait` does.
    package func run() async { await wait() }

    /// Waits for the first signal or the end of the input, or until the calling task is cancelled or its service group shuts down.
    package func wait() async {
        await withTaskCancellationOrGracefulShutdownHandler {
            await waitForInput()
        } onCancelOrGracefulShutdown: {
            // Wakes the thread as a signal does. If the thread has ended, the next request drops the byte.
            var byte: UInt8 = 0
            _ = write(pipeEnds.write, &byte, 1)
        }
    }

    private func waitForInput() async {
        // A thread that waits in `poll`, not Dispatch sources: libdispatch sometimes crashes when the sources of a signal and of
        // an input end at the same time.
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let waiter = Unmanaged.passRetained(Waiter(input, continuation))
            var thread = pthread_t()
            let failed = pthread_create(
                &thread, nil,
                { argument in
                    Unmanaged<Waiter>.fromOpaque(argument!).takeRetainedValue().run()
                    return nil
                }, waiter.toOpaque())
            precondition(failed == 0, "cannot start a thread: error \(failed)")
            pthread_detach(thread)
        }
    }

    private static func openPipe() throws {
        guard pipeEnds.read < 0 else {
            // The pipe may have bytes of signals that arrived after an earlier wait had ended.
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
        private let input: Int32?
        private let continuation: CheckedContinuation<Void, Never>

        init(_ input: Int32?, _ continuation: CheckedContinuation<Void, Never>) {
            self.input = input
            self.continuation = continuation
        }

        func run() {
            var awaited = [pollfd(fd: pipeEnds.read, events: Int16(POLLIN), revents: 0)]
            if let input { awaited.append(pollfd(fd: input, events: Int16(POLLIN), revents: 0)) }
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

// Signal handlers may only use plain values. These are set before any handler is installed.
private nonisolated(unsafe) var pipeEnds: (read: Int32, write: Int32) = (-1, -1)
private nonisolated(unsafe) var hasSignalCome = false

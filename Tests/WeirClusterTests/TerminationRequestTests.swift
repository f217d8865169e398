import Glibc
import Logging
import ServiceLifecycle
import Testing
import WeirCluster

/// Signals are process-wide, so these tests are serialized.
@Suite("Requests to end the process", .serialized)
struct TerminationRequestTests {
    @Test("each signal ends one wait")
    func signals() async throws {
        for _ in 0..<50 {
            let request = try TerminationRequest(signals: [SIGUSR1])
            // A signal before the wait is not lost.
            raiseAndHandle(SIGUSR1)
            await request.wait()
        }
    }

    @Test("end of input ends the wait, with and without a signal", arguments: [false, true])
    func input(_ signalled: Bool) async throws {
        for _ in 0..<50 {
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            defer { close(ends[0]) }
            let request = try TerminationRequest(signals: [SIGUSR1], input: ends[0])
            #expect(write(ends[1], "text", 4) == 4)
            async let end: Void = request.wait()
            close(ends[1])
            if signalled { raiseAndHandle(SIGUSR1) }
            await end
        }
    }

    @Test("cancelling the task ends the wait")
    func cancellation() async throws {
        for _ in 0..<50 {
            let request = try TerminationRequest(signals: [SIGUSR1])
            let waiting = Task { await request.wait() }
            waiting.cancel()
            await waiting.value
        }
    }

    @Test("as a service it shuts its group down, and ends with it", arguments: [true, false])
    func service(_ isRequested: Bool) async throws {
        struct Other: Service {
            func run() async throws { try await ServiceLifecycle.gracefulShutdown() }
        }
        for _ in 0..<50 {
            let request = try TerminationRequest(signals: [SIGUSR1])
            let services: [ServiceGroupConfiguration.ServiceConfiguration] = [
                .init(service: Other()), .init(service: request, successTerminationBehavior: .gracefullyShutdownGroup),
            ]
            let group = ServiceGroup(configuration: ServiceGroupConfiguration(services: services, logger: Logger(label: "test")))
            async let end: Void = group.run()
            if isRequested { raiseAndHandle(SIGUSR1) } else { await group.triggerGracefulShutdown() }
            try await end
        }
    }

    /// Raises a signal on this thread and returns when it has been handled. `kill` would signal another thread, because
    /// Dispatch's threads block signals; the signal might be handled in the next round, and a second one there ends the process.
    private func raiseAndHandle(_ number: Int32) {
        var signals = sigset_t()
        var before = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, number)
        pthread_sigmask(SIG_UNBLOCK, &signals, &before)
        raise(number)
        pthread_sigmask(SIG_SETMASK, &before, nil)
    }
}

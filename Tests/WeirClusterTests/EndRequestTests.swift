import Glibc
import Testing
import WeirCluster

/// Signals are the whole process's, so these run one after the other.
@Suite("End requests", .serialized)
struct EndRequestTests {
    @Test("a signal ends the wait, as often as there is one")
    func signals() async throws {
        for _ in 0..<50 {
            let request = try EndRequest(signals: [SIGUSR1])
            // Sent before anybody waits: it is not lost.
            raiseAndHandle(SIGUSR1)
            await request.wait()
        }
    }

    @Test("the end of the input ends the wait, alone and together with a signal", arguments: [false, true])
    func input(_ signalled: Bool) async throws {
        for _ in 0..<50 {
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            defer { close(ends[0]) }
            let request = try EndRequest(signals: [SIGUSR1], input: ends[0])
            #expect(write(ends[1], "text", 4) == 4)
            async let end: Void = request.wait()
            close(ends[1])
            if signalled { raiseAndHandle(SIGUSR1) }
            await end
        }
    }

    /// Returns when the signal has been handled. One sent with `kill` goes to another thread, since Dispatch's block signals,
    /// and may be handled a round later: as the second of that round, which ends the process.
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

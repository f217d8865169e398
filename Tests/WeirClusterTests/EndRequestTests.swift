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
            kill(getpid(), SIGUSR1)
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
            if signalled { kill(getpid(), SIGUSR1) }
            await end
        }
    }
}

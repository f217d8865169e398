import Testing

@testable import WeirCluster

@Suite("Outbox of a link")
struct LinkOutboxTests {
    private func expect(
        _ expected: LinkOutbox.AddResult, adding bytes: [UInt8], to outbox: inout LinkOutbox, now: ContinuousClock.Instant,
        at location: SourceLocation = #_sourceLocation
    ) {
        let verdict = bytes.withUnsafeBytes { bytes in
            var rest = FrameBytes(bytes)
            return outbox.add(&rest, now: now)
        }
        #expect(verdict == expected, sourceLocation: location)
    }
    private func expect(taking expected: [UInt8]?, from outbox: inout LinkOutbox, at location: SourceLocation = #_sourceLocation) {
        let taken = outbox.take()
        #expect(taken == expected, sourceLocation: location)
    }

    @Test("the first message starts a writer; messages that arrive meanwhile are written together")
    func gathering() {
        var outbox = LinkOutbox()
        let now = ContinuousClock.now
        #expect(outbox.isIdle)
        expect(.startWriter, adding: [1], to: &outbox, now: now)
        #expect(!outbox.isIdle)
        expect(.queued, adding: [2], to: &outbox, now: now)
        expect(taking: [1, 2], from: &outbox)
        expect(.queued, adding: [3], to: &outbox, now: now)
        expect(taking: [3], from: &outbox)
        expect(taking: nil, from: &outbox)
        #expect(outbox.isIdle)
        expect(.startWriter, adding: [4], to: &outbox, now: now)
    }

    @Test("the outbox limit applies to a peer that reads nothing for long, not to a slow one")
    func bounds() {
        var outbox = LinkOutbox()
        let now = ContinuousClock.now
        let much = [UInt8](repeating: 0, count: LinkOutbox.stalledByteLimit)
        expect(.startWriter, adding: much, to: &outbox, now: now)
        expect(.queued, adding: [1], to: &outbox, now: now + .seconds(9))
        expect(.full, adding: [1], to: &outbox, now: now + .seconds(11))
        outbox.recordProgress()
        expect(.queued, adding: [1], to: &outbox, now: .now)
        // A small backlog may wait without limit: a stopped peer may continue.
        outbox.clear()
        expect(.queued, adding: [1], to: &outbox, now: now + .seconds(10_000))
    }
}

import Testing

@testable import WeirCluster

@Suite("What waits for a peer to read")
struct LinkOutboxTests {
    private func add(_ bytes: [UInt8], to outbox: inout LinkOutbox, now: ContinuousClock.Instant) -> LinkOutbox.Verdict {
        bytes.withUnsafeBytes { outbox.add([$0], now: now) }
    }

    @Test("the first who leaves something has it written, and what gathers meanwhile is written together")
    func gathering() {
        var outbox = LinkOutbox()
        let now = ContinuousClock.now
        #expect(outbox.isIdle)
        #expect(add([1], to: &outbox, now: now) == .begin)
        #expect(!outbox.isIdle)
        #expect(add([2], to: &outbox, now: now) == .waits)
        #expect(outbox.take() == [1, 2])
        #expect(add([3], to: &outbox, now: now) == .waits)
        #expect(outbox.take() == [3])
        #expect(outbox.take() == nil)
        #expect(outbox.isIdle)
        #expect(add([4], to: &outbox, now: now) == .begin)
    }

    @Test("a peer that takes nothing for long may be so far behind and no further; one that reads slowly further")
    func bounds() {
        var outbox = LinkOutbox()
        let now = ContinuousClock.now
        let much = [UInt8](repeating: 0, count: LinkOutbox.patientByteCount)
        #expect(add(much, to: &outbox, now: now) == .begin)
        #expect(add([1], to: &outbox, now: now + .seconds(9)) == .waits)
        #expect(add([1], to: &outbox, now: now + .seconds(11)) == .full)
        outbox.noteProgress()
        #expect(add([1], to: &outbox, now: .now) == .waits)
        // Little may wait for as long as it takes: the peer may be stopped, and go on.
        outbox.clear()
        #expect(add([1], to: &outbox, now: now + .seconds(10_000)) == .waits)
    }
}

import Foundation
import Testing
import WeirTensor

@testable import WeirTrain

@Suite("Summaries")
struct SummaryWriterTests {
    private func status(_ body: () throws(Status) -> Void) -> Status? {
        do throws(Status) { try body() } catch { return error }
        return nil
    }

    @Test("a write that fails is thrown, and thrown again for later events and by close")
    func fullDisk() throws {
        let writer = try SummaryWriter(appendingTo: "/dev/full")
        try writer.scalar("loss", 1, step: 1)
        let failure = status { () throws(Status) in try writer.flush() }
        #expect(failure != nil)
        #expect(status { () throws(Status) in try writer.scalar("loss", 2, step: 2) } == failure)
        #expect(status { () throws(Status) in try writer.close() } == failure)
    }

    @Test("events that do not fit into the buffer any more are thrown, not dropped")
    func fullBuffer() throws {
        let writer = try SummaryWriter(appendingTo: "/dev/full")
        let failed = (0..<20_000).contains { step in status { () throws(Status) in try writer.scalar("loss", 1, step: step) } != nil }
        #expect(failed)
    }

    @Test("after close, an event is refused, and a second close does nothing")
    func closed() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let writer = try SummaryWriter(directory: directory)
        try writer.scalar("loss", 1, step: 1)
        try writer.close()
        #expect(status { () throws(Status) in try writer.scalar("loss", 2, step: 2) }?.code == .failedPrecondition)
        #expect(status { () throws(Status) in try writer.close() } == nil)
    }
}

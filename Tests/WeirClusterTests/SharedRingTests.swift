import Glibc
import Testing
import WeirDevice
import WeirGraph
import WeirTensor

@testable import WeirCluster

@Suite("Shared-memory ring of a link")
struct SharedRingTests {
    /// Both ends of a ring, each with its own mapping, as two processes have them.
    private func ends() throws -> (writer: SharedRing, reader: SharedRing) {
        let reader = try SharedRing()
        return (try SharedRing(from: dup(reader.descriptor)), reader)
    }
    /// A deadline, so that a failing test ends.
    private static func patience() -> () -> Bool {
        let end = ContinuousClock.now + .seconds(30)
        return { .now < end }
    }
    private static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

    @Test("bytes of any count arrive intact, many times")
    func roundTrips() throws {
        let (writer, reader) = try ends()
        let capacity = Int(SharedRing.capacity)
        let counts = [1, 63, 4096, capacity - 1, capacity, capacity + 1, 5 * capacity + 7, 100_000, 3 * capacity]
        // The writer blocks, so it has its own thread, as in a link.
        try SystemThread.run {
            for count in counts { #expect(SharedRingTests.bytes(count).withUnsafeBytes { writer.write($0, while: SharedRingTests.patience()) }) }
        }
        for count in counts {
            var found = [UInt8](repeating: 0, count: count)
            #expect(found.withUnsafeMutableBytes { reader.read(into: $0, while: SharedRingTests.patience()) })
            #expect(found == SharedRingTests.bytes(count))
        }
    }

    @Test("an end whose peer is gone reads the remaining bytes, then stops waiting")
    func peerGone() throws {
        let (writer, reader) = try ends()
        #expect(SharedRingTests.bytes(10).withUnsafeBytes { writer.write($0, while: SharedRingTests.patience()) })
        var found = [UInt8](repeating: 0, count: 10)
        #expect(found.withUnsafeMutableBytes { reader.read(into: $0, while: { false }) })
        #expect(found == SharedRingTests.bytes(10))
        #expect(!found.withUnsafeMutableBytes { reader.read(into: $0, while: { false }) })
        #expect(!SharedRingTests.bytes(Int(SharedRing.capacity) + 1).withUnsafeBytes { writer.write($0, while: { false }) })
    }

    @Test("a peer's count beyond the capacity is rejected")
    func wrongCount() throws {
        let (_, reader) = try ends()
        let memory = try #require(mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, reader.descriptor, 0))
        defer { munmap(memory, 4096) }
        memory.storeBytes(of: SharedRing.capacity + 1, as: UInt32.self)
        var found = [UInt8](repeating: 7, count: 100)
        #expect(!found.withUnsafeMutableBytes { reader.read(into: $0, while: SharedRingTests.patience()) })
        #expect(found.allSatisfy { $0 == 7 })
    }
}

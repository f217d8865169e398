import Synchronization
import Testing
import WeirDevice

@testable import WeirRuntime
@testable import WeirTensor

@Suite("Compute pool", .timeLimit(.minutes(1)))
struct ComputePoolTests {
    @Test("a trim frees the blocks of the pool's threads that wait for work")
    func idleThreads() async throws {
        let pool = try ComputePool(threadCount: 1, startsAdditionalThreads: false)
        let size = HostAllocator.sizeClass(4096)
        try await pool.result {
            let blocks = try (0..<16).map { _ in UInt(bitPattern: try HostAllocator.shared.allocate(4096)) }
            for block in blocks.compactMap({ UnsafeMutableRawPointer(bitPattern: $0) }) { HostAllocator.shared.deallocate(block, 4096) }
        }
        // The thread needs a moment after its job until it waits.
        for _ in 0..<200 {
            HostAllocator.shared.trim()
            let keeps = try await pool.result { () -> Bool in
                guard let block = BlockCache.take(size) else { return false }
                HostAllocator.shared.deallocate(block, 4096)
                return true
            }
            if !keeps { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("the pool's thread keeps its blocks although it waits")
    }

    @Test("ranges cover any number of elements")
    func ranges() throws {
        let pool = try ComputePool(threadCount: 4, startsAdditionalThreads: false)
        let ranges = Mutex<[Range<Int>]>([])
        pool.parallelFor(.max, grain: 1 << 60) { range in ranges.withLock { $0.append(range) } }
        let sorted = ranges.withLock { $0.sorted { $0.lowerBound < $1.lowerBound } }
        #expect(sorted.count == 4 && sorted.first?.lowerBound == 0 && sorted.last?.upperBound == .max)
        for (range, next) in zip(sorted, sorted.dropFirst()) { #expect(range.upperBound == next.lowerBound) }
    }
}

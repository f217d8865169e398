import Foundation
import Synchronization
import Testing

@testable import WeirTensor

/// Small blocks that threads keep for reuse, when memory runs short.
@Suite("Blocks that threads keep", .timeLimit(.minutes(1)))
struct BlockCacheTests {
    /// Whether a thread that has freed blocks still keeps one after a trim by another thread.
    private func keepsBlocks(parking: Bool) -> Bool {
        let (hasFreed, isTrimmed, isDone) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let keeps = Mutex(false)
        let thread = Thread {
            let blocks = (0..<32).compactMap { _ in try? HostAllocator.shared.allocate(4096) }
            for block in blocks { HostAllocator.shared.deallocate(block, 4096) }
            if parking { BlockCache.park() }
            hasFreed.signal()
            isTrimmed.wait()
            if parking { BlockCache.unpark() }
            let kept = BlockCache.take(HostAllocator.sizeClass(4096))
            keeps.withLock { $0 = kept != nil }
            if let kept { HostAllocator.shared.deallocate(kept, 4096) }
            isDone.signal()
        }
        thread.start()
        hasFreed.wait()
        HostAllocator.shared.trim()
        isTrimmed.signal()
        isDone.wait()
        return keeps.withLock { $0 }
    }

    @Test("a trim frees the blocks of a thread that waits for work")
    func parked() { #expect(!keepsBlocks(parking: true)) }

    @Test("a trim leaves the blocks of a thread that works")
    func working() { #expect(keepsBlocks(parking: false)) }

    @Test("a trim frees the blocks of its own thread")
    func own() throws {
        let block = try HostAllocator.shared.allocate(4096)
        HostAllocator.shared.deallocate(block, 4096)
        HostAllocator.shared.trim()
        #expect(BlockCache.take(HostAllocator.sizeClass(4096)) == nil)
    }

    @Test("many threads park and work while others trim")
    func concurrently() {
        DispatchQueue.concurrentPerform(iterations: 8) { number in
            for round in 0..<200 {
                if number == 0 {
                    BlockCache.trim()
                } else {
                    let blocks = (1...16).compactMap { try? HostAllocator.shared.allocate($0 * 64) }
                    for (index, block) in blocks.enumerated() {
                        block.storeBytes(of: round, as: Int.self)
                        HostAllocator.shared.deallocate(block, (index + 1) * 64)
                    }
                    BlockCache.park()
                    BlockCache.unpark()
                }
            }
        }
    }
}

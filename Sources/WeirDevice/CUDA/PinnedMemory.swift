import Synchronization
package import WeirTensor

/// Host memory that the card reads and writes itself: copies of other host memory go through the driver's own and hold the thread.
/// Tensors that were copied from the card lie in it, so they are copied once.
///
/// Blocks are kept by size class: the driver takes a millisecond for one.
package final class PinnedMemory: Allocator {
    private let card: CUDACard
    private let state = Mutex(State())
    /// The most bytes kept for reuse.
    private static let keptBytes = 256 << 20

    private struct State: @unchecked Sendable {  // the lock guards the blocks
        var free: [Int: [UnsafeMutableRawPointer]] = [:]
        var kept = 0
        var used = 0
        var peak = 0
    }

    init(_ card: CUDACard) { self.card = card }
    deinit {
        let blocks = state.withLock { $0 }.free.values.joined()
        card.makeCurrent()
        for block in blocks { _ = card.driver.freeHost(block) }
    }

    /// Powers of two and their halves, from 4 KB on.
    private static func size(_ byteCount: Int) -> Int {
        let power = 1 << (Int.bitWidth - (max(byteCount, 4096) - 1).leadingZeroBitCount)
        return byteCount <= power / 4 * 3 ? power / 4 * 3 : power
    }

    package func allocate(_ byteCount: Int) throws(Status) -> UnsafeMutableRawPointer {
        guard byteCount < 1 << 48 else { throw .resourceExhausted("Out of memory: \(byteCount) bytes that the GPU can reach on the host") }
        let size = PinnedMemory.size(byteCount)
        let kept = state.withLock { state -> Pointer in
            state.used += size
            state.peak = max(state.peak, state.used)
            guard let block = state.free[size]?.popLast() else { return Pointer(address: nil) }
            state.kept -= size
            return Pointer(address: block)
        }
        if let block = kept.address { return block }
        card.makeCurrent()
        var block: UnsafeMutableRawPointer?
        do throws(Status) {
            // 1: any context of the process may use it.
            try card.check(card.driver.allocateHost(&block, size, 1), "cuMemHostAlloc")
            guard let block else { throw .resourceExhausted("Out of memory: \(byteCount) bytes that the GPU can reach on the host") }
            return block
        } catch {
            state.withLock { $0.used -= size }
            throw error
        }
    }

    package func deallocate(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        let size = PinnedMemory.size(byteCount)
        let block = Pointer(address: pointer)
        let isKept = state.withLock { state -> Bool in
            state.used -= size
            guard state.kept + size <= PinnedMemory.keptBytes, let pointer = block.address else { return false }
            state.kept += size
            state.free[size, default: []].append(pointer)
            return true
        }
        guard !isKept else { return }
        card.makeCurrent()
        _ = card.driver.freeHost(pointer)
    }
    package var bytesInUse: Int { state.withLock { $0.used } }
    package var peakBytesInUse: Int { state.withLock { $0.peak } }
    package var limit: Int? { nil }

    private struct Pointer: @unchecked Sendable { let address: UnsafeMutableRawPointer? }
}

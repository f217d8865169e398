import CLinux
import Glibc
import Synchronization
package import WeirTensor

/// A byte ring in memory that two processes share, for one writing and one reading thread.
///
/// Both sides copy at the same time, and the ring is small enough to stay in the processor caches. The memory of the tensors
/// is not shared, so a peer cannot change what has been read. The writer is at most `capacity` bytes ahead of the reader.
package final class SharedRing: Sendable {
    /// The size of the ring in bytes: a power of two, so that counts may wrap around.
    static let capacity: UInt32 = 1 << 20
    /// How many bytes are copied at most before the other side is notified.
    private static let chunkByteCount: UInt32 = 128 << 10
    /// The offset of the bytes in the shared memory. The counts of both sides are before it.
    private static let dataOffset = 4096
    private static let byteCount = dataOffset + Int(capacity)
    /// How often a side polls before it sleeps: about 50 µs on the machine where this was measured, the time in which the other
    /// side copies a chunk. The length of a pause depends on the processor. Fewer polls cost wake-ups, more cost CPU time.
    private static let spinCount = 2000

    /// The state that one side publishes: how many bytes it has copied, modulo 2³², and whether the other side sleeps until that
    /// changes. The two are on separate cache lines. Both are atomic, in memory that the ring keeps mapped.
    private struct Progress: @unchecked Sendable {
        let count: UnsafeMutablePointer<Atomic<UInt32>>
        let hasWaiter: UnsafeMutablePointer<Atomic<UInt32>>
        init(_ memory: UnsafeMutableRawPointer) {
            count = memory.assumingMemoryBound(to: Atomic<UInt32>.self)
            hasWaiter = (memory + 128).assumingMemoryBound(to: Atomic<UInt32>.self)
        }
    }
    /// The mapped memory. `transfer` orders all access to the bytes by the atomic counts.
    private struct Memory: @unchecked Sendable { let base: UnsafeMutableRawPointer }

    package let descriptor: Int32
    private let memory: Memory
    private let written: Progress
    private let consumed: Progress
    /// How many bytes this side has copied. It is not read back from the shared memory, because the peer could change it there.
    private let localCount = Atomic<UInt32>(0)

    /// Creates a ring for another process.
    /// - Throws: `resourceExhausted` when the system gives no shared memory.
    package convenience init() throws(Status) {
        let descriptor = linux_make_sealed_memory("weir link", SharedRing.byteCount)
        guard descriptor >= 0 else { throw .resourceExhausted("No memory to share with a peer: \(String(cString: strerror(errno)))") }
        try self.init(owning: descriptor)
    }

    /// Maps a ring that another process has created. Takes ownership of the descriptor.
    /// - Throws: `dataLoss` when the memory has another size, or is not sealed: its size could change while it is read.
    package convenience init(from descriptor: Int32) throws(Status) {
        guard linux_is_sealed_memory(descriptor, SharedRing.byteCount) == 1 else {
            if descriptor >= 0 { close(descriptor) }
            throw .dataLoss("A link's peer offers memory to share that is not \(SharedRing.byteCount) sealed bytes")
        }
        try self.init(owning: descriptor)
    }

    private init(owning descriptor: Int32) throws(Status) {
        let mapped = mmap(nil, SharedRing.byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let mapped, mapped != MAP_FAILED else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw .resourceExhausted("Cannot map memory shared with a peer: \(reason)")
        }
        self.descriptor = descriptor
        memory = Memory(base: mapped)
        written = Progress(mapped)
        consumed = Progress(mapped + 256)
    }

    deinit {
        munmap(memory.base, SharedRing.byteCount)
        close(descriptor)
    }

    /// Blocks until all bytes are in the ring.
    /// - Parameter isAlive: polled while the peer makes no progress.
    /// - Returns: false when the peer is gone or violates the protocol.
    package func write(_ bytes: UnsafeRawBufferPointer, while isAlive: () -> Bool) -> Bool {
        transfer(bytes.count, published: written, awaited: consumed, room: { SharedRing.capacity &- ($0 &- $1) }, isAlive) { ring, offset, count in
            ring.copyMemory(from: bytes.baseAddress.unsafelyUnwrapped + offset, byteCount: count)
        }
    }

    /// Blocks until the buffer is full.
    /// - Parameter isAlive: polled while the peer makes no progress.
    /// - Returns: false when the peer is gone or violates the protocol.
    package func read(into buffer: UnsafeMutableRawBufferPointer, while isAlive: () -> Bool) -> Bool {
        transfer(buffer.count, published: consumed, awaited: written, room: { $1 &- $0 }, isAlive) { ring, offset, count in
            (buffer.baseAddress.unsafelyUnwrapped + offset).copyMemory(from: ring, byteCount: count)
        }
    }

    /// Whether the next byte that is read has an address that is a multiple of `size`, a power of two.
    package func isAligned(to size: Int) -> Bool { Int(localCount.load(ordering: .relaxed)) & (size - 1) == 0 }

    /// Blocks until all bytes have been used where they lie in the ring.
    /// - Parameters:
    ///   - byteCount: a multiple of `size`.
    ///   - size: a power of two, to which the ring is aligned. What `use` gets is a multiple of it.
    ///   - isAlive: polled while the peer makes no progress.
    ///   - use: gets some bytes, which the peer can change at any time, their offset from the first, and their number.
    /// - Returns: false when the peer is gone or violates the protocol.
    package func read(
        _ byteCount: Int, inUnitsOf size: Int, while isAlive: () -> Bool, _ use: (UnsafeRawPointer, _ offset: Int, _ byteCount: Int) -> Void
    ) -> Bool {
        transfer(byteCount, unit: UInt32(size), published: consumed, awaited: written, room: { $1 &- $0 }, isAlive) { use($0, $1, $2) }
    }

    /// Copies `total` bytes in chunks and publishes each.
    /// - Parameters:
    ///   - unit: a power of two; all chunks are multiples of it.
    ///   - room: how many bytes this side can copy, given both counts.
    ///   - copy: copies between a position in the ring and an offset in the caller's memory.
    @inline(__always)
    private func transfer(
        _ total: Int, unit: UInt32 = 1, published: Progress, awaited: Progress, room: (_ localCount: UInt32, _ other: UInt32) -> UInt32,
        _ isAlive: () -> Bool, copy: (UnsafeMutableRawPointer, Int, Int) -> Void
    ) -> Bool {
        var count = localCount.load(ordering: .relaxed)
        defer { localCount.store(count, ordering: .relaxed) }
        var offset = 0
        while offset < total {
            var other = awaited.count.pointee.load(ordering: .acquiring)
            while room(count, other) < unit {
                guard let next = SharedRing.wait(awaited, toChangeFrom: other, isAlive) else { return false }
                other = next
            }
            let available = room(count, other)
            guard available <= SharedRing.capacity else { return false }
            let position = count & (SharedRing.capacity - 1)
            let part = min(available, SharedRing.capacity - position, SharedRing.chunkByteCount, UInt32(clamping: total - offset)) & ~(unit - 1)
            copy(memory.base + SharedRing.dataOffset + Int(position), offset, Int(part))
            offset += Int(part)
            count &+= part
            published.count.pointee.store(count, ordering: .sequentiallyConsistent)
            if published.hasWaiter.pointee.load(ordering: .sequentiallyConsistent) != 0 { linux_futex_wake(published.count) }
        }
        return true
    }

    /// Polls, then sleeps until the other side's count changes.
    /// - Returns: the new count, or nil when the other side is gone.
    private static func wait(_ progress: Progress, toChangeFrom value: UInt32, _ isAlive: () -> Bool) -> UInt32? {
        for spin in 1...spinCount {
            let now = progress.count.pointee.load(ordering: .acquiring)
            if now != value { return now }
            // With few cores the other side may need this one.
            if spin % 128 == 0 { sched_yield() } else { linux_pause() }
        }
        // Only the side that sets the flag clears it: the other side could clear a later one.
        defer { progress.hasWaiter.pointee.store(0, ordering: .relaxed) }
        while true {
            progress.hasWaiter.pointee.store(1, ordering: .sequentiallyConsistent)
            var now = progress.count.pointee.load(ordering: .sequentiallyConsistent)
            if now != value { return now }
            linux_futex_wait(progress.count, value, 100)
            let isAlive = isAlive()
            // Bytes that were written before the peer ended still count.
            now = progress.count.pointee.load(ordering: .acquiring)
            if now != value { return now }
            if !isAlive { return nil }
        }
    }
}

import CLinux
import Glibc
import Synchronization
package import WeirTensor

/// Bytes through memory that two processes share: one writes and the other reads, at most `capacity` bytes behind.
///
/// Both copy, at the same time, through a ring that stays in the processors' caches; the tensors' own memory is not
/// shared, so what has been read can no longer change. A ring in one direction, for one thread at either end.
package final class SharedRing: Sendable {
    /// A power of two.
    static let capacity: UInt32 = 1 << 20
    /// Told to the other end each time so much has been copied.
    private static let chunk: UInt32 = 128 << 10
    /// Where in the memory the bytes begin; what both ends know of each other is before.
    private static let start = 4096
    private static let byteCount = start + Int(capacity)
    /// How often an end looks before it sleeps: here some 50 µs, about what the other takes for a chunk. How long a pause
    /// takes is the processor's affair; too short costs wake-ups, too long a core.
    private static let looks = 2000

    /// How many bytes one end has dealt with, modulo 2³², and whether the other sleeps until there are more. On cache
    /// lines of their own.
    private struct Progress: @unchecked Sendable {
        let count: UnsafeMutablePointer<Atomic<UInt32>>
        let isAwaited: UnsafeMutablePointer<Atomic<UInt32>>
        init(_ memory: UnsafeMutableRawPointer) {
            count = memory.assumingMemoryBound(to: Atomic<UInt32>.self)
            isAwaited = (memory + 128).assumingMemoryBound(to: Atomic<UInt32>.self)
        }
    }
    private struct Memory: @unchecked Sendable { let base: UnsafeMutableRawPointer }

    package let descriptor: Int32
    private let memory: Memory
    private let written: Progress
    private let consumed: Progress
    /// This end's own count. The one in the shared memory is only told to the other, who could change it.
    private let own = Atomic<UInt32>(0)

    /// Makes a ring for another process.
    /// - Throws: `resourceExhausted` when there is no such memory.
    package convenience init() throws(Status) {
        let descriptor = linux_make_sealed_memory("weir link", SharedRing.byteCount)
        guard descriptor >= 0 else { throw .resourceExhausted("No memory to share with a peer: \(String(cString: strerror(errno)))") }
        try self.init(owning: descriptor)
    }

    /// Takes a ring that another process has made.
    /// - Throws: `dataLoss` when it is none: memory of another size, or whose size may change while it is read.
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
    /// - Parameter isAlive: asked now and then while the other end does nothing.
    /// - Returns: false when the other end is gone, or breaks the rules.
    package func write(_ bytes: UnsafeRawBufferPointer, while isAlive: () -> Bool) -> Bool {
        move(bytes.count, published: written, awaited: consumed, room: { SharedRing.capacity &- ($0 &- $1) }, isAlive) { ring, offset, count in
            ring.copyMemory(from: bytes.baseAddress.unsafelyUnwrapped + offset, byteCount: count)
        }
    }

    /// Blocks until the buffer is full.
    /// - Returns: false when the other end is gone, or breaks the rules.
    package func read(into buffer: UnsafeMutableRawBufferPointer, while isAlive: () -> Bool) -> Bool {
        move(buffer.count, published: consumed, awaited: written, room: { $1 &- $0 }, isAlive) { ring, offset, count in
            (buffer.baseAddress.unsafelyUnwrapped + offset).copyMemory(from: ring, byteCount: count)
        }
    }

    /// - Parameters:
    ///   - room: how many bytes this end can deal with, given both counts.
    ///   - copy: copies between a place in the ring and an offset.
    @inline(__always)
    private func move(
        _ total: Int, published: Progress, awaited: Progress, room: (_ own: UInt32, _ other: UInt32) -> UInt32,
        _ isAlive: () -> Bool, copy: (UnsafeMutableRawPointer, Int, Int) -> Void
    ) -> Bool {
        var count = own.load(ordering: .relaxed)
        defer { own.store(count, ordering: .relaxed) }
        var offset = 0
        while offset < total {
            var other = awaited.count.pointee.load(ordering: .acquiring)
            if room(count, other) == 0 {
                guard let next = SharedRing.wait(awaited, toLeave: other, isAlive) else { return false }
                other = next
            }
            let available = room(count, other)
            guard available <= SharedRing.capacity else { return false }
            let position = count & (SharedRing.capacity - 1)
            let part = min(available, SharedRing.capacity - position, SharedRing.chunk, UInt32(clamping: total - offset))
            copy(memory.base + SharedRing.start + Int(position), offset, Int(part))
            offset += Int(part)
            count &+= part
            published.count.pointee.store(count, ordering: .sequentiallyConsistent)
            if published.isAwaited.pointee.load(ordering: .sequentiallyConsistent) != 0 { linux_futex_wake(published.count) }
        }
        return true
    }

    /// - Returns: the new count, or nil when the other end is gone.
    private static func wait(_ progress: Progress, toLeave value: UInt32, _ isAlive: () -> Bool) -> UInt32? {
        for _ in 0..<looks {
            let now = progress.count.pointee.load(ordering: .acquiring)
            if now != value { return now }
            linux_pause()
        }
        // Taken back by who has set it: the other end could take back the next one.
        defer { progress.isAwaited.pointee.store(0, ordering: .relaxed) }
        while true {
            progress.isAwaited.pointee.store(1, ordering: .sequentiallyConsistent)
            var now = progress.count.pointee.load(ordering: .sequentiallyConsistent)
            if now != value { return now }
            linux_futex_wait(progress.count, value, 100)
            let isAlive = isAlive()
            // What came before the end still counts.
            now = progress.count.pointee.load(ordering: .acquiring)
            if now != value { return now }
            if !isAlive { return nil }
        }
    }
}

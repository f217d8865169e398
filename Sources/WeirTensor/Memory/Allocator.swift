import Glibc
import Synchronization

/// Allocates and frees memory for the tensors of a device.
///
/// All methods are thread-safe. Blocks are aligned to 64 bytes.
public protocol Allocator: AnyObject, Sendable {
    /// Returns an uninitialized block of `byteCount` bytes; `byteCount` must be greater than 0.
    /// - Throws: `resourceExhausted` when not enough memory is left.
    func allocate(_ byteCount: Int) throws(Status) -> UnsafeMutableRawPointer
    /// Frees a block. `byteCount` must be the number that was passed to `allocate`.
    func deallocate(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int)
    /// Bytes in use now; 0 when the allocator does not count.
    var bytesInUse: Int { get }
    /// The largest value that `bytesInUse` had so far.
    var peakBytesInUse: Int { get }
    /// The most bytes that may be in use at once; nil when only the machine limits it.
    var limit: Int? { get }
}

/// Allocates from the memory of the process. Freed blocks are kept by size class and reused, so that a warm step causes no
/// page faults. Large blocks are shared by all threads; small blocks are kept without a lock by the thread that freed them.
public final class HostAllocator: Allocator {
    /// The only instance.
    public static let shared = HostAllocator()

    /// Blocks of at least this many bytes are kept here, smaller ones in `BlockCache`.
    static let cachedSize = 64 << 10
    /// The size from which no machine has a block. Smaller sizes can be rounded up without overflow.
    static let maximumSize = 1 << 56
    /// The most bytes kept for reuse: an eighth of the machine's memory. Blocks freed beyond it go back to the system.
    static let cacheLimit = min(2 << 30, max(64 << 20, sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)) / 8))

    private struct Cache {
        var blocks: [Int: [UnsafeMutableRawPointer]] = [:]
        var byteCount = 0
    }
    private struct Guarded: @unchecked Sendable { var cache = Cache() }
    private let guarded = Mutex(Guarded())

    private init() {}

    /// Rounds a size up to a multiple of 64 or, above 512, of an eighth of a power of two. At most 12 % is lost, and sizes that
    /// are nearly equal share blocks.
    static func sizeClass(_ byteCount: Int) -> Int {
        guard byteCount > 512 else { return (max(byteCount, 1) &+ 63) & ~63 }
        let step = 1 << (Int.bitWidth - byteCount.leadingZeroBitCount - 4)
        return (byteCount + step - 1) & ~(step - 1)
    }

    /// Returns a block that was kept for reuse, or new memory.
    /// - Throws: `resourceExhausted` when the machine or the limit of the process (`MemoryBudget`) does not allow it.
    public func allocate(_ byteCount: Int) throws(Status) -> UnsafeMutableRawPointer {
        guard (0..<HostAllocator.maximumSize).contains(byteCount) else {
            throw .resourceExhausted("Out of memory: \(byteCount) bytes for a tensor")
        }
        let size = HostAllocator.sizeClass(byteCount)
        if size < HostAllocator.cachedSize {
            if let kept = BlockCache.take(size) { return kept }
        } else {
            let kept: UnsafeMutableRawPointer? = guarded.withLock { state -> SendablePointer in
                guard let block = state.cache.blocks[size]?.popLast() else { return SendablePointer(nil) }
                state.cache.byteCount -= size
                return SendablePointer(block)
            }.pointer
            if let kept { return kept }
        }
        try MemoryBudget.take(size)
        guard let pointer = aligned_alloc(64, size) else {
            throw .resourceExhausted("Out of memory: \(byteCount) bytes for a tensor")
        }
        return pointer
    }

    /// Keeps the block for reuse, or frees it when enough is kept.
    public func deallocate(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        let size = HostAllocator.sizeClass(byteCount)
        if size < HostAllocator.cachedSize {
            if BlockCache.keep(pointer, size) { return }
        } else {
            let block = SendablePointer(pointer)
            let kept = guarded.withLock { state -> Bool in
                guard state.cache.byteCount + size <= HostAllocator.cacheLimit, let pointer = block.pointer else { return false }
                state.cache.byteCount += size
                state.cache.blocks[size, default: []].append(pointer)
                return true
            }
            if kept { return }
        }
        free(pointer)
    }

    /// Calls `body` with scratch memory of `byteCount` bytes, which is valid until `body` returns. For loops that need more than
    /// the 1 KB that `withUnsafeTemporaryAllocation` takes from the stack. Ends the process when the memory is not available, so
    /// use it for small sizes only; `allocate` sizes that grow with the input.
    @usableFromInline
    package func withScratch<R>(_ byteCount: Int, _ body: (UnsafeMutableRawPointer) throws -> R) rethrows -> R {
        guard let memory = try? allocate(byteCount) else { fatalError("out of memory: \(byteCount) bytes") }
        defer { deallocate(memory, byteCount) }
        return try body(memory)
    }

    /// Carries a pointer across the closure of the lock, which takes sendable values only.
    private struct SendablePointer: @unchecked Sendable {
        let pointer: UnsafeMutableRawPointer?
        init(_ pointer: UnsafeMutableRawPointer?) { self.pointer = pointer }
    }

    /// `malloc_trim`, which the module of the C library does not declare.
    private static let trimLibrary = dlsym(nil, "malloc_trim").map { unsafeBitCast($0, to: (@convention(c) (Int) -> Int32).self) }

    /// Frees the blocks that are kept for reuse, and returns free memory to the system. The small blocks of other threads are
    /// freed only while these threads are parked (`BlockCache.park`). Takes milliseconds.
    public func trim() {
        let state = guarded.withLock { state -> Guarded in
            defer { state = Guarded() }
            return state
        }
        for block in state.cache.blocks.values.joined() { free(block) }
        BlockCache.trim()
        // Freed memory still counts as used by the process while the C library keeps it.
        _ = HostAllocator.trimLibrary?(0)
    }

    /// Always 0: host memory is not counted, because an atomic operation for each tensor would cost too much.
    public var bytesInUse: Int { 0 }
    /// Always 0, like `bytesInUse`.
    public var peakBytesInUse: Int { 0 }
    /// nil: only the machine and `MemoryBudget` limit host memory.
    public var limit: Int? { nil }
}

/// Allocates host memory, counts the bytes in use and enforces a limit.
package final class CountingAllocator: Allocator {
    private let used = Atomic<Int>(0)
    private let peak = Atomic<Int>(0)
    /// The most bytes that may be in use at once.
    package let limit: Int?
    private let name: String

    /// - Parameter name: names the allocator in error messages.
    package init(name: String, limit: Int) {
        self.name = name
        self.limit = limit
    }

    /// Returns a block of host memory.
    /// - Throws: `resourceExhausted` when the limit would be exceeded or the host has no memory left.
    package func allocate(_ byteCount: Int) throws(Status) -> UnsafeMutableRawPointer {
        let now = used.wrappingAdd(byteCount, ordering: .relaxed).newValue
        guard now <= limit ?? .max else {
            used.wrappingSubtract(byteCount, ordering: .relaxed)
            throw .resourceExhausted(
                "OOM when allocating \(byteCount) bytes on \(name): \(now &- byteCount) of \(limit ?? 0) bytes are in use")
        }
        do {
            let block = try HostAllocator.shared.allocate(byteCount)
            _ = peak.max(now, ordering: .relaxed)
            return block
        } catch {
            used.wrappingSubtract(byteCount, ordering: .relaxed)
            throw error
        }
    }
    /// Frees a block and subtracts it from `bytesInUse`.
    package func deallocate(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        used.wrappingSubtract(byteCount, ordering: .relaxed)
        HostAllocator.shared.deallocate(pointer, byteCount)
    }
    /// Bytes in use now.
    package var bytesInUse: Int { used.load(ordering: .relaxed) }
    /// The largest value that `bytesInUse` had so far.
    package var peakBytesInUse: Int { peak.load(ordering: .relaxed) }
}

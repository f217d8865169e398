#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif
import Synchronization

/// Gives and takes back a device's memory for tensors.
///
/// Called from any thread. Memory is aligned to 64 bytes.
public protocol Allocator: AnyObject, Sendable {
    /// Called with `byteCount` > 0.
    /// - Throws: `resourceExhausted` when there is not so much left.
    func allocate(_ byteCount: Int) throws(Status) -> UnsafeMutableRawPointer
    func deallocate(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int)
    /// Bytes in use now, and the most there ever were.
    var bytesInUse: Int { get }
    var peakBytesInUse: Int { get }
    /// The most it will give, or nil when only the machine limits it.
    var limit: Int? { get }
}

/// The process's own memory. Freed blocks are kept by size class and given out again, so that a warm step takes no page
/// faults: large ones for all threads together, small ones by the thread that freed them, without a lock.
public final class HostAllocator: Allocator {
    public static let shared = HostAllocator()

    /// From this size on blocks are kept here.
    static let cachedSize = 64 << 10
    /// The most that is kept for reuse, an eighth of the machine's memory; a block freed beyond it goes back to the system.
    static let cacheLimit = min(2 << 30, max(64 << 20, sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)) / 8))

    private struct Cache {
        var blocks: [Int: [UnsafeMutableRawPointer]] = [:]
        var byteCount = 0
    }
    private struct Guarded: @unchecked Sendable { var cache = Cache() }
    private let guarded = Mutex(Guarded())

    private init() {}

    /// Sizes are rounded up to multiples of 64, and above 512 to an eighth of a power of two: at most 12 % lost, and
    /// near-equal sizes share blocks.
    static func sizeClass(_ byteCount: Int) -> Int {
        guard byteCount > 512 else { return (max(byteCount, 1) &+ 63) & ~63 }
        let step = 1 << (Int.bitWidth - byteCount.leadingZeroBitCount - 4)
        return (byteCount + step - 1) & ~(step - 1)
    }

    public func allocate(_ byteCount: Int) throws(Status) -> UnsafeMutableRawPointer {
        let size = HostAllocator.sizeClass(byteCount)
        if size < HostAllocator.cachedSize {
            if let kept = BlockCache.take(size) { return kept }
        } else {
            let kept: UnsafeMutableRawPointer? = guarded.withLock { state -> Sent in
                guard let block = state.cache.blocks[size]?.popLast() else { return Sent(nil) }
                state.cache.byteCount -= size
                return Sent(block)
            }.pointer
            if let kept { return kept }
        }
        try MemoryBudget.take(size)
        guard let pointer = aligned_alloc(64, size) else {
            throw .resourceExhausted("Out of memory: \(byteCount) bytes for a tensor")
        }
        return pointer
    }

    public func deallocate(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        let size = HostAllocator.sizeClass(byteCount)
        if size < HostAllocator.cachedSize {
            if BlockCache.keep(pointer, size) { return }
        } else {
            let block = Sent(pointer)
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

    /// Calls `body` with memory that is its own until it returns, for loops that need more than the kilobyte that
    /// `withUnsafeTemporaryAllocation` takes from the stack. As there, the process ends where so little is not to be had:
    /// what grows with the input is `allocate`d.
    public func withScratch<R>(_ byteCount: Int, _ body: (UnsafeMutableRawPointer) throws -> R) rethrows -> R {
        guard let memory = try? allocate(byteCount) else { fatalError("out of memory: \(byteCount) bytes") }
        defer { deallocate(memory, byteCount) }
        return try body(memory)
    }

    /// A pointer on its way in or out of the lock.
    private struct Sent: @unchecked Sendable {
        let pointer: UnsafeMutableRawPointer?
        init(_ pointer: UnsafeMutableRawPointer?) { self.pointer = pointer }
    }

    /// Gives every kept block back to the system.
    public func trim() {
        let state = guarded.withLock { state -> Guarded in
            defer { state = Guarded() }
            return state
        }
        for block in state.cache.blocks.values.joined() { free(block) }
    }

    // Host memory is not counted: an atomic per tensor would cost more than anybody asks for it.
    public var bytesInUse: Int { 0 }
    public var peakBytesInUse: Int { 0 }
    public var limit: Int? { nil }
}

/// Memory with a limit and an account of itself, taken from the host: what a simulated GPU has.
public final class CountingAllocator: Allocator {
    private let used = Atomic<Int>(0)
    private let peak = Atomic<Int>(0)
    public let limit: Int?
    private let name: String

    public init(name: String, limit: Int) {
        self.name = name
        self.limit = limit
    }

    public func allocate(_ byteCount: Int) throws(Status) -> UnsafeMutableRawPointer {
        let now = used.wrappingAdd(byteCount, ordering: .relaxed).newValue
        guard now <= limit ?? .max else {
            used.wrappingSubtract(byteCount, ordering: .relaxed)
            throw .resourceExhausted(
                "OOM when allocating \(byteCount) bytes on \(name): \(now - byteCount) of \(limit ?? 0) bytes are in use")
        }
        _ = peak.max(now, ordering: .relaxed)
        return try HostAllocator.shared.allocate(byteCount)
    }
    public func deallocate(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        used.wrappingSubtract(byteCount, ordering: .relaxed)
        HostAllocator.shared.deallocate(pointer, byteCount)
    }
    public var bytesInUse: Int { used.load(ordering: .relaxed) }
    public var peakBytesInUse: Int { peak.load(ordering: .relaxed) }
}

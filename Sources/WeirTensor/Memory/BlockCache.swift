import Glibc
import Synchronization

/// A cache of small freed blocks for each thread, by size class.
///
/// The blocks of a size class form a linked list; the first word of a block points to the next one. The bytes kept for each
/// size class are bounded, and are freed when the thread ends. Only its own thread uses a cache, without a lock, with one
/// exception: while a thread is parked, `trim` may free its blocks.
package enum BlockCache {
    /// Size classes: multiples of 64 up to 512, then eight to each power of two, up to `HostAllocator.cachedSize`.
    private static let classCount = 64
    /// The most bytes that a thread keeps of one size class.
    private static let keptBytes = 256 << 10

    private struct List {
        var first: UnsafeMutableRawPointer?
        var count = 0
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let failure = pthread_key_create(&key) { lists in
            if let lists { BlockCache.free(lists) }
        }
        precondition(failure == 0, "no thread-local storage left")
        return key
    }()

    /// The cache of one thread, for `trim`.
    private final class Registered: @unchecked Sendable {  // who sets `state` from `parked` to another value may use the lists
        let lists: UnsafeMutablePointer<List>
        /// `inUse`, `parked` or `trimming`.
        let state = Atomic<UInt8>(BlockCache.inUse)
        init(_ lists: UnsafeMutablePointer<List>) { self.lists = lists }
    }
    private static let (inUse, parked, trimming): (UInt8, UInt8, UInt8) = (0, 1, 2)
    /// The caches of all threads, by the address of their lists.
    private static let registered = Mutex<[UInt: Registered]>([:])

    /// Lets `trim` free the calling thread's blocks, until `unpark`. The thread must not use its cache in between: it waits for
    /// work. Costs one atomic store.
    package static func park() { own()?.state.store(parked, ordering: .releasing) }
    /// Ends `park`. Waits for a `trim` that frees the thread's blocks.
    package static func unpark() {
        guard let own = own() else { return }
        while !own.state.compareExchange(expected: parked, desired: inUse, ordering: .acquiring).exchanged { sched_yield() }
    }
    /// The calling thread's cache; nil when it has none. The slot after the size classes refers to it.
    private static func own() -> Registered? {
        guard let memory = pthread_getspecific(key) else { return nil }
        return memory.assumingMemoryBound(to: List.self)[classCount].first.map { Unmanaged<Registered>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Frees the blocks of the calling thread and of all parked threads.
    static func trim() {
        if let memory = pthread_getspecific(key) { freeBlocks(memory.assumingMemoryBound(to: List.self)) }
        registered.withLock { caches in
            for cache in caches.values where cache.state.compareExchange(expected: parked, desired: trimming, ordering: .acquiring).exchanged {
                freeBlocks(cache.lists)
                cache.state.store(parked, ordering: .releasing)
            }
        }
    }

    /// Called when a thread ends.
    private static func free(_ memory: UnsafeMutableRawPointer) {
        // Under the lock of `trim`, which may be using the lists.
        registered.withLock { $0[UInt(bitPattern: memory)] = nil }
        let lists = memory.assumingMemoryBound(to: List.self)
        freeBlocks(lists)
        lists.deallocate()
    }

    private static func freeBlocks(_ lists: UnsafeMutablePointer<List>) {
        for index in 0..<classCount {
            lists[index].count = 0
            while let block = lists[index].first {
                lists[index].first = block.load(as: UnsafeMutableRawPointer?.self)
                Glibc.free(block)
            }
        }
    }

    private static func lists() -> UnsafeMutablePointer<List> {
        if let known = pthread_getspecific(key) { return known.assumingMemoryBound(to: List.self) }
        let made = UnsafeMutablePointer<List>.allocate(capacity: classCount + 1)
        made.initialize(repeating: List(), count: classCount + 1)
        let cache = Registered(made)
        made[classCount].first = Unmanaged.passUnretained(cache).toOpaque()
        registered.withLock { $0[UInt(bitPattern: made)] = cache }
        pthread_setspecific(key, made)
        return made
    }

    /// The index of a size class.
    /// - Parameter size: a result of `HostAllocator.sizeClass`.
    @inline(__always) private static func index(_ size: Int) -> Int {
        if size <= 512 { return (size &- 1) >> 6 }
        let exponent = Int.bitWidth &- 1 &- (size &- 1).leadingZeroBitCount
        return 8 &+ (exponent &- 9) &* 8 &+ ((size &- 1) >> (exponent &- 3)) & 7
    }

    /// Takes a block of a size class from the calling thread's cache; nil when there is none.
    static func take(_ size: Int) -> UnsafeMutableRawPointer? {
        let list = lists() + index(size)
        guard let block = list.pointee.first else { return nil }
        list.pointee.first = block.load(as: UnsafeMutableRawPointer?.self)
        list.pointee.count &-= 1
        return block
    }

    /// Adds a block to the calling thread's cache.
    /// - Returns: false when the cache has enough blocks of this size; the caller then frees the block.
    static func keep(_ block: UnsafeMutableRawPointer, _ size: Int) -> Bool {
        let list = lists() + index(size)
        guard list.pointee.count &* size < keptBytes else { return false }
        block.storeBytes(of: list.pointee.first, as: UnsafeMutableRawPointer?.self)
        list.pointee.first = block
        list.pointee.count &+= 1
        return true
    }
}

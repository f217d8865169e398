#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A cache of small freed blocks for each thread, by size class.
///
/// The blocks of a size class form a linked list; the first word of a block points to the next one. The bytes kept for each
/// size class are bounded, and are freed when the thread ends.
enum BlockCache {
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
            #if canImport(Darwin)
                BlockCache.free(lists)
            #else
                if let lists { BlockCache.free(lists) }
            #endif
        }
        precondition(failure == 0, "no thread-local storage left")
        return key
    }()

    private static func free(_ memory: UnsafeMutableRawPointer) {
        let lists = memory.assumingMemoryBound(to: List.self)
        for index in 0..<classCount {
            while let block = lists[index].first {
                lists[index].first = block.load(as: UnsafeMutableRawPointer?.self)
                #if canImport(Glibc)
                    Glibc.free(block)
                #else
                    Darwin.free(block)
                #endif
            }
        }
        lists.deallocate()
    }

    private static func lists() -> UnsafeMutablePointer<List> {
        if let known = pthread_getspecific(key) { return known.assumingMemoryBound(to: List.self) }
        let made = UnsafeMutablePointer<List>.allocate(capacity: classCount)
        made.initialize(repeating: List(), count: classCount)
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

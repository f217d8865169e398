#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Small blocks that a thread has freed, by size class, for its next tensors.
///
/// A block's first word links it to the next one. What a thread keeps is bounded, and is freed when it ends.
enum BlockCache {
    /// Size classes: multiples of 64 up to 512, then eight to each power of two, up to `HostAllocator.cachedSize`.
    private static let classCount = 64
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

    /// - Parameter size: as `HostAllocator.sizeClass` gives it.
    @inline(__always) private static func index(_ size: Int) -> Int {
        if size <= 512 { return (size &- 1) >> 6 }
        let exponent = Int.bitWidth &- 1 &- (size &- 1).leadingZeroBitCount
        return 8 &+ (exponent &- 9) &* 8 &+ ((size &- 1) >> (exponent &- 3)) & 7
    }

    static func take(_ size: Int) -> UnsafeMutableRawPointer? {
        let list = lists() + index(size)
        guard let block = list.pointee.first else { return nil }
        list.pointee.first = block.load(as: UnsafeMutableRawPointer?.self)
        list.pointee.count &-= 1
        return block
    }

    /// - Returns: false when enough of this size is kept.
    static func keep(_ block: UnsafeMutableRawPointer, _ size: Int) -> Bool {
        let list = lists() + index(size)
        guard list.pointee.count &* size < keptBytes else { return false }
        block.storeBytes(of: list.pointee.first, as: UnsafeMutableRawPointer?.self)
        list.pointee.first = block
        list.pointee.count &+= 1
        return true
    }
}

import Synchronization
package import WeirTensor

/// Allocates the memory of a card, and keeps what is freed for the next tensors: the driver takes longer for a block than a kernel
/// for its work, and waits for the card when it frees one.
///
/// A freed block is used again at once. That is right for work on the stream of kernels, which does the work on the block's old
/// tensor before that on its new one; other streams hold their tensors until they are done.
///
/// Blocks are parts of *segments*, which come from the driver. Free neighbours are joined. A block is the smallest that fits, of
/// the lowest address among equals, so that a step finds the same blocks each time.
package final class CUDAAllocator: DeviceMemory {
    /// Sizes are multiples of this, the driver's own unit.
    private static let unit = 512
    /// Blocks up to this size share segments of `smallSegment` bytes.
    private static let smallSize = 1 << 20
    private static let smallSegment = 2 << 20
    private static let largeSegment = 20 << 20

    private let card: CUDACard
    private let name: String
    private let maximum: Int
    private let work: CUDAMemoryWork
    private let state = Mutex(State())

    /// A part of a segment.
    private final class Block {
        let address: UInt64
        var size: Int
        let isSmall: Bool
        var isFree = true
        var previous: Block?
        unowned(unsafe) var next: Block?
        init(_ address: UInt64, _ size: Int, isSmall: Bool) { (self.address, self.size, self.isSmall) = (address, size, isSmall) }
    }
    /// A place in the order of free blocks.
    private struct Key: Comparable {
        let size: Int
        let address: UInt64
        static func < (a: Key, b: Key) -> Bool { a.size != b.size ? a.size < b.size : a.address < b.address }
    }
    private struct State: @unchecked Sendable {  // the lock guards the blocks
        var used: [UInt64: Block] = [:]
        var free: (small: [(key: Key, block: Block)], large: [(key: Key, block: Block)]) = ([], [])
        var inUse = 0
        var peak = 0
        var reserved = 0
        var largest = 0
    }

    /// - Parameters:
    ///   - name: names the device in error messages.
    ///   - limit: the most bytes that tensors may use.
    ///   - work: copies and adds what is in the memory.
    init(_ card: CUDACard, name: String, limit: Int, _ work: CUDAMemoryWork) {
        (self.card, self.name, maximum, self.work) = (card, name, limit, work)
    }

    deinit {
        state.withLock { state in
            card.makeCurrent()
            for address in CUDAAllocator.segments(state) { _ = card.driver.free(address) }
        }
    }

    package func allocate(_ byteCount: Int) throws(Status) -> UnsafeMutableRawPointer {
        guard byteCount <= maximum else { throw exhausted(byteCount, state.withLock { ($0.inUse, $0.reserved, $0.largest) }) }
        let size = (max(byteCount, 1) + CUDAAllocator.unit - 1) / CUDAAllocator.unit * CUDAAllocator.unit
        let outcome = state.withLock { state -> Result<UInt64, Status> in
            do throws(Status) { return .success(try take(size, &state)) } catch { return .failure(error) }
        }
        guard let pointer = UnsafeMutableRawPointer(bitPattern: UInt(try outcome.get())) else { throw .internalError("\(name): a block at 0") }
        return pointer
    }

    package func deallocate(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        let address = UInt64(UInt(bitPattern: pointer))
        state.withLock { state in
            guard let block = state.used.removeValue(forKey: address) else { return }
            state.inUse -= block.size
            give(block, &state)
        }
    }

    package func copy(_ parts: [DeviceCopy]) throws(Status) { try work.copy(parts) }
    package func add(_ a: Tensor, _ b: Tensor, into sum: Tensor) throws(Status) { try work.add(a, b, into: sum) }

    package var bytesInUse: Int { state.withLock { $0.inUse } }
    package var peakBytesInUse: Int { state.withLock { $0.peak } }
    package var limit: Int? { maximum }
    /// Bytes taken from the driver, in use or kept.
    package var reservedBytes: Int { state.withLock { $0.reserved } }

    /// Gives the segments in which nothing is used back to the driver, after the card has done all work.
    package func trim() { state.withLock { release(&$0) } }

    private func take(_ size: Int, _ state: inout State) throws(Status) -> UInt64 {
        let isSmall = size <= CUDAAllocator.smallSize
        guard let block = fitting(size, isSmall, &state) else {
            guard state.inUse + size <= maximum else { throw exhausted(size, (state.inUse, state.reserved, state.largest)) }
            try reserve(size, isSmall, &state)
            guard let block = fitting(size, isSmall, &state) else { throw exhausted(size, (state.inUse, state.reserved, state.largest)) }
            return use(block, size, &state)
        }
        guard state.inUse + size <= maximum else {
            give(block, &state)
            throw exhausted(size, (state.inUse, state.reserved, state.largest))
        }
        return use(block, size, &state)
    }

    /// Removes the smallest free block that fits.
    private func fitting(_ size: Int, _ isSmall: Bool, _ state: inout State) -> Block? {
        func remove(_ list: inout [(key: Key, block: Block)]) -> Block? {
            let index = CUDAAllocator.position(of: Key(size: size, address: 0), list)
            guard index < list.count else { return nil }
            return list.remove(at: index).block
        }
        return isSmall ? remove(&state.free.small) : remove(&state.free.large)
    }

    private func use(_ block: Block, _ size: Int, _ state: inout State) -> UInt64 {
        let rest = block.size - size
        if rest >= (block.isSmall ? CUDAAllocator.unit : CUDAAllocator.smallSize) {
            let other = Block(block.address + UInt64(size), rest, isSmall: block.isSmall)
            (other.previous, other.next) = (block, block.next)
            block.next?.previous = other
            block.next = other
            block.size = size
            insert(other, &state)
        }
        block.isFree = false
        state.used[block.address] = block
        state.inUse += block.size
        state.peak = max(state.peak, state.inUse)
        state.largest = max(state.largest, block.size)
        return block.address
    }

    /// Adds a block to the free ones, joined with its free neighbours.
    private func give(_ block: Block, _ state: inout State) {
        var block = block
        block.isFree = true
        if let next = block.next, next.isFree {
            remove(next, &state)
            block.size += next.size
            block.next = next.next
            next.next?.previous = block
        }
        if let previous = block.previous, previous.isFree {
            remove(previous, &state)
            previous.size += block.size
            previous.next = block.next
            block.next?.previous = previous
            block = previous
        }
        insert(block, &state)
    }

    private func insert(_ block: Block, _ state: inout State) {
        let key = Key(size: block.size, address: block.address)
        func add(_ list: inout [(key: Key, block: Block)]) { list.insert((key, block), at: CUDAAllocator.position(of: key, list)) }
        if block.isSmall { add(&state.free.small) } else { add(&state.free.large) }
    }
    private func remove(_ block: Block, _ state: inout State) {
        let key = Key(size: block.size, address: block.address)
        func drop(_ list: inout [(key: Key, block: Block)]) {
            let index = CUDAAllocator.position(of: key, list)
            if index < list.count, list[index].block === block { list.remove(at: index) }
        }
        if block.isSmall { drop(&state.free.small) } else { drop(&state.free.large) }
    }
    private static func position(of key: Key, _ list: [(key: Key, block: Block)]) -> Int {
        var (low, high) = (0, list.count)
        while low < high {
            let middle = (low + high) / 2
            if list[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Takes a segment from the driver. When it has none, gives the unused ones back and tries again.
    private func reserve(_ size: Int, _ isSmall: Bool, _ state: inout State) throws(Status) {
        let wanted = isSmall ? CUDAAllocator.smallSegment : max(size, size < CUDAAllocator.largeSegment / 2 ? CUDAAllocator.largeSegment : 0)
        let rounded = (wanted + CUDAAllocator.smallSegment - 1) / CUDAAllocator.smallSegment * CUDAAllocator.smallSegment
        card.makeCurrent()
        for attempt in 0..<3 {
            // A limit close to what is in use leaves no room for a whole segment.
            let count = attempt == 2 || state.reserved + rounded > maximum ? size : rounded
            var address: UInt64 = 0
            let result = card.driver.allocate(&address, count)
            if result == 0 {
                state.reserved += count
                insert(Block(address, count, isSmall: isSmall), &state)
                return
            }
            guard result == CUDAError.outOfMemory.rawValue else { throw card.error(result, "cuMemAlloc") }
            if attempt == 0 { release(&state) }
        }
        throw exhausted(size, (state.inUse, state.reserved, state.largest))
    }

    private func release(_ state: inout State) {
        card.makeCurrent()
        for list in [state.free.small, state.free.large] {
            for (_, block) in list where block.previous == nil && block.next == nil {
                remove(block, &state)
                state.reserved -= block.size
                _ = card.driver.free(block.address)
            }
        }
    }
    private static func segments(_ state: State) -> [UInt64] {
        (Array(state.used.values) + (state.free.small + state.free.large).map(\.block)).filter { $0.previous == nil }.map(\.address)
    }

    private func exhausted(_ byteCount: Int, _ now: (inUse: Int, reserved: Int, largest: Int)) -> Status {
        card.makeCurrent()
        var (free, total) = (0, 0)
        let isKnown = card.driver.memoryInfo(&free, &total) == 0
        return .resourceExhausted(
            "OOM when allocating \(byteCount) bytes on \(name): tensors use \(now.inUse) of \(maximum) bytes (the largest so far \(now.largest)), "
                + "\(now.reserved - now.inUse) are kept for reuse" + (isKnown ? ", and the card has \(free) of \(total) free" : ""))
    }
}

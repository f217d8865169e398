import Synchronization
package import WeirTensor

/// The memory of a simulated device. Each block consists of two halves in host memory. Tensors point to the first half, which
/// always holds poison. The streams of the device use the second half, which holds the elements. So host code that reads a
/// tensor of the device reads poison. So does work on a stream that runs before the elements are written or after they are
/// freed.
package final class SimulatedMemory: Allocator {
    /// The byte that memory is filled with: NaN as a float, -1 as an integer.
    package static let poison: UInt8 = 0xff
    /// The size of the header before a block, which stores the size of a half; halves are rounded up to multiples of it.
    private static let unit = 64

    private let account: MemoryAccount
    private let stream: SimulatedStream

    init(_ account: MemoryAccount, freedBy stream: SimulatedStream) {
        self.account = account
        self.stream = stream
    }

    package func allocate(_ byteCount: Int) throws(Status) -> UnsafeMutableRawPointer {
        try account.take(byteCount)
        let size = SimulatedMemory.rounded(byteCount)
        do {
            let whole = try HostAllocator.shared.allocate(SimulatedMemory.unit + 2 * size)
            whole.storeBytes(of: size, as: Int.self)
            _ = UnsafeMutableRawBufferPointer(start: whole + SimulatedMemory.unit, count: 2 * size)
                .initializeMemory(as: UInt8.self, repeating: SimulatedMemory.poison)
            return whole + SimulatedMemory.unit
        } catch {
            account.give(byteCount)
            throw error
        }
    }

    /// Frees a block in stream order: it counts as free now, but stays valid for the work that the stream has been given.
    package func deallocate(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        account.give(byteCount)
        let block = Block(pointer)
        stream.enqueue {
            let size = SimulatedMemory.rounded(byteCount)
            _ = UnsafeMutableRawBufferPointer(start: block.pointer + size, count: size)
                .initializeMemory(as: UInt8.self, repeating: SimulatedMemory.poison)
            HostAllocator.shared.deallocate(block.pointer - SimulatedMemory.unit, SimulatedMemory.unit + 2 * size)
        }
    }
    package var bytesInUse: Int { account.used.load(ordering: .relaxed) }
    package var peakBytesInUse: Int { account.peak.load(ordering: .relaxed) }
    package var limit: Int? { account.limit }

    private static func rounded(_ byteCount: Int) -> Int { (byteCount + unit - 1) / unit * unit }

    /// Where work on a stream of the device finds a tensor's elements; nil when the tensor is not in this memory. The address is
    /// valid while the tensor is alive, and after that for work that the stream was given before the tensor was freed.
    package func elements(of tensor: Tensor) -> UnsafeMutableRawPointer? {
        guard let block = tensor.block(of: self) else { return nil }
        let size = (block - SimulatedMemory.unit).load(as: Int.self)
        return tensor.address + size
    }

    private struct Block: @unchecked Sendable {  // only the stream uses it now
        let pointer: UnsafeMutableRawPointer
        init(_ pointer: UnsafeMutableRawPointer) { self.pointer = pointer }
    }
}

/// Counts the bytes that all allocators of one device use together, and enforces the device's limit.
final class MemoryAccount: Sendable {
    let used = Atomic<Int>(0)
    let peak = Atomic<Int>(0)
    let limit: Int
    private let name: String

    init(name: String, limit: Int) { (self.name, self.limit) = (name, limit) }

    /// Counts `byteCount` more bytes as used.
    /// - Throws: `resourceExhausted` when the limit would be exceeded.
    func take(_ byteCount: Int) throws(Status) {
        let now = used.wrappingAdd(byteCount, ordering: .relaxed).newValue
        guard now <= limit else {
            give(byteCount)
            throw .resourceExhausted(
                "OOM when allocating \(byteCount) bytes on \(name): \(now - byteCount) of \(limit) bytes are in use")
        }
        _ = peak.max(now, ordering: .relaxed)
    }
    /// Counts `byteCount` bytes less as used.
    func give(_ byteCount: Int) { used.wrappingSubtract(byteCount, ordering: .relaxed) }
}

/// Memory that only kernels on the stream access: variables and temporary buffers. It counts toward the device's limit.
final class KernelMemory: Allocator {
    private let account: MemoryAccount
    init(_ account: MemoryAccount) { self.account = account }

    func allocate(_ byteCount: Int) throws(Status) -> UnsafeMutableRawPointer {
        try account.take(byteCount)
        do { return try HostAllocator.shared.allocate(byteCount) } catch {
            account.give(byteCount)
            throw error
        }
    }
    func deallocate(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        account.give(byteCount)
        HostAllocator.shared.deallocate(pointer, byteCount)
    }
    var bytesInUse: Int { account.used.load(ordering: .relaxed) }
    var peakBytesInUse: Int { account.peak.load(ordering: .relaxed) }
    var limit: Int? { account.limit }
}

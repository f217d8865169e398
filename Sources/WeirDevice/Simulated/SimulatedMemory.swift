import Synchronization
package import WeirTensor

/// The memory of a simulated device. Each block lies twice in host memory: where its tensors point, which reads as poison
/// for ever, and where the device's streams find the elements. Host code that reads a tensor of the device reads poison;
/// so does a stream that comes to it before the work that writes it, or after it was freed.
package final class SimulatedMemory: Allocator {
    /// What poison is made of: NaN as a float, -1 as an integer.
    package static let poison: UInt8 = 0xff
    /// What lies before a block, and what blocks are rounded up to.
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

    /// Frees in stream order: for the host now, for the stream when it gets there.
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

    /// Where a stream finds a tensor's elements; nil when it does not lie in this memory. For work on a stream of the
    /// device. It is valid for as long as the tensor, and after that for what the stream has been given by then.
    package func elements(of tensor: Tensor) -> UnsafeMutableRawPointer? {
        guard let block = tensor.block(of: self) else { return nil }
        let size = (block - SimulatedMemory.unit).load(as: Int.self)
        return tensor.address + size
    }

    private struct Block: @unchecked Sendable {  // only the stream has it now
        let pointer: UnsafeMutableRawPointer
        init(_ pointer: UnsafeMutableRawPointer) { self.pointer = pointer }
    }
}

/// What the memories of one device take together, and how much there is.
final class MemoryAccount: Sendable {
    let used = Atomic<Int>(0)
    let peak = Atomic<Int>(0)
    let limit: Int
    private let name: String

    init(name: String, limit: Int) { (self.name, self.limit) = (name, limit) }

    /// - Throws: `resourceExhausted` when there is not so much left.
    func take(_ byteCount: Int) throws(Status) {
        let now = used.wrappingAdd(byteCount, ordering: .relaxed).newValue
        guard now <= limit else {
            give(byteCount)
            throw .resourceExhausted(
                "OOM when allocating \(byteCount) bytes on \(name): \(now - byteCount) of \(limit) bytes are in use")
        }
        _ = peak.max(now, ordering: .relaxed)
    }
    func give(_ byteCount: Int) { used.wrappingSubtract(byteCount, ordering: .relaxed) }
}

/// Memory that only kernels on the stream see: of variables, and of what they need on the way. It counts like the rest.
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

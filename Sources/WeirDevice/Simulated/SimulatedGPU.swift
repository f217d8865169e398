public import WeirTensor

/// A GPU without the hardware: its type, its own memory with a limit, streams for kernels and for copies each way, and only
/// the kernels a GPU has, with the arithmetic done by the CPU. Everything about a GPU but its speed can be tried with it.
///
/// It is honest: kernels run later, on a thread of the stream; its memory reads as poison from the host, and on the device
/// until the stream has got there. A wait that is missing somewhere gives wrong values here as it would there.
public final class SimulatedGPU: Device {
    public let name: DeviceName
    public let incarnation: UInt64
    public let memoryLimit: Int
    private let compute: SimulatedStream
    private let copyIn: SimulatedStream
    private let copyOut: SimulatedStream
    private let memory: SimulatedMemory
    /// Memory that only kernels on the stream see.
    package let kernelMemory: any Allocator
    public var type: String { "GPU" }
    public var allocator: any Allocator { memory }
    public var hardware: String { "simulated on the CPU" }
    public var stream: (any DeviceStream)? { compute }

    /// - Parameter delays: how long its streams sit idle between pieces of work.
    /// - Throws: `resourceExhausted` when the system has no threads for its streams.
    public init(
        name: DeviceName, memoryLimit: Int = 1 << 30, incarnation: UInt64 = .random(in: 1 ... .max), delays: SimulatedDelays? = nil
    ) throws(Status) {
        self.name = name
        self.memoryLimit = memoryLimit
        self.incarnation = incarnation
        compute = try SimulatedStream(delays: delays?.stream(0))
        copyIn = try SimulatedStream(delays: delays?.stream(1))
        copyOut = try SimulatedStream(delays: delays?.stream(2))
        let account = MemoryAccount(name: name.description, limit: memoryLimit)
        memory = SimulatedMemory(account, freedBy: compute)
        kernelMemory = KernelMemory(account)
    }

    /// Runs `work` on the stream of kernels, after all that it was given before.
    package func enqueue(_ work: @escaping @Sendable () -> Void) { compute.enqueue(work) }
    /// Where work on a stream finds a tensor's elements: nil when it lies in host memory, where everybody finds them.
    package func elements(of tensor: Tensor) -> UnsafeMutableRawPointer? { memory.elements(of: tensor) }

    public func upload(_ tensor: Tensor) throws(Status) -> Tensor {
        guard tensor.dtype.isBitwise else { return tensor }
        let copy = try Tensor(tensor.dtype, tensor.shape, in: memory)
        // Nobody has the new memory yet, and what is freed is not given out before the stream is through with it.
        memory.elements(of: copy)?.copyMemory(from: tensor.address, byteCount: tensor.byteCount)
        return copy
    }

    public func upload(_ tensor: Tensor, _ done: @escaping Completion<Tensor>) {
        guard tensor.dtype.isBitwise else { return done(.success(tensor)) }
        let copy: Tensor
        do throws(Status) { copy = try Tensor(tensor.dtype, tensor.shape, in: memory) } catch { return done(.failure(error)) }
        // The memory may have been a tensor's that kernels still read.
        copyIn.wait(for: compute.record())
        copyIn.enqueue { [memory] in memory.elements(of: copy)?.copyMemory(from: tensor.address, byteCount: tensor.byteCount) }
        compute.wait(for: copyIn.record())
        done(.success(copy))
    }

    public func download(_ tensor: Tensor, after event: (any DeviceEvent)?, _ done: @escaping Completion<Tensor>) {
        if let event { copyOut.wait(for: event) }
        // The work holds the tensor: freed in the order of another stream, its memory could be gone.
        copyOut.enqueue { [memory] in
            done(
                Result { () throws(Status) -> Tensor in
                    guard let elements = memory.elements(of: tensor) else { return try tensor.snapshot() }
                    let copy = try Tensor(tensor.dtype, tensor.shape)
                    if tensor.byteCount > 0 { copy.mutableBytes.copyMemory(from: UnsafeRawBufferPointer(start: elements, count: tensor.byteCount)) }
                    return copy
                })
        }
    }

    public func send(
        _ tensor: Tensor, after event: (any DeviceEvent)?, to other: any Device, _ done: @escaping Completion<Tensor>
    ) -> Bool {
        guard let other = other as? SimulatedGPU, memory.elements(of: tensor) != nil else { return false }
        let copy: Tensor
        do throws(Status) { copy = try Tensor(tensor.dtype, tensor.shape, in: other.memory) } catch {
            done(.failure(error))
            return true
        }
        if let event { copyOut.wait(for: event) }
        copyOut.wait(for: other.compute.record())
        copyOut.enqueue { [memory] in
            guard let from = memory.elements(of: tensor), let to = other.memory.elements(of: copy) else { return }
            to.copyMemory(from: from, byteCount: tensor.byteCount)
        }
        other.compute.wait(for: copyOut.record())
        done(.success(copy))
        return true
    }
}

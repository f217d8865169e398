package import WeirTensor

/// A GPU without the hardware. It has the device type GPU, its own limited memory, streams for kernels and for copies in each
/// direction, and only the kernels that a GPU has; the CPU does the arithmetic. It tests everything about a GPU but its speed.
///
/// Kernels run later, on the thread of a stream. The host reads the device's memory as poison, and so does the device until
/// the stream has written it. Therefore a missing wait gives wrong values, as it would on a GPU.
package final class SimulatedGPU: Device {
    /// The full name of the device.
    package let name: DeviceName
    /// A random number for this instance of the device; see `Device.incarnation`.
    package let incarnation: UInt64
    /// The most bytes that may be in use at once.
    package let memoryLimit: Int
    private let compute: SimulatedStream
    private let copyIn: SimulatedStream
    private let copyOut: SimulatedStream
    private let memory: SimulatedMemory
    /// Memory that only kernels on the stream access.
    package let kernelMemory: any Allocator
    /// `GPU`.
    package var type: String { "GPU" }
    /// The device's memory.
    package var allocator: any Allocator { memory }
    /// States that the device is simulated.
    package var hardware: String { "simulated on the CPU" }
    /// The stream of kernels.
    package var stream: (any DeviceStream)? { compute }

    /// Makes a device and starts the threads of its three streams.
    /// - Parameters:
    ///   - memoryLimit: in bytes.
    ///   - delays: how long the streams are idle before each piece of work; nil means no delays.
    /// - Throws: `resourceExhausted` when the system has no threads for the streams.
    package init(
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

    /// Enqueues `work` on the stream of kernels.
    package func enqueue(_ work: @escaping @Sendable () -> Void) { compute.enqueue(work) }
    /// Where work on a stream finds a tensor's elements; nil when the tensor is in host memory and has one address only.
    package func elements(of tensor: Tensor) -> UnsafeMutableRawPointer? { memory.elements(of: tensor) }

    /// Copies a host tensor to the device immediately.
    /// - Throws: `resourceExhausted` when the device has not enough memory left.
    package func upload(_ tensor: Tensor) throws(Status) -> Tensor {
        guard tensor.dtype.isBitwise else { return tensor }
        let copy = try Tensor(tensor.dtype, tensor.shape, in: memory)
        // Safe without waiting: no work uses the new block yet, and a freed block is reused only after the stream has passed it.
        memory.elements(of: copy)?.copyMemory(from: tensor.address, byteCount: tensor.byteCount)
        return copy
    }

    /// Copies a host tensor on the input stream, and makes later kernels wait for the copy.
    package func upload(_ tensor: Tensor, _ done: @escaping Completion<Tensor>) {
        guard tensor.dtype.isBitwise else { return done(.success(tensor)) }
        let copy: Tensor
        do throws(Status) { copy = try Tensor(tensor.dtype, tensor.shape, in: memory) } catch { return done(.failure(error)) }
        // A freed block is reused only after the compute stream has passed it, so no kernel still reads the new one.
        copyIn.enqueue { [memory] in memory.elements(of: copy)?.copyMemory(from: tensor.address, byteCount: tensor.byteCount) }
        compute.wait(for: copyIn.record())
        done(.success(copy))
    }

    /// Copies a tensor to the host on the output stream, once `event` is reached.
    package func download(_ tensor: Tensor, after event: (any DeviceEvent)?, _ done: @escaping Completion<Tensor>) {
        if let event { copyOut.wait(for: event) }
        // The closure retains the tensor: it would be freed in the order of another stream, before this copy.
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

    /// Copies a tensor directly to another simulated GPU, on this device's output stream.
    /// - Returns: false when the other device is no simulated GPU or the tensor is not on this device.
    package func send(
        _ tensor: Tensor, after event: (any DeviceEvent)?, to other: any Device, _ done: @escaping Completion<Tensor>
    ) -> Bool {
        guard let other = other as? SimulatedGPU, memory.elements(of: tensor) != nil else { return false }
        let copy: Tensor
        do throws(Status) { copy = try Tensor(tensor.dtype, tensor.shape, in: other.memory) } catch {
            done(.failure(error))
            return true
        }
        if let event { copyOut.wait(for: event) }
        copyOut.enqueue { [memory] in
            guard let from = memory.elements(of: tensor), let to = other.memory.elements(of: copy) else { return }
            to.copyMemory(from: from, byteCount: tensor.byteCount)
        }
        other.compute.wait(for: copyOut.record())
        done(.success(copy))
        return true
    }
}

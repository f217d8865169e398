import Synchronization
package import WeirTensor

/// A GPU: a card, or a share of one.
///
/// It has three streams: kernels, copies in and copies out, so that copies overlap kernels. The host enqueues and goes on.
package final class CUDADevice: Device {
    /// The full name, such as `/job:localhost/replica:0/task:0/device:GPU:0`.
    package let name: DeviceName
    package let incarnation: UInt64
    package let memoryLimit: Int
    private let opened: CUDARuntime.Opened
    /// The card.
    package let card: CUDACard
    /// The matrix products of cuBLASLt; nil without that library.
    package let products: CUDAProducts?
    /// Whether float32 factors of products may be rounded to TF32.
    package let allowsTF32: Bool
    /// The stream of kernels.
    package let compute: CUDAStream
    /// Tells when kernels ran.
    package let timer: CUDATimer
    private let copyIn: CUDAStream
    private let copyOut: CUDAStream
    private let memory: CUDAAllocator
    private let pinned: PinnedMemory

    package var type: String { "GPU" }
    package var allocator: any Allocator { memory }
    package var stream: (any DeviceStream)? { compute }
    /// As TensorFlow describes a GPU: `device: 0, name: NVIDIA H200, pci bus id: 0000:17:00.0, compute capability: 9.0`.
    package var hardware: String {
        "device: \(card.index), name: \(card.name), pci bus id: \(card.pciBus), compute capability: \(card.capability)"
    }
    package var failure: Status? { card.hasFailed }

    /// Copies of at most this many bytes go through the driver's own memory, which is faster for them than a wait.
    private static let smallCopy = 64 << 10

    /// Opens a device.
    /// - Parameters:
    ///   - memoryLimit: the most bytes that tensors may use; other devices on the card, and other processes, use it too.
    /// - Throws: what the driver says; `resourceExhausted` when the system has no threads left.
    package init(
        name: DeviceName, opened: CUDARuntime.Opened, memoryLimit: Int, products: CUBLASLt?, allowsTF32: Bool = true,
        incarnation: UInt64 = .random(in: 1 ... .max)
    ) throws(Status) {
        self.name = name
        self.opened = opened
        card = opened.card
        self.memoryLimit = memoryLimit
        self.incarnation = incarnation
        self.allowsTF32 = allowsTF32
        self.products = try products.map { library throws(Status) in try CUDAProducts(library, opened.card) }
        compute = try CUDAStream(card)
        timer = CUDATimer(compute)
        copyIn = try CUDAStream(card)
        copyOut = try CUDAStream(card)
        memory = CUDAAllocator(card, name: name.description, limit: memoryLimit, CUDAMemoryWork(compute, opened.modules))
        pinned = PinnedMemory(card)
    }

    /// The kernels that were compiled for the card.
    package var modules: CUDAModuleCache { opened.modules }

    /// Whether a tensor's elements are in this device's memory.
    package func holds(_ tensor: Tensor) -> Bool { tensor.block(of: memory) != nil }

    /// Copies a host tensor to the device, and waits until it is there.
    package func upload(_ tensor: Tensor) throws(Status) -> Tensor {
        guard tensor.dtype.isBitwise else { return tensor }
        let copy = try Tensor(tensor.dtype, tensor.shape, in: memory)
        guard tensor.byteCount > 0 else { return copy }
        card.makeCurrent()
        // In the order of the kernels: the block may have belonged to a tensor that one of them still reads.
        try card.check(card.driver.copyIn(copy.deviceAddress, tensor.address, tensor.byteCount, compute.handle), "cuMemcpyHtoDAsync")
        try compute.synchronize()
        return copy
    }

    /// Copies a host tensor to the device; kernels that are enqueued after this find it there. Of variants it copies what they hold.
    package func upload(_ tensor: Tensor, _ done: @escaping Completion<Tensor>) {
        if tensor.dtype == .variant { return tensor.copyingVariants({ holds($0) ? $1(.success($0)) : upload($0, $1) }, done) }
        guard tensor.dtype.isBitwise else { return done(.success(tensor)) }
        do throws(Status) { done(.success(try enqueueUpload(tensor))) } catch { done(.failure(error)) }
    }

    /// Enqueues the copy of a host tensor to the device. Kernels that are enqueued later find it there.
    package func enqueueUpload(_ tensor: Tensor) throws(Status) -> Tensor {
        let copy = try Tensor(tensor.dtype, tensor.shape, in: memory)
        let byteCount = tensor.byteCount
        guard byteCount > 0 else { return copy }
        card.makeCurrent()
        // The driver reads ordinary memory before it returns, but memory that the card can reach when the copy is made.
        let isPinned = tensor.specialAllocator is PinnedMemory
        if byteCount <= CUDADevice.smallCopy, !isPinned {
            try card.check(card.driver.copyIn(copy.deviceAddress, tensor.address, byteCount, compute.handle), "cuMemcpyHtoDAsync")
            return copy
        }
        var source = tensor
        if !isPinned {
            source = try Tensor(tensor.dtype, tensor.shape, in: pinned)
            source.mutableBytes.copyMemory(from: tensor.bytes)
        }
        // The block may have belonged to a tensor that a kernel still reads.
        copyIn.wait(for: compute.record())
        card.makeCurrent()
        try card.check(card.driver.copyIn(copy.deviceAddress, source.address, byteCount, copyIn.handle), "cuMemcpyHtoDAsync")
        let event = copyIn.record()
        compute.wait(for: event)
        // Until then the source is read, and the copy must not be freed in the order of another stream.
        event.whenReached { [source, copy] in withExtendedLifetime((source, copy)) {} }
        return copy
    }

    /// Copies a tensor to the host once `event` is reached. The copy lies in memory that the card can reach.
    package func download(_ tensor: Tensor, after event: (any DeviceEvent)?, _ done: @escaping Completion<Tensor>) {
        if tensor.dtype == .variant { return tensor.copyingVariants({ download($0, after: event, $1) }, done) }
        do throws(Status) {
            guard holds(tensor) else { return done(.success(try tensor.snapshot())) }
            let byteCount = tensor.byteCount
            guard byteCount > 0 else { return done(.success(try Tensor(tensor.dtype, tensor.shape))) }
            let copy = try Tensor(tensor.dtype, tensor.shape, in: pinned)
            if let event { copyOut.wait(for: event) }
            card.makeCurrent()
            try card.check(card.driver.copyOut(copy.address, tensor.deviceAddress, byteCount, copyOut.handle), "cuMemcpyDtoHAsync")
            let end = copyOut.record()
            // The closure holds the tensor: it would be freed in the order of the kernels, before this copy.
            end.whenReached { [card, tensor] in
                defer { withExtendedLifetime(tensor) {} }
                if let failure = card.hasFailed { return done(.failure(failure)) }
                // Small tensors follow their header; the card's memory is for the next copy.
                guard byteCount <= 256, let small = try? Tensor(copy.dtype, copy.shape) else { return done(.success(copy)) }
                small.mutableBytes.copyMemory(from: copy.bytes)
                done(.success(small))
            }
        } catch { done(.failure(error)) }
    }

    /// Copies a tensor to another GPU of this process, between the cards where the machine has a way.
    package func send(
        _ tensor: Tensor, after event: (any DeviceEvent)?, to other: any Device, _ done: @escaping Completion<Tensor>
    ) -> Bool {
        guard let other = other as? CUDADevice, holds(tensor) else { return false }
        do throws(Status) {
            let copy = try Tensor(tensor.dtype, tensor.shape, in: other.memory)
            if tensor.byteCount > 0 {
                if let event { copyOut.wait(for: event) }
                // The block may have belonged to a tensor that a kernel there still reads.
                copyOut.wait(for: other.compute.record())
                card.makeCurrent()
                try card.check(
                    card.driver.copyPeer(
                        copy.deviceAddress, other.card.contextHandle, tensor.deviceAddress, card.contextHandle, tensor.byteCount, copyOut.handle),
                    "cuMemcpyPeerAsync")
                let end = copyOut.record()
                other.compute.wait(for: end)
                end.whenReached { [tensor, copy] in withExtendedLifetime((tensor, copy)) {} }
            }
            done(.success(copy))
        } catch { done(.failure(error)) }
        return true
    }

    /// Gives the memory that is only kept for reuse back to the driver.
    package func trim() { memory.trim() }
}

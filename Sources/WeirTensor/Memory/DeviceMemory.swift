/// Memory that the host cannot reach: a card's. It copies and adds elements itself, in the order of the device's kernels.
///
/// `Tensor.copied`, `overwrite` and `zeros` use it, so that code which only stores and copies tensors (variables, lists, stacks) is the
/// same for all devices.
package protocol DeviceMemory: Allocator {
    /// Enqueues copies of bytes. No target overlaps another part.
    /// - Throws: what the device says when it refuses, or has stopped.
    func copy(_ parts: [DeviceCopy]) throws(Status)
    /// Enqueues the sum of two tensors of one type and shape. `sum` may be one of them.
    /// - Throws: `invalidArgument` when the type has no addition; what the device says.
    func add(_ a: Tensor, _ b: Tensor, into sum: Tensor) throws(Status)
}

/// A copy of bytes from one address of a device's memory to another.
package struct DeviceCopy: Sendable {
    /// Nil to write zeros.
    package let source: UInt64?
    package let target: UInt64
    package let byteCount: Int
    package init(from source: UInt64?, to target: UInt64, _ byteCount: Int) {
        (self.source, self.target, self.byteCount) = (source, target, byteCount)
    }
}

extension Tensor {
    /// The memory of a device that holds the elements; nil if the host can read them.
    package var deviceMemory: (any DeviceMemory)? { specialAllocator as? any DeviceMemory }
    /// The allocator that the elements' memory is from; nil if they are in ordinary memory of the host.
    package var specialAllocator: (any Allocator)? {
        if case .allocator(let owner) = storage.root.header.owner { owner } else { nil }
    }
    /// The address of the elements, as the driver of a device takes it.
    package var deviceAddress: UInt64 { UInt64(UInt(bitPattern: address)) }

    /// Copies the elements of another tensor of the same dtype, element count and device into this one.
    /// - Throws: `internalError` when one is in a device's memory and the other is not; what the device says.
    package func overwrite(with other: Tensor) throws(Status) {
        let memory = deviceMemory
        guard memory === other.deviceMemory else {
            throw .internalError("A tensor of \(dtype) and shape \(shape) cannot be copied between devices without waiting")
        }
        guard let memory else { return copyElements(from: other) }
        precondition(other.dtype == dtype && other.elementCount == elementCount)
        if byteCount > 0 { try memory.copy([DeviceCopy(from: other.deviceAddress, to: deviceAddress, byteCount)]) }
    }
}

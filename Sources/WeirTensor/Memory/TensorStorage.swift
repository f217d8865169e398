/// The heap object of a tensor: dtype, shape and the memory of the elements.
///
/// Elements of small tensors follow the header in the same block. Elements of large ones are in memory of the device's
/// allocator. A view (a reshaped tensor, a range of rows) uses the memory of the tensor it was made from, and keeps it alive.
@usableFromInline
final class TensorStorage: ManagedBuffer<TensorStorage.Header, TensorStorage.Block> {
    /// The unit of the memory after the header; it sets the alignment of the elements.
    @usableFromInline typealias Block = SIMD4<UInt32>

    @usableFromInline struct Header {
        @usableFromInline var base: UnsafeMutableRawPointer
        @usableFromInline let shape: Shape
        @usableFromInline let dtype: DType
        @usableFromInline let owner: Owner
        /// Whether a variable updates this memory in place, also while others read it.
        var isUpdatedInPlace = false
    }
    /// Who owns the memory of the elements.
    @usableFromInline enum Owner {
        /// This object: the elements follow the header.
        case tail
        /// `HostAllocator.shared`.
        case host
        /// Another allocator.
        case allocator(any Allocator)
        /// The storage of the tensor that this is a view of; never a view itself.
        case view(TensorStorage)
        /// Another object, such as a received message or a mapped file. The memory is alive as long as the object.
        case foreign(AnyObject)
    }

    /// Elements of up to this many bytes follow the header.
    @usableFromInline static let tailCapacity = 256

    @usableFromInline static func make(_ dtype: DType, _ shape: Shape, in allocator: any Allocator) throws(Status) -> TensorStorage {
        if allocator === HostAllocator.shared { return try makeOnHost(dtype, shape) }
        let byteCount = try byteCount(dtype, shape)
        let storage = wrap(try allocator.allocate(max(byteCount, 64)), dtype, shape, .allocator(allocator))
        if !dtype.isBitwise { storage.initializeObjects() }
        return storage
    }

    /// Makes storage in the header's block or in `HostAllocator.shared`.
    @usableFromInline static func makeOnHost(_ dtype: DType, _ shape: Shape) throws(Status) -> TensorStorage {
        let byteCount = try byteCount(dtype, shape)
        let storage: TensorStorage
        if byteCount <= tailCapacity {
            storage = unsafeDowncast(
                TensorStorage.create(minimumCapacity: (byteCount + 15) / 16) { buffer in
                    let base = buffer.withUnsafeMutablePointerToElements { UnsafeMutableRawPointer($0) }
                    return Header(base: base, shape: shape, dtype: dtype, owner: .tail)
                }, to: TensorStorage.self)
        } else {
            storage = wrap(try HostAllocator.shared.allocate(byteCount), dtype, shape, .host)
        }
        if !dtype.isBitwise { storage.initializeObjects() }
        return storage
    }

    private static func byteCount(_ dtype: DType, _ shape: Shape) throws(Status) -> Int {
        let (byteCount, overflow) = shape.elementCount.multipliedReportingOverflow(by: dtype.byteCount)
        // No machine has more memory, and adding a header or alignment to a smaller size cannot overflow.
        guard !overflow, byteCount < 1 << 56 else { throw .invalidArgument("A \(dtype) tensor of shape \(shape) is too large") }
        return byteCount
    }

    @usableFromInline static func wrap(_ base: UnsafeMutableRawPointer, _ dtype: DType, _ shape: Shape, _ owner: Owner) -> TensorStorage {
        unsafeDowncast(
            TensorStorage.create(minimumCapacity: 0) { _ in Header(base: base, shape: shape, dtype: dtype, owner: owner) },
            to: TensorStorage.self)
    }

    /// The storage that owns the memory, for a view that of the tensor that it was made from.
    var root: TensorStorage { if case .view(let owner) = header.owner { owner } else { self } }

    private func initializeObjects() {
        let count = header.shape.elementCount
        switch header.dtype {
        case .string: header.base.initializeMemory(as: ByteString.self, repeating: .zero, count: count)
        case .resource: header.base.initializeMemory(as: ResourceHandle.self, repeating: .zero, count: count)
        case .variant: header.base.initializeMemory(as: Variant.self, repeating: .zero, count: count)
        default: break
        }
    }

    deinit {
        let (base, count) = (header.base, header.shape.elementCount)
        switch header.owner {
        case .view, .foreign: return
        case .tail, .host, .allocator:
            if !header.dtype.isBitwise {
                switch header.dtype {
                case .string: base.assumingMemoryBound(to: ByteString.self).deinitialize(count: count)
                case .resource: base.assumingMemoryBound(to: ResourceHandle.self).deinitialize(count: count)
                case .variant: base.assumingMemoryBound(to: Variant.self).deinitialize(count: count)
                default: break
                }
            }
            switch header.owner {
            case .host: HostAllocator.shared.deallocate(base, count * header.dtype.byteCount)
            case .allocator(let allocator): allocator.deallocate(base, max(count * header.dtype.byteCount, 64))
            case .tail, .view, .foreign: break
            }
        }
    }
}

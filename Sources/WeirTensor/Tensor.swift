/// An array of elements of one type, shared and not changed once it is shared.
///
/// A tensor is one pointer: copying it copies no elements. Whoever makes one fills it through `mutableElements`
/// before handing it on; after that nobody writes to it, save the executor, which gives a dead input's memory to the
/// output that replaces it (`isUniquelyReferenced`), and variables, which own theirs. What is read of a reference variable
/// is the variable's own memory, as in TensorFlow: it shows later updates. Whoever keeps it beyond the step, or hands it out
/// of the runtime, keeps a `snapshot`.
// Sendable because of the rule above: memory is written only before it is shared.
public struct Tensor: @unchecked Sendable {
    @usableFromInline var storage: TensorStorage

    @inlinable init(storage: TensorStorage) { self.storage = storage }

    /// A tensor with memory that is not yet written, or, for strings, handles and variants, is empty.
    /// - Throws: `resourceExhausted` when the memory is not to be had.
    @inlinable
    public init(_ dtype: DType, _ shape: Shape, in allocator: any Allocator) throws(Status) {
        storage = try TensorStorage.make(dtype, shape, in: allocator)
    }
    /// As above, in host memory.
    @inlinable
    public init(_ dtype: DType, _ shape: Shape) throws(Status) { storage = try TensorStorage.makeOnHost(dtype, shape) }

    @inlinable public var dtype: DType { storage.header.dtype }
    @inlinable public var shape: Shape { storage.header.shape }
    @inlinable public var rank: Int { storage.header.shape.rank }
    @inlinable public var elementCount: Int { storage.header.shape.elementCount }
    /// Bytes of its elements in memory.
    @inlinable public var byteCount: Int { elementCount * dtype.byteCount }
    /// Dimension `index`.
    @inlinable public func dimension(_ index: Int) -> Int { storage.header.shape[index] }

    /// Its elements, to be read, row-major. `E` must be the type that belongs to its dtype, or, for bitwise types, one
    /// of the same size. The memory lives as long as the tensor: keep the tensor while you read.
    @inlinable public func elements<E>(_ type: E.Type = E.self) -> UnsafeBufferPointer<E> {
        precondition(dtype.holds(E.self))
        return UnsafeBufferPointer(start: storage.header.base.assumingMemoryBound(to: E.self), count: elementCount)
    }
    /// Its elements, to be written by the one who made it and has not shared it yet.
    @inlinable public func mutableElements<E>(_ type: E.Type = E.self) -> UnsafeMutableBufferPointer<E> {
        precondition(dtype.holds(E.self))
        return UnsafeMutableBufferPointer(start: storage.header.base.assumingMemoryBound(to: E.self), count: elementCount)
    }
    /// The bytes of a tensor of bitwise type.
    @inlinable public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: storage.header.base, count: byteCount) }
    @inlinable public var mutableBytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: storage.header.base, count: byteCount)
    }

    /// Whether nobody else holds this tensor or the memory under it.
    @inlinable public mutating func isUniquelyReferenced() -> Bool {
        guard isKnownUniquelyReferenced(&storage) else { return false }
        switch storage.header.owner {
        case .tail, .host, .allocator: return true
        case .view, .foreign: return false
        }
    }
    /// Whether both are the same memory.
    public func sharesMemory(with other: Tensor) -> Bool { storage.header.base == other.storage.header.base }

    /// The same elements in another shape, without a copy. `shape` must have as many elements.
    public func reshaped(_ shape: Shape) -> Tensor {
        precondition(shape.elementCount == elementCount)
        return view(offset: 0, shape, dtype)
    }
    /// Rows `range` along the first dimension, without a copy. The range must lie in `0..<dimension(0)`.
    public func rows(_ range: Range<Int>) -> Tensor {
        precondition(rank > 0 && range.lowerBound >= 0 && range.upperBound <= dimension(0))
        let rowCount = shape.count(1...)
        return view(offset: range.lowerBound * rowCount * dtype.byteCount, shape.replacing(0, with: range.count), dtype)
    }
    /// Row `index` along the first dimension, one dimension less, without a copy.
    public func row(_ index: Int) -> Tensor {
        let slice = rows(index..<index + 1)
        return slice.reshaped(shape.dropFirst())
    }
    /// The same bytes read as another bitwise type, without a copy.
    public func bitcast(to dtype: DType, _ shape: Shape) -> Tensor {
        precondition(shape.elementCount * dtype.byteCount == byteCount && dtype.isBitwise && self.dtype.isBitwise)
        return view(offset: 0, shape, dtype)
    }
    private func view(offset: Int, _ shape: Shape, _ dtype: DType) -> Tensor {
        let root: TensorStorage
        if case .view(let owner) = storage.header.owner { root = owner } else { root = storage }
        return Tensor(storage: .wrap(storage.header.base + offset, dtype, shape, .view(root)))
    }

    /// A tensor over memory of somebody else, which lives as long as `owner`. Bitwise types only.
    public init(_ dtype: DType, _ shape: Shape, over base: UnsafeMutableRawPointer, keeping owner: AnyObject) {
        precondition(dtype.isBitwise)
        storage = .wrap(base, dtype, shape, .foreign(owner))
    }

    /// Where the block begins that its elements lie in, if that is memory of this allocator: its own, or that of the tensor
    /// that it is a view of.
    package func block(of allocator: any Allocator) -> UnsafeMutableRawPointer? {
        let root: TensorStorage
        if case .view(let owner) = storage.header.owner { root = owner } else { root = storage }
        guard case .allocator(let owner) = root.header.owner, owner === allocator else { return nil }
        return root.header.base
    }

    /// Where its elements begin.
    package var address: UnsafeMutableRawPointer { storage.header.base }

    /// Marks memory that a variable updates in place although others may read it.
    public func beginsUpdatesInPlace() { storage.header.isUpdatedInPlace = true }

    /// A tensor that never changes: itself, or a copy where its memory is a reference variable's.
    /// - Throws: `resourceExhausted` when the memory for a copy is not to be had.
    public func snapshot() throws(Status) -> Tensor {
        let isUpdated: Bool
        if case .view(let root) = storage.header.owner { isUpdated = root.header.isUpdatedInPlace } else { isUpdated = storage.header.isUpdatedInPlace }
        return isUpdated ? try copied() : self
    }

    /// A copy with memory of its own.
    public func copied(in allocator: any Allocator = HostAllocator.shared) throws(Status) -> Tensor {
        let copy = try Tensor(dtype, shape, in: allocator)
        copy.copyElements(from: self)
        return copy
    }
    /// Writes another tensor's elements over its own; same dtype and element count.
    public func copyElements(from other: Tensor) {
        precondition(other.dtype == dtype && other.elementCount == elementCount)
        switch dtype {
        case .string: _ = mutableElements(ByteString.self).update(fromContentsOf: other.elements(ByteString.self))
        case .resource: _ = mutableElements(ResourceHandle.self).update(fromContentsOf: other.elements(ResourceHandle.self))
        case .variant: _ = mutableElements(Variant.self).update(fromContentsOf: other.elements(Variant.self))
        default: if byteCount > 0 { mutableBytes.copyMemory(from: other.bytes) }
        }
    }
}

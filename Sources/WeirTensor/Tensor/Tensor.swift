/// A multidimensional array of elements of one dtype. It is shared by reference and immutable once it is shared.
///
/// A tensor is one pointer; copying it copies no elements. The code that makes a tensor fills it through
/// `withMutableElements` before it hands it on. After that it must not be written to, with two exceptions. The executor reuses the memory of an
/// input that nothing else references for an output (`isUniquelyReferenced`). A variable updates its own memory; a tensor
/// read from a reference variable is that memory, as in TensorFlow, and shows later updates. Code that keeps such a tensor
/// beyond the step, or returns it to a client, takes a `snapshot`.
// Sendable because memory is written only before it is shared, with the exceptions above.
public struct Tensor: @unchecked Sendable {
    @usableFromInline var storage: TensorStorage

    @inlinable init(storage: TensorStorage) { self.storage = storage }

    /// Makes a tensor whose elements are uninitialized (strings, handles and variants: empty).
    /// - Throws: `resourceExhausted` when the memory is not available; `invalidArgument` when no tensor can have the shape.
    @inlinable
    public init(_ dtype: DType, _ shape: Shape, in allocator: any Allocator) throws(Status) {
        storage = try TensorStorage.make(dtype, shape, in: allocator)
    }
    /// Makes such a tensor in host memory.
    @inlinable
    public init(_ dtype: DType, _ shape: Shape) throws(Status) { storage = try TensorStorage.makeOnHost(dtype, shape) }

    /// The type of the elements.
    @inlinable public var dtype: DType { storage.header.dtype }
    /// The shape.
    @inlinable public var shape: Shape { storage.header.shape }
    /// The number of dimensions.
    @inlinable public var rank: Int { storage.header.shape.rank }
    /// The number of elements.
    @inlinable public var elementCount: Int { storage.header.shape.elementCount }
    /// The size of the elements in memory, in bytes.
    @inlinable public var byteCount: Int { elementCount * dtype.byteCount }
    /// Dimension `index`, which must be in `0..<rank`.
    @inlinable package func dimension(_ index: Int) -> Int { storage.header.shape[index] }

    /// The elements for reading, in row-major order. `E` must be the Swift type of the dtype or, for bitwise types, any type of
    /// the same size. The buffer is valid only while the tensor is alive.
    @inlinable package func elements<E>(_ type: E.Type = E.self) -> UnsafeBufferPointer<E> {
        precondition(dtype.holds(E.self))
        return UnsafeBufferPointer(start: storage.header.base.assumingMemoryBound(to: E.self), count: elementCount)
    }
    /// The elements for writing. Only the code that made the tensor may write, and only before it shares the tensor.
    @inlinable package func mutableElements<E>(_ type: E.Type = E.self) -> UnsafeMutableBufferPointer<E> {
        precondition(dtype.holds(E.self))
        return UnsafeMutableBufferPointer(start: storage.header.base.assumingMemoryBound(to: E.self), count: elementCount)
    }
    /// Calls `body` with the elements in row-major order, without a copy. The buffer is valid until `body` returns.
    /// - Throws: `invalidArgument` when the tensor has another dtype; what `body` throws.
    public func withElements<E: TensorElement, R>(of type: E.Type, _ body: (UnsafeBufferPointer<E>) throws -> R) throws -> R {
        guard dtype == E.dtype else { throw Status.invalidArgument("Expected a tensor of \(E.dtype), found \(dtype)") }
        defer { withExtendedLifetime(self) {} }
        return try body(elements(E.self))
    }
    /// Calls `body` with the elements for writing. Only the code that made the tensor may write, and only before it shares the
    /// tensor. The buffer is valid until `body` returns.
    /// - Throws: `invalidArgument` when the tensor has another dtype; what `body` throws.
    public func withMutableElements<E: TensorElement, R>(of type: E.Type, _ body: (UnsafeMutableBufferPointer<E>) throws -> R) throws -> R {
        guard dtype == E.dtype else { throw Status.invalidArgument("Expected a tensor of \(E.dtype), found \(dtype)") }
        defer { withExtendedLifetime(self) {} }
        return try body(mutableElements(E.self))
    }
    /// The elements of a bitwise type as bytes, for reading.
    @inlinable public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: storage.header.base, count: byteCount) }
    /// The elements of a bitwise type as bytes, for writing; see `withMutableElements`.
    @inlinable public var mutableBytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: storage.header.base, count: byteCount)
    }

    /// Whether this is the only reference to the tensor, and the tensor owns its memory.
    @inlinable public mutating func isUniquelyReferenced() -> Bool {
        guard isKnownUniquelyReferenced(&storage) else { return false }
        switch storage.header.owner {
        case .tail, .host, .allocator: return true
        case .view, .foreign: return false
        }
    }
    /// Whether the elements of both begin at the same address.
    public func sharesMemory(with other: Tensor) -> Bool { storage.header.base == other.storage.header.base }

    /// The same elements with another shape, which must have as many elements. No copy.
    package func reshaped(_ shape: Shape) -> Tensor {
        precondition(shape.elementCount == elementCount)
        return view(offset: 0, shape, dtype)
    }
    /// Rows `range` along the first dimension, which must lie in `0..<dimension(0)`. No copy.
    package func rows(_ range: Range<Int>) -> Tensor {
        precondition(rank > 0 && range.lowerBound >= 0 && range.upperBound <= dimension(0))
        let rowCount = shape.count(1...)
        return view(offset: range.lowerBound * rowCount * dtype.byteCount, shape.replacing(0, with: range.count), dtype)
    }
    /// Row `index` along the first dimension, with that dimension removed. No copy.
    package func row(_ index: Int) -> Tensor {
        let slice = rows(index..<index + 1)
        return slice.reshaped(shape.dropFirst())
    }
    /// The same bytes as another bitwise type. `shape` must have as many bytes. No copy.
    package func bitcast(to dtype: DType, _ shape: Shape) -> Tensor {
        precondition(shape.elementCount * dtype.byteCount == byteCount && dtype.isBitwise && self.dtype.isBitwise)
        return view(offset: 0, shape, dtype)
    }
    private func view(offset: Int, _ shape: Shape, _ dtype: DType) -> Tensor {
        let root: TensorStorage
        if case .view(let owner) = storage.header.owner { root = owner } else { root = storage }
        return Tensor(storage: .wrap(storage.header.base + offset, dtype, shape, .view(root)))
    }

    /// Makes a tensor of a bitwise type over memory that it does not own. `owner` keeps the memory alive.
    package init(_ dtype: DType, _ shape: Shape, over base: UnsafeMutableRawPointer, keeping owner: AnyObject) {
        precondition(dtype.isBitwise)
        storage = .wrap(base, dtype, shape, .foreign(owner))
    }

    /// The start of the block that holds the elements, if `allocator` allocated it; for a view, the block of the tensor that it
    /// is a view of.
    package func block(of allocator: any Allocator) -> UnsafeMutableRawPointer? {
        guard case .allocator(let owner) = storage.root.header.owner, owner === allocator else { return nil }
        return storage.root.header.base
    }

    /// The address of the first element.
    package var address: UnsafeMutableRawPointer { storage.header.base }

    /// Marks the memory as updated in place by a variable, also while others read it.
    public func markUpdatedInPlace() { storage.header.isUpdatedInPlace = true }

    /// Returns a tensor that never changes: this one, or a copy when a variable updates its memory in place.
    /// - Throws: `resourceExhausted` when the memory for a copy is not available.
    public func snapshot() throws(Status) -> Tensor {
        storage.root.header.isUpdatedInPlace ? try copied() : self
    }

    /// Returns a copy with its own memory, in host memory or, for a tensor that only a device can read, in that of the device.
    /// - Throws: `resourceExhausted` when the memory is not available.
    public func copied() throws(Status) -> Tensor { try copied(in: deviceMemory ?? HostAllocator.shared) }
    /// Returns a copy with its own memory from an allocator of the same device.
    /// - Throws: `resourceExhausted` when the memory is not available; `internalError` when a device would have to copy from another.
    public func copied(in allocator: any Allocator) throws(Status) -> Tensor {
        let copy = try Tensor(dtype, shape, in: allocator)
        try copy.overwrite(with: self)
        return copy
    }
    /// Copies the elements of another tensor into this one. Dtype and element count must be equal.
    package func copyElements(from other: Tensor) {
        precondition(other.dtype == dtype && other.elementCount == elementCount)
        switch dtype {
        case .string: _ = mutableElements(ByteString.self).update(fromContentsOf: other.elements(ByteString.self))
        case .resource: _ = mutableElements(ResourceHandle.self).update(fromContentsOf: other.elements(ResourceHandle.self))
        case .variant: _ = mutableElements(Variant.self).update(fromContentsOf: other.elements(Variant.self))
        default: if byteCount > 0 { mutableBytes.copyMemory(from: other.bytes) }
        }
    }
}

public import WeirDevice
public import WeirTensor

public import Glibc

/// Copies of whole rows between arbitrary positions, for gather, scatter and partition ops.
///
/// The closure `place` returns for each move the row to read and the row to write, as row indices.
@usableFromInline package struct RowCopy {
    @usableFromInline package let dtype: DType
    /// The number of elements in a row.
    @usableFromInline package let width: Int

    package init(dtype: DType, width: Int) { (self.dtype, self.width) = (dtype, width) }

    /// Moves `count` rows. Calls `place` once per move, from several threads at once, and does not check the rows that it
    /// returns.
    @inline(__always)
    @inlinable package func run(
        _ count: Int, from source: Tensor, to target: Tensor, in pool: ComputePool,
        place: (Int) -> (source: Int, target: Int)
    ) {
        guard count > 0, width > 0 else { return }
        guard dtype.isBitwise else { return runInOrder(count, from: source, to: target, place: place) }
        let bytes = width * dtype.byteCount
        pool.parallelFor(count, grain: max(1, (128 << 10) / max(16, bytes))) { range in
            copy(range, bytes, source.firstByte, target.mutableFirstByte, place)
        }
    }

    /// Moves `count` rows in order on this thread, so that for duplicate targets the last move wins.
    @inline(__always)
    @inlinable package func runInOrder(
        _ count: Int, from source: Tensor, to target: Tensor, place: (Int) -> (source: Int, target: Int)
    ) {
        guard count > 0, width > 0 else { return }
        switch dtype {
        case .string: objects(ByteString.self, count, source, target, place)
        case .resource: objects(ResourceHandle.self, count, source, target, place)
        case .variant: objects(Variant.self, count, source, target, place)
        default: copy(0..<count, width * dtype.byteCount, source.firstByte, target.mutableFirstByte, place)
        }
    }

    /// Moves `slabs` times `count` rows. Passes `place` both the slab and the row in the slab, which saves a division per row.
    @inline(__always)
    @inlinable package func run(
        slabs: Int, count: Int, from source: Tensor, to target: Tensor, in pool: ComputePool,
        place: (_ slab: Int, _ index: Int) -> (source: Int, target: Int)
    ) {
        guard slabs > 0, count > 0, width > 0 else { return }
        guard dtype.isBitwise else {
            return runInOrder(slabs * count, from: source, to: target) { row in
                let (slab, index) = row.quotientAndRemainder(dividingBy: count)
                return place(slab, index)
            }
        }
        let bytes = width * dtype.byteCount
        pool.parallelFor(slabs * count, grain: max(1, (128 << 10) / max(16, bytes))) { range in
            var (slab, index) = range.lowerBound.quotientAndRemainder(dividingBy: count)
            copy(range, bytes, source.firstByte, target.mutableFirstByte) { _ in
                let result = place(slab, index)
                index &+= 1
                if index == count {
                    index = 0
                    slab &+= 1
                }
                return result
            }
        }
    }

    @inline(__always)
    @inlinable func copy(
        _ range: Range<Int>, _ bytes: Int, _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer,
        _ place: (Int) -> (source: Int, target: Int)
    ) {
        switch bytes {
        case 1: elements(UInt8.self, range, from, to, place)
        case 2: elements(UInt16.self, range, from, to, place)
        case 4: elements(UInt32.self, range, from, to, place)
        case 8: elements(UInt64.self, range, from, to, place)
        case 16: elements(SIMD2<UInt64>.self, range, from, to, place)
        default:
            for index in range {
                let (source, target) = place(index)
                memcpy(to + target &* bytes, from + source &* bytes, bytes)
            }
        }
    }

    @inline(__always)
    @inlinable func elements<W: BitwiseCopyable>(
        _ type: W.Type, _ range: Range<Int>, _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer,
        _ place: (Int) -> (source: Int, target: Int)
    ) {
        let stride = MemoryLayout<W>.stride
        for index in range {
            let (source, target) = place(index)
            to.storeBytes(
                of: from.loadUnaligned(fromByteOffset: source &* stride, as: W.self), toByteOffset: target &* stride,
                as: W.self)
        }
    }

    @inlinable func objects<E: TensorElement>(
        _ type: E.Type, _ count: Int, _ source: Tensor, _ target: Tensor,
        _ place: (Int) -> (source: Int, target: Int)
    ) {
        let from = source.elements(E.self)
        let to = target.mutableElements(E.self)
        for index in 0..<count {
            let (source, target) = place(index)
            for element in 0..<width { to[target * width + element] = from[source * width + element] }
        }
    }
}

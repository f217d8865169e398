package import WeirDevice
public import WeirTensor

import Glibc

/// A copy of a block of elements between two layouts, for slice, transpose, tile, pad and concat ops.
///
/// A layout is a stride in elements for each dimension: 0 repeats an element, a negative stride runs backwards. Adjacent
/// dimensions that are contiguous in both layouts are merged, so most blocks reduce to one or two dimensions.
package struct StridedCopy {
    package private(set) var sizes: [Int] = []
    package private(set) var sourceStrides: [Int] = []
    package private(set) var targetStrides: [Int] = []
    package private(set) var isEmpty = false

    package init(_ sizes: [Int], from source: [Int], to target: [Int]) {
        for (index, size) in sizes.enumerated() where size != 1 {
            if size <= 0 { isEmpty = true }
            if let last = self.sizes.indices.last, sourceStrides[last] == source[index] &* size,
                targetStrides[last] == target[index] &* size
            {
                self.sizes[last] &*= size
                (sourceStrides[last], targetStrides[last]) = (source[index], target[index])
            } else {
                self.sizes.append(size)
                sourceStrides.append(source[index])
                targetStrides.append(target[index])
            }
        }
    }
    /// Creates a copy from a strided layout to a dense one.
    package init(_ sizes: [Int], from source: [Int]) { self.init(sizes, from: source, to: StridedCopy.strides(of: sizes)) }
    /// Creates a copy from a dense layout to a strided one.
    package init(_ sizes: [Int], to target: [Int]) { self.init(sizes, from: StridedCopy.strides(of: sizes), to: target) }

    /// Returns row-major strides. They are exact for every shape that a tensor can have, and wrap instead of trapping for
    /// others.
    package static func strides(of sizes: [Int]) -> [Int] {
        var strides = [Int](repeating: 1, count: sizes.count)
        for index in sizes.indices.dropLast().reversed() { strides[index] = strides[index + 1] &* sizes[index + 1] }
        return strides
    }

    /// Whether source and target are both dense.
    package var isContiguous: Bool { sizes.isEmpty || (sizes.count == 1 && sourceStrides[0] == 1 && targetStrides[0] == 1) }

    /// Copies the block. The pointers address the block's first element.
    package func run(_ dtype: DType, from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, in pool: ComputePool) {
        guard !isEmpty else { return }
        switch dtype {
        case .string: copyObjects(ByteString.self, source, target)
        case .resource: copyObjects(ResourceHandle.self, source, target)
        case .variant: copyObjects(Variant.self, source, target)
        default: copyBytes(dtype.byteCount, source, target, pool)
        }
    }

    /// Copies between tensors of one dtype. Each offset is the index of the block's first element.
    package func run(
        from source: Tensor, skipping sourceOffset: Int = 0, to target: Tensor, at targetOffset: Int = 0,
        in pool: ComputePool
    ) {
        guard !isEmpty else { return }
        let width = source.dtype.byteCount
        run(
            source.dtype, from: source.firstByte + sourceOffset * width,
            to: target.mutableFirstByte + targetOffset * width,
            in: pool)
    }

    private func copyObjects<E>(_ type: E.Type, _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) {
        func level(_ depth: Int, _ from: UnsafePointer<E>, _ to: UnsafeMutablePointer<E>) {
            guard depth < sizes.count else { return to.pointee = from.pointee }
            for index in 0..<sizes[depth] {
                level(depth + 1, from + index * sourceStrides[depth], to + index * targetStrides[depth])
            }
        }
        level(0, source.assumingMemoryBound(to: E.self), target.assumingMemoryBound(to: E.self))
    }

    /// The least number of bytes worth a task on another thread.
    fileprivate static let grain = 256 << 10

    private func copyBytes(
        _ width: Int, _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ pool: ComputePool
    ) {
        var plan = ByteCopyPlan(sizes, sourceStrides.map { $0 * width }, targetStrides.map { $0 * width }, unit: width)
        let byteCount = plan.sizes.reduce(plan.unit, *)
        guard byteCount >= 2 * StridedCopy.grain, let widest = plan.sizes.max(),
            let split = plan.sizes.firstIndex(of: widest)
        else {
            plan.arrangeTiles()
            return plan.run(source, target)
        }
        pool.parallelFor(widest, grain: max(1, StridedCopy.grain / max(1, byteCount / widest))) { range in
            var part = plan
            part.sizes[split] = range.count
            part.foldUnit()
            part.arrangeTiles()
            part.run(
                source + range.lowerBound * plan.source[split], target + range.lowerBound * plan.target[split])
        }
    }
}

/// A strided copy of plain bytes. Strides are in bytes; `unit` bytes are moved at a time.
private struct ByteCopyPlan {
    package var sizes: [Int]
    package var source: [Int]
    package var target: [Int]
    package var unit: Int
    /// Whether the last two dimensions are transposed: the last but one is dense in the source, the last is dense in the
    /// target. They are copied tile by tile, so that both sides stay in the cache.
    package var isTiled = false

    package init(_ sizes: [Int], _ source: [Int], _ target: [Int], unit: Int) {
        (self.sizes, self.source, self.target, self.unit) = (sizes, source, target, unit)
        // A long dense run stays a dimension, so that it can be split between threads.
        if let last = sizes.last, sizes.count > 1, last * unit < StridedCopy.grain { foldUnit() }
    }

    /// Merges a dense innermost dimension into the unit.
    package mutating func foldUnit() {
        guard let last = sizes.indices.last, source[last] == unit, target[last] == unit else { return }
        unit *= sizes[last]
        sizes.removeLast()
        source.removeLast()
        target.removeLast()
    }

    /// Moves the dimension that is dense in the source before the last one, if the copy is a transposition.
    package mutating func arrangeTiles() {
        guard sizes.count > 1, [1, 2, 4, 8, 16].contains(unit), let last = sizes.indices.last,
            target[last] == unit, source[last] != unit, source[last] != 0,
            let across = source.firstIndex(of: unit)
        else { return }
        sizes.swapAt(across, last - 1)
        source.swapAt(across, last - 1)
        target.swapAt(across, last - 1)
        isTiled = true
    }

    package func run(_ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer) {
        var plan = self
        plan.foldUnit()
        switch plan.unit {
        case 1: plan.walk(UInt8.self, from, to)
        case 2: plan.walk(UInt16.self, from, to)
        case 4: plan.walk(UInt32.self, from, to)
        case 8: plan.walk(UInt64.self, from, to)
        case 16: plan.walk(SIMD2<UInt64>.self, from, to)
        default: plan.walkRuns(from, to)
        }
    }

    /// Copies runs of `unit` bytes with `memcpy`.
    private func walkRuns(_ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer) {
        let (count, unit) = (sizes.count, unit)
        sizes.withUnsafeBufferPointer { sizes in
            source.withUnsafeBufferPointer { source in
                target.withUnsafeBufferPointer { target in
                    func level(_ depth: Int, _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer) {
                        if depth == count {
                            memcpy(to, from, unit)
                        } else if depth == count - 1 {
                            let (from1, to1) = (source[depth], target[depth])
                            for index in 0..<sizes[depth] { memcpy(to + index &* to1, from + index &* from1, unit) }
                        } else {
                            for index in 0..<sizes[depth] {
                                level(depth + 1, from + index &* source[depth], to + index &* target[depth])
                            }
                        }
                    }
                    level(0, from, to)
                }
            }
        }
    }

    /// Copies elements of one of the widths that are moved by load and store.
    private func walk<W: TransposableUnit>(_ type: W.Type, _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer) {
        guard let last = sizes.indices.last else {
            return to.storeBytes(of: from.loadUnaligned(as: W.self), as: W.self)
        }
        let isTiled = isTiled
        sizes.withUnsafeBufferPointer { sizes in
            source.withUnsafeBufferPointer { source in
                target.withUnsafeBufferPointer { target in
                    func level(_ depth: Int, _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer) {
                        if depth == last {
                            row(W.self, from, source[last], to, target[last], sizes[last])
                        } else if isTiled, depth == last - 1 {
                            tiles(
                                W.self, from, source[last], to, target[depth], rows: sizes[depth], columns: sizes[last])
                        } else {
                            for index in 0..<sizes[depth] {
                                level(depth + 1, from + index &* source[depth], to + index &* target[depth])
                            }
                        }
                    }
                    level(0, from, to)
                }
            }
        }
    }
}

@inline(__always)
private func move<W: BitwiseCopyable>(_ type: W.Type, _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer) {
    to.storeBytes(of: from.loadUnaligned(as: W.self), as: W.self)
}

/// Copies one row with any strides.
@inline(__always)
private func row<W: BitwiseCopyable>(
    _ type: W.Type, _ from: UnsafeRawPointer, _ fromStride: Int, _ to: UnsafeMutableRawPointer, _ toStride: Int,
    _ count: Int
) {
    let width = MemoryLayout<W>.stride
    if fromStride == 0, toStride == width {
        let value = from.loadUnaligned(as: W.self)
        for index in 0..<count { to.storeBytes(of: value, toByteOffset: index &* width, as: W.self) }
    } else if toStride == width {
        for index in 0..<count { move(W.self, from + index &* fromStride, to + index &* width) }
    } else {
        for index in 0..<count { move(W.self, from + index &* fromStride, to + index &* toStride) }
    }
}

/// A unit for which a square of four by four can be transposed at once.
private protocol TransposableUnit: BitwiseCopyable {
    /// Transposes a square of four by four: target row r, column c is source row c, column r.
    static func transpose4x4(_ from: UnsafeRawPointer, _ fromStride: Int, _ to: UnsafeMutableRawPointer, _ toStride: Int)
}
extension UInt8: TransposableUnit {}
extension UInt16: TransposableUnit {}
extension UInt32: TransposableUnit {}
extension UInt64: TransposableUnit {}

extension TransposableUnit where Self: SIMDScalar {
    @inline(__always)
    static func transpose4x4(_ from: UnsafeRawPointer, _ fromStride: Int, _ to: UnsafeMutableRawPointer, _ toStride: Int) {
        let a = from.loadUnaligned(as: SIMD4<Self>.self)
        let b = (from + fromStride).loadUnaligned(as: SIMD4<Self>.self)
        let c = (from + 2 &* fromStride).loadUnaligned(as: SIMD4<Self>.self)
        let d = (from + 3 &* fromStride).loadUnaligned(as: SIMD4<Self>.self)
        let ab = SIMD8(lowHalf: a, highHalf: b), cd = SIMD8(lowHalf: c, highHalf: d)
        let even = SIMD8(lowHalf: ab.evenHalf, highHalf: cd.evenHalf)
        let odd = SIMD8(lowHalf: ab.oddHalf, highHalf: cd.oddHalf)
        to.storeBytes(of: even.evenHalf, as: SIMD4<Self>.self)
        (to + toStride).storeBytes(of: odd.evenHalf, as: SIMD4<Self>.self)
        (to + 2 &* toStride).storeBytes(of: even.oddHalf, as: SIMD4<Self>.self)
        (to + 3 &* toStride).storeBytes(of: odd.oddHalf, as: SIMD4<Self>.self)
    }
}
extension SIMD2<UInt64>: TransposableUnit {
    @inline(__always)
    fileprivate static func transpose4x4(
        _ from: UnsafeRawPointer, _ fromStride: Int, _ to: UnsafeMutableRawPointer, _ toStride: Int
    ) {
        for r in 0..<4 {
            for c in 0..<4 { move(Self.self, from + (c &* fromStride &+ r &* 16), to + (r &* toStride &+ c &* 16)) }
        }
    }
}

/// Transposes: target row r, column c is source row c, column r. Works in tiles the size of a cache line.
@inline(__always)
private func tiles<W: TransposableUnit>(
    _ type: W.Type, _ from: UnsafeRawPointer, _ fromStride: Int, _ to: UnsafeMutableRawPointer, _ toStride: Int,
    rows: Int, columns: Int
) {
    let width = MemoryLayout<W>.stride
    let side = max(4, 64 / width)
    let (wholeRows, wholeColumns) = (rows & ~3, columns & ~3)
    var top = 0
    while top < wholeRows {
        let bottom = min(wholeRows, top + side)
        var left = 0
        while left < wholeColumns {
            let right = min(wholeColumns, left + side)
            var r = top
            while r < bottom {
                let (source, target) = (from + r &* width, to + r &* toStride)
                var c = left
                while c < right {
                    W.transpose4x4(source + c &* fromStride, fromStride, target + c &* width, toStride)
                    c += 4
                }
                r += 4
            }
            left = right
        }
        top = bottom
    }
    for r in 0..<rows {
        let (source, target) = (from + r &* width, to + r &* toStride)
        for c in (r < wholeRows ? wholeColumns : 0)..<columns {
            move(W.self, source + c &* fromStride, target + c &* width)
        }
    }
}

extension Tensor {
    /// The address of its first element, for any dtype.
    @inlinable package var firstByte: UnsafeRawPointer { bytes.baseAddress! }
    /// The address of its first element for writing, for any dtype.
    @inlinable package var mutableFirstByte: UnsafeMutableRawPointer { mutableBytes.baseAddress! }

    /// Fills the tensor with the one element of `value`, which has the same dtype.
    package func fillElements(with value: Tensor, in pool: ComputePool) {
        StridedCopy([elementCount], from: [0], to: [1]).run(from: value, to: self, in: pool)
    }
    /// Sets all elements to zero, or to empty strings, handles and variants.
    package func clearElements() {
        switch dtype {
        case .string: mutableElements(ByteString.self).update(repeating: .zero)
        case .resource: mutableElements(ResourceHandle.self).update(repeating: .zero)
        case .variant: mutableElements(Variant.self).update(repeating: .zero)
        default: memset(mutableFirstByte, 0, byteCount)
        }
    }
}

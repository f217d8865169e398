package import WeirDevice
package import WeirTensor

/// Which dimensions of a tensor are reduced, and the run of the reduction.
package struct Reduction {
    /// The input's dimensions without those of size 1. Adjacent dimensions that are both kept or both reduced are merged.
    package private(set) var groups: [(size: Int, isReduced: Bool)] = []
    /// The number of results.
    package let resultCount: Int
    /// The number of elements that are reduced to one result.
    package let reducedCount: Int

    /// - Parameter isReduced: whether each dimension is reduced. The element count of the kept dimensions must not overflow.
    package init(_ shape: Shape, _ isReduced: [Bool]) {
        var (kept, reduced) = (1, 1)
        for axis in 0..<shape.rank {
            if isReduced[axis] { reduced &*= shape[axis] } else { kept &*= shape[axis] }
            if shape[axis] == 1 { continue }
            if let last = groups.last, last.isReduced == isReduced[axis] {
                groups[groups.count - 1].size &*= shape[axis]
            } else {
                groups.append((shape[axis], isReduced[axis]))
            }
        }
        resultCount = kept
        reducedCount = shape.elementCount == 0 ? 0 : reduced
    }

    /// Whether each result comes from just one element.
    package var isTrivial: Bool { reducedCount == 1 }

    /// The number of elements combined into one accumulator before accumulators are combined with each other.
    private static let blockLength = 16 << 10
    /// The widest row of accumulators; it stays in the first-level cache.
    private static let maximumWidth = 2048

    /// Reduces the elements at `x` into `out`.
    /// - Throws: `resourceExhausted` when there is no memory for the accumulators of blocks.
    package func run(
        _ loops: ReduceLoops, _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, on pool: ComputePool
    ) throws(Status) {
        guard resultCount > 0 else { return }
        if reducedCount == 0 || groups.isEmpty || !groups.contains(where: \.isReduced) {
            runTrivial(loops, x, out)
        } else if groups[groups.count - 1].isReduced {
            try runInner(loops, x, out, pool)
        } else {
            try runOuter(loops, x, out, pool)
        }
    }

    /// Handles reductions without combining: each result comes from one element or none.
    private func runTrivial(_ loops: ReduceLoops, _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer) {
        withAccumulators(loops, min(resultCount, Reduction.maximumWidth)) { accumulators in
            for start in stride(from: 0, to: resultCount, by: Reduction.maximumWidth) {
                let count = min(Reduction.maximumWidth, resultCount - start)
                loops.clear(accumulators, count)
                if reducedCount > 0 { loops.accumulate(x + start * loops.elementSize, 1, count, count, accumulators) }
                loops.finish(accumulators, out + start * loops.elementSize, count, reducedCount)
            }
        }
    }

    /// Reduces when the last dimension is reduced: rows become single accumulators.
    private func runInner(
        _ loops: ReduceLoops, _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ pool: ComputePool
    ) throws(Status) {
        let length = groups[groups.count - 1].size
        let size = loops.elementSize
        if groups.count > 2 { return runInnerStrided(loops, x, out, pool) }
        let blocks = (length + Reduction.blockLength - 1) / Reduction.blockLength
        if blocks == 1 {
            return pool.parallelFor(resultCount, grain: max(1, Grain.cheap / length)) { range in
                withAccumulators(loops, min(range.count, Reduction.maximumWidth)) { accumulators in
                    for start in stride(from: range.lowerBound, to: range.upperBound, by: Reduction.maximumWidth) {
                        let count = min(Reduction.maximumWidth, range.upperBound - start)
                        loops.reduceRows(x + start * length * size, count, length, accumulators)
                        loops.finish(accumulators, out + start * size, count, length)
                    }
                }
            }
        }
        // Long rows: each block of a row has its own accumulator; these are combined in order.
        let byteCount = resultCount * blocks * loops.accumulatorSize
        let accumulators = try HostAllocator.shared.allocate(byteCount)
        defer { HostAllocator.shared.deallocate(accumulators, byteCount) }
        pool.parallelFor(resultCount * blocks, grain: 2) { range in
            for task in range {
                let (row, start) = (task / blocks, task % blocks * Reduction.blockLength)
                loops.reduceRows(
                    x + (row * length + start) * size, 1, min(Reduction.blockLength, length - start),
                    accumulators + task * loops.accumulatorSize)
            }
        }
        for row in 0..<resultCount {
            let first = accumulators + row * blocks * loops.accumulatorSize
            for block in 1..<blocks { loops.merge(first + block * loops.accumulatorSize, first, 1) }
            loops.finish(first, out + row * size, 1, length)
        }
    }

    /// Reduces when the last dimension is reduced along with others that are not adjacent to it.
    private func runInnerStrided(_ loops: ReduceLoops, _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ pool: ComputePool) {
        let length = groups[groups.count - 1].size
        let (kept, reduced) = (GroupOffsets(groups.dropLast(), scale: length, reduced: false), GroupOffsets(groups.dropLast(), scale: length, reduced: true))
        pool.parallelFor(resultCount, grain: max(1, Grain.cheap / max(reducedCount, 1))) { range in
            withAccumulators(loops, 2) { accumulators in
                let row = accumulators + loops.accumulatorSize
                for index in range {
                    loops.clear(accumulators, 1)
                    let start = kept.offset(index)
                    for part in 0..<reduced.count {
                        loops.reduceRows(x + (start + reduced.offset(part)) * loops.elementSize, 1, length, row)
                        loops.merge(row, accumulators, 1)
                    }
                    loops.finish(accumulators, out + index * loops.elementSize, 1, reducedCount)
                }
            }
        }
    }

    /// Reduces when the last dimension is kept: rows are combined into rows of accumulators.
    private func runOuter(
        _ loops: ReduceLoops, _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ pool: ComputePool
    ) throws(Status) {
        let length = groups[groups.count - 1].size
        let last = groups.count - 2
        // The last reduced group has an even stride; the reduced groups before it, if any, have offsets from `GroupOffsets`.
        let (rowCount, before) = (groups[last].size, groups[..<last])
        let (kept, reduced) = (GroupOffsets(before, scale: rowCount * length, reduced: false), GroupOffsets(before, scale: rowCount * length, reduced: true))
        let width = min(length, Reduction.maximumWidth)
        let columns = (length + width - 1) / width
        let blockRows = max(1, 4 * Reduction.blockLength / width)
        let blocks = reduced.count == 1 ? (rowCount + blockRows - 1) / blockRows : 1
        let (size, accumulatorSize) = (loops.elementSize, loops.accumulatorSize)

        /// Combines some columns of one result row into `accumulators`, over one block of rows or over all rows.
        func combine(_ index: Int, _ column: Int, _ block: Int, _ accumulators: UnsafeMutableRawPointer) -> Int {
            let start = column * width
            let count = min(width, length - start)
            loops.clear(accumulators, count)
            let rows = blocks == 1 ? 0..<rowCount : block * blockRows..<min((block + 1) * blockRows, rowCount)
            for part in 0..<reduced.count {
                let offset = kept.offset(index) + reduced.offset(part) + rows.lowerBound * length + start
                loops.accumulate(x + offset * size, rows.count, length, count, accumulators)
            }
            return count
        }
        let tasks = kept.count * columns
        if blocks == 1 {
            let work = width * rowCount * reduced.count
            return pool.parallelFor(tasks, grain: max(1, Grain.cheap / max(work, 1))) { range in
                withAccumulators(loops, width) { accumulators in
                    for task in range {
                        let (index, column) = (task / columns, task % columns)
                        let count = combine(index, column, 0, accumulators)
                        loops.finish(accumulators, out + (index * length + column * width) * size, count, reducedCount)
                    }
                }
            }
        }
        let byteCount = tasks * blocks * width * loops.accumulatorSize
        let accumulators = try HostAllocator.shared.allocate(byteCount)
        defer { HostAllocator.shared.deallocate(accumulators, byteCount) }
        pool.parallelFor(tasks * blocks, grain: 1) { range in
            for task in range {
                let (place, block) = (task / blocks, task % blocks)
                _ = combine(place / columns, place % columns, block, accumulators + task * width * accumulatorSize)
            }
        }
        for task in 0..<tasks {
            let (index, column) = (task / columns, task % columns)
            let first = accumulators + task * blocks * width * accumulatorSize
            let count = min(width, length - column * width)
            for block in 1..<blocks { loops.merge(first + block * width * accumulatorSize, first, count) }
            loops.finish(first, out + (index * length + column * width) * size, count, reducedCount)
        }
    }

    private func withAccumulators(_ loops: ReduceLoops, _ count: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
        HostAllocator.shared.withScratch(max(1, count) * loops.accumulatorSize, body)
    }

    /// The offsets of the positions along the kept groups, or along the reduced groups.
    private struct GroupOffsets {
        private var dimensions: [(size: Int, stride: Int)] = []
        package private(set) var count = 1

        package init(_ groups: ArraySlice<(size: Int, isReduced: Bool)>, scale: Int, reduced: Bool) {
            var stride = scale
            for group in groups.reversed() {
                if group.isReduced == reduced {
                    dimensions.append((group.size, stride))
                    count *= group.size
                }
                stride *= group.size
            }
        }

        package func offset(_ index: Int) -> Int {
            var (rest, offset) = (index, 0)
            for dimension in dimensions {
                offset += rest % dimension.size * dimension.stride
                rest /= dimension.size
            }
            return offset
        }
    }
}

public import WeirDevice
public import WeirTensor

/// Which elements of a tensor are reduced together.
package struct Reduction {
    /// The input's dimensions with neighbours that are both kept or both reduced made one, and those of size 1 left out.
    package private(set) var groups: [(size: Int, isReduced: Bool)] = []
    /// How many results there are, and how many elements become one.
    package let resultCount: Int
    package let reducedCount: Int

    /// - Parameter isReduced: for each dimension. The element count of the kept ones must not overflow.
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

    /// Whether each result is of just one element.
    package var isTrivial: Bool { reducedCount == 1 }

    /// How much is combined into one accumulator before it is combined with others.
    private static let blockLength = 16 << 10
    /// The widest row of accumulators, which stays in the first-level cache.
    private static let widest = 2048

    /// - Throws: `resourceExhausted` when there is no memory for what is combined in blocks.
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

    /// Nothing to combine: each result is of one element, or of none.
    private func runTrivial(_ loops: ReduceLoops, _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer) {
        withAccumulators(loops, min(resultCount, Reduction.widest)) { accumulators in
            for start in stride(from: 0, to: resultCount, by: Reduction.widest) {
                let count = min(Reduction.widest, resultCount - start)
                loops.clear(accumulators, count)
                if reducedCount > 0 { loops.accumulate(x + start * loops.elementSize, 1, count, count, accumulators) }
                loops.finish(accumulators, out + start * loops.elementSize, count, reducedCount)
            }
        }
    }

    /// The last dimension is reduced: rows become single accumulators.
    private func runInner(
        _ loops: ReduceLoops, _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ pool: ComputePool
    ) throws(Status) {
        let length = groups[groups.count - 1].size
        let size = loops.elementSize
        if groups.count > 2 { return runInnerStrided(loops, x, out, pool) }
        let blocks = (length + Reduction.blockLength - 1) / Reduction.blockLength
        if blocks == 1 {
            return pool.parallelFor(resultCount, grain: max(1, Grain.cheap / length)) { range in
                withAccumulators(loops, min(range.count, Reduction.widest)) { accumulators in
                    for start in stride(from: range.lowerBound, to: range.upperBound, by: Reduction.widest) {
                        let count = min(Reduction.widest, range.upperBound - start)
                        loops.reduceRows(x + start * length * size, count, length, accumulators)
                        loops.finish(accumulators, out + start * size, count, length)
                    }
                }
            }
        }
        // Long rows: each block of a row has an accumulator, which are combined in order.
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

    /// The last dimension is reduced, and others before it that are not its neighbours.
    private func runInnerStrided(_ loops: ReduceLoops, _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ pool: ComputePool) {
        let length = groups[groups.count - 1].size
        let (kept, reduced) = (Steps(groups.dropLast(), scale: length, reduced: false), Steps(groups.dropLast(), scale: length, reduced: true))
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

    /// The last dimension is kept: rows are combined into rows of accumulators.
    private func runOuter(
        _ loops: ReduceLoops, _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ pool: ComputePool
    ) throws(Status) {
        let length = groups[groups.count - 1].size
        let last = groups.count - 2
        // What is reduced last steps evenly; what is reduced before it, if anything, by its own offsets.
        let (rowCount, before) = (groups[last].size, groups[..<last])
        let (kept, reduced) = (Steps(before, scale: rowCount * length, reduced: false), Steps(before, scale: rowCount * length, reduced: true))
        let width = min(length, Reduction.widest)
        let columns = (length + width - 1) / width
        let blockRows = max(1, 4 * Reduction.blockLength / width)
        let blocks = reduced.count == 1 ? (rowCount + blockRows - 1) / blockRows : 1
        let (size, accumulatorSize) = (loops.elementSize, loops.accumulatorSize)

        /// The accumulators of some columns of one result row, over one block of rows or all of them.
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

    /// Offsets of the positions along the dimensions that are kept, or along those that are reduced.
    private struct Steps {
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

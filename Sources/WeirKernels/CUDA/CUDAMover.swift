package import WeirDevice
package import WeirTensor

/// The program that moves elements on a card: one for all ops and types, with kernels for units of 1, 2, 4, 8 and 16 bytes.
///
/// Elements that are neighbours on both sides are moved together, as the widest unit that sizes, strides and addresses allow.
package struct CUDAMover: Sendable {
    package let device: CUDADevice
    private let module: CUDAModule

    /// Starts to compile the program.
    package init(_ device: CUDADevice) throws {
        self.device = device
        module = try device.modules.module(CUDAProgram("Move", CUDADivision.source + CUDAMover.source))
    }

    /// Enqueues the copy of a block between tensors of one dtype. Each offset is the index of the block's first element.
    package func copy(
        _ block: StridedCopy, from source: Tensor, skipping sourceOffset: Int = 0, to target: Tensor, at targetOffset: Int = 0
    ) throws {
        guard !block.isEmpty else { return }
        let width = source.dtype.byteCount
        if block.isContiguous {
            let count = block.sizes.first ?? 1
            let from = source.reshaped(Shape(source.elementCount)).rows(sourceOffset..<sourceOffset + count)
            let to = target.reshaped(Shape(target.elementCount)).rows(targetOffset..<targetOffset + count)
            return try device.copy(from: from, to: to)
        }
        var plan = CUDAMovePlan(block.sizes, block.sourceStrides.map { $0 * width }, block.targetStrides.map { $0 * width }, unit: width)
        plan.from = source.deviceAddress &+ UInt64(bitPattern: Int64(sourceOffset * width))
        plan.to = target.deviceAddress &+ UInt64(bitPattern: Int64(targetOffset * width))
        plan.widen()
        try run(plan)
    }

    private func run(_ plan: CUDAMovePlan) throws {
        guard plan.sizes.count <= CUDAMovePlan.maximumRank else {
            for index in 0..<plan.sizes[0] { try run(plan.slice(index)) }
            return
        }
        let unit = plan.unit
        let (from, to) = (CUDAArgument.word(plan.from), CUDAArgument.word(plan.to))
        if let (across, along) = plan.transposedAxes {
            let (rows, columns) = (plan.sizes[along], plan.sizes[across])
            let tiles = (rows + 31) / 32 * ((columns + 31) / 32)
            var others = plan
            others.remove(across, along)
            let total = tiles * others.sizes.reduce(1, *)
            let grid = CUDAGrid(blocks: (min(total, device.card.processorCount * 32), 1, 1), threads: (32, 8, 1))
            return try device.launch(
                module.function("transpose_\(unit)"), grid,
                [
                    from, to, .int(rows), .int(columns), .int(plan.source[along] / unit), .int(plan.target[across] / unit), .int(total),
                    .ints(others.words),
                ])
        }
        let count = plan.sizes.reduce(1, *)
        try device.launch(
            module.function(count < 1 << 31 ? "strided_\(unit)" : "strided_large_\(unit)"), over: count, [from, to, .int(count), .ints(plan.words)])
    }

    /// Enqueues the fill of a tensor with the one element of `value`, which may be in host memory.
    package func fill(_ target: Tensor, with value: Tensor) throws {
        let (count, width) = (target.elementCount, target.dtype.byteCount)
        guard count > 0 else { return }
        guard !device.holds(value) else {
            return try copy(StridedCopy([count], from: [0], to: [1]), from: value, to: target)
        }
        let element = Array(value.bytes.prefix(width))
        if Set(element).count == 1 { return try device.fill(target, byte: element[0]) }
        let unit = CUDAMovePlan.widest(from: width) { (target.byteCount | Int(target.deviceAddress & 15)) % $0 == 0 }
        try device.launch(
            module.function("fill_\(unit)"), over: target.byteCount / unit,
            [.elements(target), .bytes(element, repeatedTo: unit), .int(target.byteCount / unit)])
    }

    /// Enqueues copies between `rows` rows and tensors that hold consecutive parts of each row.
    /// - Parameters:
    ///   - parts: the tensors, and the number of elements of a row that each holds.
    ///   - toParts: whether the parts are written.
    package func exchange(_ parts: [(tensor: Tensor, width: Int)], rows: Int, _ whole: Tensor, toParts: Bool) throws {
        let width = whole.dtype.byteCount
        let total = parts.reduce(0) { $0 + $1.width } * width
        let own = parts.filter { $0.width > 0 }
        guard rows > 0, total > 0 else { return }
        var bits = Int(whole.deviceAddress & 15) | total
        for part in own { bits |= Int(part.tensor.deviceAddress & 15) | part.width * width }
        let unit = CUDAMovePlan.widest(from: width) { bits % $0 == 0 }
        var offset = 0
        for first in stride(from: 0, to: own.count, by: CUDAMover.partCount) {
            let group = own[first..<min(own.count, first + CUDAMover.partCount)]
            var begins = [0]
            for part in group { begins.append(begins[begins.count - 1] + part.width * width / unit) }
            let rest = [Int](repeating: 0, count: CUDAMover.partCount - group.count)
            let run = begins[group.count]
            let words = group.map { Int(truncatingIfNeeded: $0.tensor.deviceAddress) } + rest + begins + rest
            let start = whole.deviceAddress + UInt64(offset * unit)
            let name = "\(toParts ? "split" : "join")_\(rows * run < 1 << 31 ? "" : "large_")\(unit)"
            try device.launch(
                module.function(name), over: rows * run, [.word(start), .int(rows), .int(run), .int(total / unit), .ints(words)])
            offset += run
        }
    }
    /// How many parts one launch takes.
    private static let partCount = 16

    /// Where the elements of a result beyond those of the input come from.
    package enum Margin {
        /// They have one value.
        case value(Tensor)
        /// They mirror the input. `edge` elements at each end are not repeated.
        case mirror(edge: Int)
        /// They continue at the input's other end.
        case wrap
    }
    /// Enqueues the copy of a tensor with margins: element `i` of the result along an axis is element `i - before` of the input.
    package func copy(_ input: Tensor, before: [Int], margin: Margin, to output: Tensor) throws {
        let own = input.shape.dimensions, sizes = output.shape.dimensions
        let width = input.dtype.byteCount
        var isMirror = false
        if case .mirror = margin { isMirror = true }
        var axes: [CUDAMarginAxis] = []
        for axis in sizes.indices where sizes[axis] != 1 || own[axis] != 1 {
            let next = CUDAMarginAxis(size: sizes[axis], before: before[axis], own: own[axis])
            // An axis without margins is a part of the one before it; a mirror would mirror it too.
            if next.isPlain, let last = axes.last, !isMirror || last.isPlain {
                axes[axes.count - 1] = CUDAMarginAxis(size: last.size * next.size, before: last.before * next.size, own: last.own * next.size)
            } else {
                axes.append(next)
            }
        }
        guard axes.count <= CUDAMovePlan.maximumRank else {
            throw Status.unimplemented("A GPU pads or rolls at most \(CUDAMovePlan.maximumRank) dimensions, found \(input.shape) to \(output.shape)")
        }
        var unit = width
        if let last = axes.last, !isMirror || last.isPlain {
            let addresses = Int((input.deviceAddress | output.deviceAddress) & 15)
            unit = CUDAMovePlan.widest(from: width) { (addresses | last.size * width | last.before * width | last.own * width) % $0 == 0 }
            let factor = unit / width
            axes[axes.count - 1] = CUDAMarginAxis(size: last.size / factor, before: last.before / factor, own: last.own / factor)
        }
        var value = [UInt8](repeating: 0, count: width)
        var (mode, edge) = (0, 0)
        switch margin {
        case .value(let tensor): value = Array(tensor.bytes.prefix(width))
        case .mirror(let unrepeated): (mode, edge) = (1, unrepeated)
        case .wrap: mode = 2
        }
        let count = output.byteCount / unit
        let isLarge = count >= 1 << 31
        var stride = 1
        var words: [Int] = []
        for axis in axes.reversed() {
            words = CUDADivision.words(axis.size) + [axis.before, axis.own, stride] + words
            stride *= axis.own
        }
        words += [Int](repeating: 0, count: 5 * (CUDAMovePlan.maximumRank - axes.count))
        try device.launch(
            module.function(isLarge ? "margin_large_\(unit)" : "margin_\(unit)"), over: count,
            [
                .elements(input), .elements(output), .int(count), .bytes(value, repeatedTo: unit), .int(mode), .int(edge),
                .ints([axes.count] + words),
            ])
    }
}

/// An axis of a result with margins: its size, the margin before the input's elements, and their number.
private struct CUDAMarginAxis {
    let size: Int, before: Int, own: Int
    var isPlain: Bool { before == 0 && size == own }
}

extension CUDAArgument {
    /// The value of a kernel's parameter of 1 to 16 bytes, from the bytes of a smaller element.
    package static func bytes(_ element: [UInt8], repeatedTo width: Int) -> CUDAArgument {
        var words: [UInt64] = [0, 0]
        for index in 0..<width { words[index / 8] |= UInt64(element[index % element.count]) << UInt64(index % 8 * 8) }
        return width <= 8 ? .word(words[0]) : .words(words)
    }
}

public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Pads a tensor with its mirror image. The edge is repeated (SYMMETRIC) or not (REFLECT).
    static let mirrorPad = OpDefinition(
        "MirrorPad", "(input: T, paddings: Tpaddings) -> (output: T)", "T: type", "Tpaddings: {int32, int64} = int32",
        "mode: {'REFLECT', 'SYMMETRIC'}"
    )
    .shape(paddedShape)
    .simplified(.unchangedFor(input: 1) { paddings in paddings.areAll(0) })
    .gradient { g in [g.op("MirrorPadGrad", g.gradient(), g.inputs[1], attributes: ["mode": g.mode]), nil] }
    .kernel(
        ["T": DTypeSet.all.subtracting(DTypeSet(.resource, .variant))], gpu: ["T": .floating], hostMemory: ["paddings"],
        moving: mirrorPadKernel)

    /// Computes the gradient of `MirrorPad`: for each element the sum over all places that it was copied to.
    static let mirrorPadGrad = OpDefinition(
        "MirrorPadGrad", "(input: T, paddings: Tpaddings) -> (output: T)", "T: type",
        "Tpaddings: {int32, int64} = int32", "mode: {'REFLECT', 'SYMMETRIC'}"
    )
    .shape(mirrorPadGradShape)
    .gradient { g in [g.op("MirrorPad", g.gradient(), g.inputs[1], attributes: ["mode": g.mode]), nil] }
    .kernel(["T": .numeric], gpu: ["T": .floating], hostMemory: ["paddings"]) { request in
        try request.numeric("T", MirrorPadGradVisitor(edge: try mirrorOffset(request)))
    }
    .cuda(mirrorPadGradCUDAKernel)
}

extension GradientContext {
    fileprivate var mode: AttributeValue { attributes["mode"] ?? "REFLECT" }
}

/// Returns the number of elements at each edge that are not repeated: 1 for REFLECT, 0 for SYMMETRIC.
func mirrorOffset(_ request: KernelRequest) throws -> Int {
    switch try request.string("mode") {
    case "REFLECT": 1
    case "SYMMETRIC": 0
    default: throw Status.invalidArgument("mode must be either REFLECT or SYMMETRIC.")
    }
}

@Sendable private func mirrorPadKernel(_ request: KernelRequest) throws -> MovingBody {
    let edge = try mirrorOffset(request)
    return { context, mover in
        let input = context.input(0)
        let paddings = try context.input(1).paddings(of: input.shape, .mirror)
        try check(paddings, input.shape.dimensions, edge, "")
        let sizes = try paddedSizes(input.shape, paddings)
        let shape = try Shape(validating: sizes)
        if shape == input.shape { return context.setOutput(0, slot: context.slot(0)) }
        let output = try context.output(0, input.dtype, shape)
        guard shape.elementCount > 0 else { return }
        guard case .host(let pool) = mover else {
            guard case .card(let card) = mover else { return }
            return try card.copy(input, before: paddings.map(\.before), margin: .mirror(edge: edge), to: output)
        }
        let strides = StridedCopy.strides(of: sizes)
        let start = zip(paddings, strides).reduce(0) { $0 + $1.0.before * $1.1 }
        StridedCopy(input.shape.dimensions, to: strides).run(from: input, to: output, at: start, in: pool)
        // The innermost dimension comes first, so that a mirror along one dimension includes the margins of the dimensions after
        // it.
        forEachMirror(of: input.shape.dimensions, paddings, sizes, edge) { mirror in
            StridedCopy(mirror.sizes, from: mirror.sourceStrides, to: strides).run(
                from: output, skipping: mirror.source, to: output, at: mirror.target, in: pool)
        }
    }
}

/// Checks that no margin is wider than the elements that it mirrors.
/// - Throws: `invalidArgument` if one is.
private func check(_ paddings: [(before: Int, after: Int)], _ sizes: [Int], _ edge: Int, _ what: String) throws {
    for (axis, (before, after)) in paddings.enumerated() {
        let size = sizes[axis]
        if edge == 0 {
            guard before <= size, after <= size else {
                throw Status.invalidArgument(
                    "paddings must be no greater than the \(what)dimension size: \(before), \(after) greater than "
                        + "\(size)"
                )
            }
        } else {
            guard before < size, after < size else {
                throw Status.invalidArgument(
                    "paddings must be less than the \(what)dimension size: \(before), \(after) not less than \(size)")
            }
        }
    }
}

/// A margin of a padded tensor, and the block of the same tensor that it mirrors.
private struct MirrorMargin {
    var sizes: [Int]
    var source: Int
    var sourceStrides: [Int]
    var target: Int
}

/// Calls `body` for each margin of a padded tensor. A margin mirrors only the tensor's own elements and earlier margins.
private func forEachMirror(
    of own: [Int], _ paddings: [(before: Int, after: Int)], _ sizes: [Int], _ edge: Int, _ body: (MirrorMargin) -> Void
) {
    let strides = StridedCopy.strides(of: sizes)
    var block = own
    var start = zip(paddings, strides).reduce(0) { $0 + $1.0.before * $1.1 }
    for axis in sizes.indices.reversed() {
        let (before, after) = paddings[axis]
        var backward = strides
        backward[axis] = -strides[axis]
        var margin = block
        if before > 0 {
            margin[axis] = before
            body(
                MirrorMargin(
                    sizes: margin, source: start + (before - 1 + edge) * strides[axis], sourceStrides: backward,
                    target: start - before * strides[axis]))
        }
        if after > 0 {
            margin[axis] = after
            let end = start + own[axis] * strides[axis]
            body(MirrorMargin(sizes: margin, source: end - (1 + edge) * strides[axis], sourceStrides: backward, target: end))
        }
        start -= before * strides[axis]
        block[axis] = sizes[axis]
    }
}

@Sendable private func mirrorPadGradShape(_ c: inout ShapeContext) throws {
    try c.requireRank(1, 2)
    let input = c.input(0)
    guard let rank = try c.rank(0, countedBy: 1) else { return }
    guard let paddings = c.integers(1), paddings.count == 2 * rank else { return c.setOutput(0, .ofRank(rank)) }
    c.setOutput(
        0,
        PartialShape(
            try (0..<rank).map { axis in
                let (before, after) = (paddings[2 * axis], paddings[2 * axis + 1])
                guard before >= 0, after >= 0 else { throw Status.invalidArgument("Paddings must be non-negative") }
                guard let size = input[axis] else { return nil }
                guard before <= size, after <= size - before else {
                    throw Status.invalidArgument(
                        "Negative dimension size caused by subtracting \(before &+ after) from \(size)")
                }
                return size - before - after
            }))
}

/// The paddings, and the result's dimensions.
func mirrorGradPlan(_ context: borrowing KernelContext, _ edge: Int) throws -> (paddings: [(before: Int, after: Int)], own: [Int]) {
    let shape = context.shape(0)
    let sizes = shape.dimensions
    let paddings = try context.input(1).paddings(of: shape, .mirrorGrad)
    let own = try paddings.enumerated().map { axis, padding in
        guard padding.before <= sizes[axis], padding.after <= sizes[axis] - padding.before else {
            throw Status.invalidArgument(
                "Total paddings must be less than the input dimension size: \(padding.before &+ padding.after) "
                    + "was not less than \(sizes[axis])")
        }
        return sizes[axis] - padding.before - padding.after
    }
    try check(paddings, own, edge, "output ")
    return (paddings, own)
}

private struct MirrorPadGradVisitor: NumericVisitor {
    let edge: Int

    func visit<E: NumericElement>(_ type: E.Type) throws -> Kernel {
        .sync { [edge] context in
            let input = context.input(0)
            let sizes = input.shape.dimensions
            let (paddings, own) = try mirrorGradPlan(context, edge)
            let shape = try Shape(validating: own)
            let output = try context.output(0, E.dtype, shape)
            guard shape.elementCount > 0 else { return }
            // Margins are added back in the reverse of the order in which `MirrorPad` fills them.
            let folded = try input.copied()
            let elements = folded.mutableElements(E.self)
            let strides = StridedCopy.strides(of: sizes)
            var mirrors: [MirrorMargin] = []
            forEachMirror(of: own, paddings, sizes, edge) { mirrors.append($0) }
            for mirror in mirrors.reversed() { mirror.addBack(elements, strides) }
            let start = zip(paddings, strides).reduce(0) { $0 + $1.0.before * $1.1 }
            StridedCopy(own, from: strides).run(from: folded, skipping: start, to: output, in: context.pool)
        }
    }
}

extension MirrorMargin {
    /// Adds the margin to the elements that it mirrors.
    func addBack<E: NumericElement>(_ elements: UnsafeMutableBufferPointer<E>, _ strides: [Int]) {
        func level(_ axis: Int, _ original: Int, _ margin: Int) {
            let (forward, step, count) = (strides[axis], sourceStrides[axis], sizes[axis])
            if axis == sizes.count - 1 {
                for index in 0..<count {
                    let place = original &+ index &* step
                    elements[place] = E.plus(elements[place], elements[margin &+ index &* forward])
                }
            } else {
                for index in 0..<count { level(axis + 1, original + index * step, margin + index * forward) }
            }
        }
        if sizes.isEmpty { return }
        level(0, source, target)
    }
}

/// Whether `mirrorPadded` repeats the edge.
public enum MirrorMode: String, Sendable {
    /// The edge is not repeated.
    case reflect = "REFLECT"
    /// The edge is repeated.
    case symmetric = "SYMMETRIC"
}

extension Output {
    /// Pads this tensor with its mirror image. `paddings` are the numbers of elements before and after each dimension
    /// (`MirrorPad`).
    public func mirrorPadded(_ paddings: [(before: Int, after: Int)], mode: MirrorMode) -> Output {
        builder.add(
            "MirrorPad", [self, builder.paddings(paddings)], attributes: ["mode": .string(mode.rawValue)])[0]
    }
}

import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The axes along which each of two shapes is repeated when they are broadcast. Gradients are summed along them.
    static let broadcastGradientArgs = OpDefinition(
        "BroadcastGradientArgs", "(s0: T, s1: T) -> (r0: T, r1: T)", "T: {int32, int64} = int32"
    )
    .shape { c in
        for index in 0..<2 {
            try c.requireRank(index, 1)
            c.setOutput(index, .vector(nil))
        }
    }
    .noGradient()
    .kernel(["T": .index], gpu: ["T": .index], hostMemory: ["s0", "s1", "r0", "r1"]) { request in
        let type = try request.type("T")
        return .sync { context in
            let (left, right) = try shapeArguments(context)
            let rank = max(left.count, right.count)
            var axes: ([Int], [Int]) = ([], [])
            // Equal shapes need no sum, even along dimensions of size 1.
            if left != right {
                for axis in 0..<rank {
                    let (a, b) = (dimension(left, axis, rank), dimension(right, axis, rank))
                    guard a == b || a == 1 || b == 1 else { throw incompatibleShapes(left, right) }
                    if a == 1 { axes.0.append(axis) }
                    if b == 1 { axes.1.append(axis) }
                }
            }
            try context.setIntegers(0, type, axes.0)
            try context.setIntegers(1, type, axes.1)
        }
    }

    /// The shape that two shapes broadcast to.
    static let broadcastArgs = OpDefinition(
        "BroadcastArgs", "(s0: T, s1: T) -> (r0: T)", "T: {int32, int64} = int32"
    )
    .shape { c in
        for index in 0..<2 { try c.requireRank(index, 1) }
        if let a = c.input(0)[0], let b = c.input(1)[0] { return c.setOutput(0, .vector(max(a, b))) }
        c.setOutput(0, .vector(nil))
    }
    .noGradient()
    .kernel(["T": .index], gpu: ["T": .index], hostMemory: ["s0", "s1", "r0"]) { request in
        let type = try request.type("T")
        return .sync { context in
            let (left, right) = try shapeArguments(context)
            let rank = max(left.count, right.count)
            let sizes = try (0..<rank).map { axis in
                let (a, b) = (dimension(left, axis, rank), dimension(right, axis, rank))
                guard a == b || a == 1 || b == 1 else { throw incompatibleShapes(left, right) }
                return a == 1 ? b : a
            }
            try context.setIntegers(0, type, sizes)
        }
    }
}

private func shapeArguments(_ context: borrowing KernelContext) throws -> ([Int], [Int]) {
    for index in 0..<2 where context.shape(index).rank != 1 {
        throw Status.invalidArgument("In[\(index)] must be a vector.\(context.shape(index))")
    }
    return (try context.input(0).integers(), try context.input(1).integers())
}

/// Returns dimension `axis` of a shape that is padded in front with ones to `rank`.
private func dimension(_ shape: [Int], _ axis: Int, _ rank: Int) -> Int {
    let index = axis - (rank - shape.count)
    return index < 0 ? 1 : shape[index]
}

private func incompatibleShapes(_ left: [Int], _ right: [Int]) -> Status {
    func text(_ sizes: [Int]) -> String { "[" + sizes.map(String.init).joined(separator: ",") + "]" }
    return .invalidArgument("Incompatible shapes: \(text(left)) vs. \(text(right))")
}

extension KernelContext {
    /// Sets output `index` to a vector of integers.
    fileprivate func setIntegers(_ index: Int, _ dtype: DType, _ values: [Int]) throws {
        let out = try output(index, dtype, Shape(values.count))
        if dtype == .int64 {
            for (position, value) in values.enumerated() { out.mutableElements(Int64.self)[position] = Int64(value) }
        } else {
            for (position, value) in values.enumerated() { out.mutableElements(Int32.self)[position] = Int32(truncatingIfNeeded: value) }
        }
    }
}

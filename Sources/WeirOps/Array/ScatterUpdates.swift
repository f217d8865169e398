import WeirGraph
import WeirKernels
import WeirTensor

// Code that the scatter ops share: the check of indices, updates and updated tensor, and the ways to combine elements.

/// A way to combine an update with the old element.
protocol ScatterCombination {
    associatedtype Element: TensorElement
    static func combine(_ old: Element, _ update: Element) -> Element
}
enum ScatterSum<E: NumericElement>: ScatterCombination {
    static func combine(_ old: E, _ update: E) -> E { E.plus(old, update) }
}
enum ScatterDifference<E: NumericElement>: ScatterCombination {
    static func combine(_ old: E, _ update: E) -> E { E.minus(old, update) }
}
enum ScatterMinimum<E: RealElement>: ScatterCombination {
    static func combine(_ old: E, _ update: E) -> E { update < old ? update : old }
}
enum ScatterMaximum<E: RealElement>: ScatterCombination {
    static func combine(_ old: E, _ update: E) -> E { update > old ? update : old }
}
enum ScatterLogicalOr: ScatterCombination {
    static func combine(_ old: Bool, _ update: Bool) -> Bool { old || update }
}
enum ScatterStringConcat: ScatterCombination {
    static func combine(_ old: ByteString, _ update: ByteString) -> ByteString { ByteString(old.bytes + update.bytes) }
}

extension NdIndices {
    /// Reads the places in a tensor of this shape that updates go to. A vector of indices is read as rows of one index.
    /// - Throws: `invalidArgument` if the shapes do not fit together, or the policy refuses an index that is out of range.
    init(scattering indices: Tensor, _ updates: Tensor, into shape: Shape, _ policy: Policy) throws {
        let (batch, depth) = try NdIndices.checkScatter(indices, updates, shape)
        let outer = Shape(indices.shape.dimensions[..<batch])
        try self.init(indices, depth: depth, in: shape, policy) { row, text in
            .invalidArgument("indices\(coordinatesText(row, in: outer)) = \(text) does not index into shape \(shape)")
        }
    }

    /// Checks that the shapes fit together. A vector of indices is read as rows of one index.
    /// - Returns: the number of dimensions of the rows, and the number of indices in a row.
    @discardableResult
    static func checkScatter(_ indices: Tensor, _ updates: Tensor, _ shape: Shape) throws -> (batch: Int, depth: Int) {
        let batch = max(1, indices.rank - 1)
        let depth = indices.rank > 1 ? indices.dimension(indices.rank - 1) : 1
        try check(indices.shape, updates.shape, shape, batch, depth)
        return (batch, depth)
    }

    /// Returns whether the element counts fit: indices and updates are both empty, or none of the three tensors is.
    static func elementCountsFit(_ shape: Shape, _ indices: Shape, _ updates: Shape) -> Bool {
        if indices.elementCount == 0, updates.elementCount == 0 { return true }
        return shape.elementCount > 0 && indices.elementCount > 0 && updates.elementCount > 0
    }

    private static func check(_ indices: Shape, _ updates: Shape, _ shape: Shape, _ batch: Int, _ depth: Int) throws {
        guard shape.rank > 0 else { throw Status.invalidArgument("Output must be at least 1-D, got shape: \(shape)") }
        guard elementCountsFit(shape, indices, updates) else {
            throw Status.invalidArgument(
                "Indices and updates specified for empty output.  indices shape: \(indices)")
        }
        guard indices.rank >= batch, updates.rank >= batch,
            (0..<batch).allSatisfy({ indices[$0] == updates[$0] })
        else {
            let first = { (shape: Shape) in shape.rank > 0 ? String(shape[0]) : "?" }
            throw Status.invalidArgument(
                "Dimensions [0,\(batch)) of indices[shape=\(indices)] = \(first(indices)) must match dimensions "
                    + "[0,\(batch)) of updates[shape=\(updates)] = \(first(updates))")
        }
        guard depth <= shape.rank, updates.dimensions[batch...] == shape.dimensions[depth...] else {
            throw Status.invalidArgument(
                "Dimensions [\(depth),\(shape.rank)) of input[shape=\(shape)] must match dimensions "
                    + "[\(batch),\(updates.rank)) of updates[shape=\(updates)]")
        }
        _ = try Shape(validating: Array(indices.dimensions[..<batch]))
    }

    /// Copies each update to its place. For duplicate indices the last update wins.
    func move(_ updates: Tensor, into target: Tensor) {
        let moves = RowCopy(dtype: updates.dtype, width: width)
        let kept = hasInvalidIndices ? slices.indices.filter { slices[$0] >= 0 } : []
        slices.withUnsafeBufferPointer { slices in
            if hasInvalidIndices {
                moves.runInOrder(kept.count, from: updates, to: target) { (kept[$0], slices[kept[$0]]) }
            } else {
                moves.runInOrder(slices.count, from: updates, to: target) { ($0, slices[$0]) }
            }
        }
    }

    /// Combines each update with the elements at its place.
    func combine<C: ScatterCombination>(_ combination: C.Type, _ updates: Tensor, into target: Tensor) {
        let source = updates.elements(C.Element.self)
        let result = target.mutableElements(C.Element.self)
        let width = width
        for (row, slice) in slices.enumerated() where slice >= 0 {
            let (from, to) = (row &* width, slice &* width)
            for element in 0..<width {
                result[to &+ element] = C.combine(result[to &+ element], source[from &+ element])
            }
        }
    }
}

extension CUDAScatter {
    /// Enqueues the updates of `target`. A vector of indices is read as rows of one index.
    func run(_ indices: Tensor, _ updates: Tensor, into target: Tensor) throws {
        try run(indices, depth: indices.rank > 1 ? indices.dimension(indices.rank - 1) : 1, updates, into: target)
    }
}

extension CUDAScatterKind {
    init(_ kind: ScatterKind) {
        self =
            switch kind {
            case .update: .update
            case .sum: .sum
            case .difference: .difference
            case .minimum: .minimum
            case .maximum: .maximum
            }
    }
}

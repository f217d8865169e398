public import WeirTensor

/// The broadcast of two shapes (NumPy's rule): the result shape and each operand's strides.
///
/// Adjacent dimensions with the same broadcasting are merged, so most pairs reduce to one or two dimensions.
@usableFromInline package struct Broadcast {
    @usableFromInline package let shape: Shape
    /// Sizes of the merged dimensions, outermost first.
    /// The left operand's stride along each merged dimension, in elements; 0 where it is repeated.
    @usableFromInline package private(set) var dimensions: [Int] = []
    /// The right operand's stride along each merged dimension, in elements; 0 where it is repeated.
    @usableFromInline package private(set) var leftStrides: [Int] = []
    @usableFromInline package private(set) var rightStrides: [Int] = []

    /// - Throws: `invalidArgument` "Incompatible shapes", as TensorFlow's binary ops do, or when the result has too many
    ///   elements.
    package init(_ left: Shape, _ right: Shape) throws {
        let rank = max(left.rank, right.rank)
        var result = [Int](repeating: 1, count: rank)
        var merged: [(size: Int, left: Bool, right: Bool)] = []
        for index in 0..<rank {
            let a = index < rank - left.rank ? 1 : left[index - (rank - left.rank)]
            let b = index < rank - right.rank ? 1 : right[index - (rank - right.rank)]
            guard a == b || a == 1 || b == 1 else {
                throw Status.invalidArgument("Incompatible shapes: \(left) vs. \(right)")
            }
            let size = a == 1 ? b : a
            result[index] = size
            if size == 1 { continue }
            let step = (size, a != 1, b != 1)
            if let last = merged.last, last.left == step.1, last.right == step.2 {
                merged[merged.count - 1].size &*= size
            } else {
                merged.append(step)
            }
        }
        shape = try Shape(validating: result)
        // Returns early for an empty result: it has no rows, so the strides are never used.
        guard shape.elementCount > 0 else { return }
        var (l, r) = (1, 1)
        for step in merged.reversed() {
            dimensions.append(step.size)
            leftStrides.append(step.left ? l : 0)
            rightStrides.append(step.right ? r : 0)
            if step.left { l *= step.size }
            if step.right { r *= step.size }
        }
        dimensions.reverse()
        leftStrides.reverse()
        rightStrides.reverse()
    }

    /// Returns whether two shapes can be broadcast together.
    package static func areCompatible(_ left: Shape, _ right: Shape) -> Bool {
        for back in 1...max(1, min(left.rank, right.rank)) where back <= left.rank && back <= right.rank {
            let (a, b) = (left[left.rank - back], right[right.rank - back])
            if a != b, a != 1, b != 1 { return false }
        }
        return true
    }

    /// Whether both operands are read contiguously, without repeating elements.
    package var isElementwise: Bool { dimensions.count <= 1 && leftStrides.first != 0 && rightStrides.first != 0 }

    /// The number of innermost rows.
    /// The number of elements in an innermost row.
    @inlinable package var rowCount: Int { shape.elementCount == 0 ? 0 : dimensions.dropLast().reduce(1, *) }
    package var rowLength: Int { dimensions.last ?? 1 }

    /// Calls `body` for each innermost row with the offsets of the result and the operands, the length, and the operands' inner
    /// strides.
    @inlinable package func forEachRow(_ body: (_ out: Int, _ left: Int, _ right: Int, _ count: Int, _ leftStride: Int, _ rightStride: Int) -> Void) {
        forEachRow(0..<rowCount, body)
    }

    /// Calls `body` for each innermost row of the range `rows`.
    @inlinable package func forEachRow(
        _ rows: Range<Int>,
        _ body: (_ out: Int, _ left: Int, _ right: Int, _ count: Int, _ leftStride: Int, _ rightStride: Int) -> Void
    ) {
        guard !rows.isEmpty else { return }
        guard let inner = dimensions.last else { return body(0, 0, 0, 1, 0, 0) }
        let last = dimensions.count - 1
        var position = [Int](repeating: 0, count: last)
        var (out, left, right) = (rows.lowerBound * inner, 0, 0)
        var rest = rows.lowerBound
        for axis in (0..<last).reversed() {
            position[axis] = rest % dimensions[axis]
            rest /= dimensions[axis]
            left += position[axis] * leftStrides[axis]
            right += position[axis] * rightStrides[axis]
        }
        for _ in rows {
            body(out, left, right, inner, leftStrides[last], rightStrides[last])
            out += inner
            var axis = last - 1
            while axis >= 0 {
                position[axis] += 1
                left += leftStrides[axis]
                right += rightStrides[axis]
                if position[axis] < dimensions[axis] { break }
                left -= leftStrides[axis] * dimensions[axis]
                right -= rightStrides[axis] * dimensions[axis]
                position[axis] = 0
                axis -= 1
            }
        }
    }
}

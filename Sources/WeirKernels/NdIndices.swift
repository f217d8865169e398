public import WeirGraph
public import WeirTensor

/// Indices of GatherNd and its kin: each row of the innermost dimension names an element or a slice of a tensor.
package struct NdIndices {
    /// What to do with indices that lie outside.
    package enum Policy {
        case fail, ignore

        /// - Throws: `invalidArgument` when the attribute `bad_indices_policy` has no meaning.
        package init(_ request: KernelRequest) throws {
            switch request.attributes.string("bad_indices_policy") ?? "" {
            // A CPU looks at every index; a GPU skips those that are out of range.
            case "", "DEFAULT": self = request.place.device.isHost ? .fail : .ignore
            case "ERROR": self = .fail
            case "IGNORE": self = .ignore
            case let policy:
                throw Status.invalidArgument(
                    "Bad indices policy must be one of DEFAULT, ERROR, or IGNORE, got \(policy)")
            }
        }
    }

    /// For each row the slice it names, as a number of slices; -1 where it is to be skipped.
    package private(set) var slices: [Int] = []
    package private(set) var hasGaps = false
    /// Elements of one slice.
    package let width: Int
    /// How many of the tensor's dimensions a row names.
    package let depth: Int

    /// - Parameters:
    ///   - depth: how many indices make a row; the caller has seen to it that `shape` has so many dimensions.
    ///   - outside: the error for a row that names nothing, given its number and its text.
    package init(
        _ indices: Tensor, depth: Int, in shape: Shape, _ policy: Policy, outside: (Int, String) -> Status
    ) throws {
        self.depth = depth
        let sizes = shape.dimensions
        width = wrappingProduct(sizes[depth...])
        // Rows without indices name the whole; where that is empty their number may be anything.
        let outer = width > 0 ? wrappingProduct(indices.shape.dimensions.dropLast()) : 0
        let rows = depth > 0 ? indices.elementCount / depth : outer
        let strides = StridedCopy.strides(of: Array(sizes[..<depth]))
        let bad: Int?
        switch indices.dtype {
        case .int16: bad = read(Int16.self, indices, rows, sizes, strides)
        case .int32: bad = read(Int32.self, indices, rows, sizes, strides)
        case .uint16: bad = read(UInt16.self, indices, rows, sizes, strides)
        default: bad = read(Int64.self, indices, rows, sizes, strides)
        }
        hasGaps = bad != nil
        if let bad, policy == .fail {
            let row = (0..<depth).map { indices.element(bad * depth + $0) }.joined(separator: ", ")
            throw outside(bad, "[\(row)]")
        }
    }

    /// - Returns: the first row that names nothing.
    private mutating func read<I: FixedWidthInteger>(
        _ type: I.Type, _ indices: Tensor, _ rows: Int, _ sizes: [Int], _ strides: [Int]
    ) -> Int? {
        let values = indices.elements(I.self)
        let depth = depth
        var bad: Int?
        slices = [Int](unsafeUninitializedCapacity: rows) { slices, count in
            count = rows
            for row in 0..<rows {
                var slice = 0
                var isInside = true
                for axis in 0..<depth {
                    let index = Int(truncatingIfNeeded: values[row &* depth &+ axis])
                    isInside = isInside && index >= 0 && index < sizes[axis]
                    slice = slice &+ index &* strides[axis]
                }
                if !isInside, bad == nil { bad = row }
                slices[row] = isInside ? slice : -1
            }
        }
        return bad
    }
}

package import WeirGraph
package import WeirTensor

/// The indices of GatherNd and the ScatterNd ops. Each row of the innermost dimension selects an element or a slice of a
/// tensor.
package struct NdIndices {
    /// What happens to an index that is out of range.
    package enum Policy {
        case fail, ignore

        /// - Throws: `invalidArgument` when the attribute `bad_indices_policy` has an unknown value.
        package init(_ request: KernelRequest) throws {
            switch request.attributes.string("bad_indices_policy") ?? "" {
            // By default a CPU kernel fails on an index out of range, and a GPU kernel ignores it.
            case "", "DEFAULT": self = request.place.device.isHost ? .fail : .ignore
            case "ERROR": self = .fail
            case "IGNORE": self = .ignore
            case let policy:
                throw Status.invalidArgument(
                    "Bad indices policy must be one of DEFAULT, ERROR, or IGNORE, got \(policy)")
            }
        }
    }

    /// - Throws: `unimplemented` for a node on a card that asks to fail on an index out of range: a card cannot fail while it runs.
    package static func requireIgnored(_ request: KernelRequest) throws {
        guard try Policy(request) == .ignore else {
            throw Status.unimplemented("Node '\(request.name)': a GPU does not fail for an index out of range (bad_indices_policy = ERROR)")
        }
    }

    /// The number of the slice that each row selects, in row-major order; -1 for a row that is skipped.
    package private(set) var slices: [Int] = []
    /// Whether at least one row is out of range.
    package private(set) var hasInvalidIndices = false
    /// The number of elements in one slice.
    package let width: Int
    /// The number of leading dimensions that a row indexes.
    package let depth: Int

    /// - Parameters:
    /// - depth: the number of indices in a row. The caller has checked that `shape` has at least this rank.
    /// - outside: makes the error for a row that is out of range, from the row's number and its text.
    package init(
        _ indices: Tensor, depth: Int, in shape: Shape, _ policy: Policy, outside: (Int, String) -> Status
    ) throws {
        self.depth = depth
        let sizes = shape.dimensions
        width = wrappingProduct(sizes[depth...])
        // Rows without indices select the whole tensor. For an empty tensor their number is not bounded by memory, so it is set
        // to 0.
        let outer = width > 0 ? wrappingProduct(indices.shape.dimensions.dropLast()) : 0
        let rows = depth > 0 ? indices.elementCount / depth : outer
        // Elements and indices may have only one or two bytes, so the list may take much more memory than both.
        try MemoryBudget.take(listBytes(rows))
        let strides = StridedCopy.strides(of: Array(sizes[..<depth]))
        let bad: Int?
        switch indices.dtype {
        case .int16: bad = read(Int16.self, indices, rows, sizes, strides)
        case .int32: bad = read(Int32.self, indices, rows, sizes, strides)
        case .uint16: bad = read(UInt16.self, indices, rows, sizes, strides)
        default: bad = read(Int64.self, indices, rows, sizes, strides)
        }
        hasInvalidIndices = bad != nil
        if let bad, policy == .fail {
            let row = (0..<depth).map { indices.element(bad * depth + $0) }.joined(separator: ", ")
            throw outside(bad, "[\(row)]")
        }
    }

    /// - Returns: the first row that is out of range.
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

package import WeirTensor

/// A rectangular part of a tensor: for each dimension either the full range, or a start and a length.
package struct TensorSlice: Hashable, Sendable {
    /// The range along one dimension. `length` is nil for the full range; then `start` is 0.
    package struct Extent: Hashable, Sendable {
        package var start: Int
        package var length: Int?

        package static let full = Extent(start: 0, length: nil)
        package init(start: Int, length: Int?) {
            self.start = start
            self.length = length
        }
    }

    package var extents: [Extent]

    package init(_ extents: [Extent]) { self.extents = extents }
    /// The slice that covers a whole tensor of this rank.
    package static func full(rank: Int) -> TensorSlice { TensorSlice(Array(repeating: .full, count: rank)) }

    /// Whether the slice covers a whole tensor of this shape.
    package func isFull(of shape: Shape) -> Bool {
        extents.count == shape.rank
            && extents.enumerated().allSatisfy { $1.length == nil || $1.start == 0 && $1.length == shape[$0] }
    }

    /// The index ranges in a tensor of this shape.
    /// - Throws: `internalError`, as in TensorFlow, when the ranks differ or a range is out of bounds.
    package func ranges(in shape: Shape) throws(Status) -> [Range<Int>] {
        guard extents.count == shape.rank else {
            throw .internalError("Mismatching ranks: shape = \(shape), slice = \(self)")
        }
        var ranges: [Range<Int>] = []
        for (dimension, extent) in extents.enumerated() {
            let length = extent.length ?? shape[dimension]
            guard extent.start >= 0, length >= 0, extent.start <= shape[dimension],
                length <= shape[dimension] - extent.start
            else {
                throw .internalError(
                    "Extent in dimension \(dimension) out of bounds: shape = \(shape), slice = \(self)")
            }
            ranges.append(extent.start..<extent.start + length)
        }
        return ranges
    }

    /// The shape of this slice of a tensor of shape `shape`.
    package func shape(in shape: Shape) throws(Status) -> Shape {
        Shape(try ranges(in: shape).map(\.count))
    }

    /// The intersection with a slice of the same rank; nil when it is empty.
    package func intersection(_ other: TensorSlice) -> TensorSlice? {
        guard extents.count == other.extents.count else { return nil }
        var result: [Extent] = []
        for (a, b) in zip(extents, other.extents) {
            guard let aLength = a.length else {
                result.append(b)
                continue
            }
            guard let bLength = b.length else {
                result.append(a)
                continue
            }
            let start = max(a.start, b.start)
            let end = min(a.start &+ aLength, b.start &+ bLength)
            guard start < end else { return nil }
            result.append(Extent(start: start, length: end - start))
        }
        return TensorSlice(result)
    }
}

extension TensorSlice: CustomStringConvertible {
    /// The form used in slice specifications: `0,2:-`.
    package var description: String {
        extents.map { extent in extent.length.map { "\(extent.start),\($0)" } ?? "-" }.joined(separator: ":")
    }

    /// Parses `start,length` or `-` for each dimension, separated by colons; empty for a scalar.
    /// - Throws: `invalidArgument` when the text is malformed.
    package init(parsing text: String) throws(Status) {
        extents = []
        for part in text.split(separator: ":") {
            if part == "-" {
                extents.append(.full)
                continue
            }
            let pair = part.split(separator: ",", omittingEmptySubsequences: false)
            guard pair.count == 2, let start = Int(pair[0]), let length = Int(pair[1]) else {
                throw .invalidArgument("Expected a pair of numbers or '-' but got '\(part)': string = \(text)")
            }
            guard start >= 0, length > 0, !start.addingReportingOverflow(length).overflow else {
                throw .invalidArgument(
                    "Expected non-negative start and positive length but got start = \(start), length = \(length): "
                        + "string = \(text)")
            }
            extents.append(Extent(start: start, length: length))
        }
    }
}

/// A slice and the full shape of its tensor, as SaveV2 and RestoreV2 receive it: `4 2 0,2:-`.
package struct ShapeAndSlice: Hashable, Sendable {
    package var fullShape: Shape
    package var slice: TensorSlice
    /// The shape of the slice itself.
    package var sliceShape: Shape

    package init(_ fullShape: Shape, _ slice: TensorSlice) throws(Status) {
        self.fullShape = fullShape
        self.slice = slice
        sliceShape = try slice.shape(in: fullShape)
    }

    package init(parsing text: String) throws(Status) {
        var parts = text.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count >= 2 else {
            throw .invalidArgument("Need least two elements in shape_and_slice specification: \(text)")
        }
        let spec = String(parts.removeLast())
        var dimensions: [Int] = []
        for part in parts {
            guard let dimension = Int(part) else {
                throw .invalidArgument("Non numerical dimension in shape_and_slice: \(text)")
            }
            dimensions.append(dimension)
        }
        try self.init(try Shape(validating: dimensions), try TensorSlice(parsing: spec))
    }
}

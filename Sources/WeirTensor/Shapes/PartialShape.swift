/// A shape whose rank or dimensions may be unknown: what shape inference knows before a step runs.
public struct PartialShape: Sendable, Hashable {
    /// The dimensions, nil for each unknown one; nil as a whole when the rank is unknown. Each is in
    /// `0...Shape.maximumElementCount`, so that the sum of a few does not overflow. Their product may.
    public let dimensions: [Int?]?

    /// The shape of unknown rank.
    public static let unknown = PartialShape(nil)
    /// The shape of a scalar.
    public static let scalar = PartialShape([])

    /// Makes a shape. Dimensions that no tensor can have become unknown: a client may send any number, and computed dimensions
    /// may overflow.
    public init(_ dimensions: [Int?]?) {
        let isPossible = { (dimension: Int?) in dimension.map((0...Shape.maximumElementCount).contains) ?? true }
        if let dimensions, !dimensions.allSatisfy(isPossible) {
            self.dimensions = dimensions.map { isPossible($0) ? $0 : nil }
        } else {
            self.dimensions = dimensions
        }
    }
    /// Makes a fully known shape.
    public init(_ shape: Shape) { dimensions = shape.dimensions }
    /// A shape of known rank with unknown dimensions; of unknown rank when no tensor has this rank.
    public static func ofRank(_ rank: Int) -> PartialShape {
        (0...Shape.maximumRank).contains(rank) ? PartialShape([Int?](repeating: nil, count: rank)) : .unknown
    }
    /// A shape of rank 1.
    public static func vector(_ count: Int?) -> PartialShape { PartialShape([count]) }
    /// A shape of rank 2.
    public static func matrix(_ rows: Int?, _ columns: Int?) -> PartialShape { PartialShape([rows, columns]) }

    /// The number of dimensions; nil when unknown.
    public var rank: Int? { dimensions?.count }
    /// The shape, when all of it is known.
    public var known: Shape? {
        guard let dimensions else { return nil }
        var result: [Int] = []
        for case let dimension in dimensions {
            guard let dimension else { return nil }
            result.append(dimension)
        }
        // The product of possible dimensions may still be too large for a tensor.
        return try? Shape(validating: result)
    }
    /// Whether rank and all dimensions are known and a tensor can have the shape.
    public var isFullyKnown: Bool { known != nil }
    /// Dimension `index`, counted from the back when negative; nil when it is unknown or out of range.
    public subscript(index: Int) -> Int? {
        guard let dimensions else { return nil }
        let position = index < 0 ? dimensions.count + index : index
        return dimensions.indices.contains(position) ? dimensions[position] : nil
    }
    /// The product of the dimensions; nil unless the shape is fully known.
    public var elementCount: Int? { known?.elementCount }

    /// Whether one shape can satisfy both.
    public func isCompatible(with other: PartialShape) -> Bool { (try? merging(other)) != nil }
    /// Whether `shape` satisfies what is known here.
    public func isCompatible(with shape: Shape) -> Bool { isCompatible(with: PartialShape(shape)) }

    /// Combines what is known from both.
    /// - Throws: `invalidArgument` when rank or dimensions contradict each other.
    public func merging(_ other: PartialShape) throws(Status) -> PartialShape {
        guard let mine = dimensions else { return other }
        guard let theirs = other.dimensions else { return self }
        guard mine.count == theirs.count else {
            throw .invalidArgument("Shapes must be equal rank, but are \(mine.count) and \(theirs.count): \(self) and \(other)")
        }
        var merged: [Int?] = []
        for (a, b) in zip(mine, theirs) {
            if let a, let b, a != b {
                throw .invalidArgument("Dimensions must be equal, but are \(a) and \(b): shapes \(self) and \(other)")
            }
            merged.append(a ?? b)
        }
        return PartialShape(merged)
    }

    /// The shape of the result of an elementwise operation on both, by NumPy's broadcasting rule.
    /// - Throws: `invalidArgument` when they cannot be broadcast together.
    public func broadcasting(_ other: PartialShape) throws(Status) -> PartialShape {
        guard let mine = dimensions, let theirs = other.dimensions else { return .unknown }
        let rank = max(mine.count, theirs.count)
        var result = [Int?](repeating: nil, count: rank)
        for index in 0..<rank {
            let a: Int? = index < rank - mine.count ? 1 : mine[index - (rank - mine.count)]
            let b: Int? = index < rank - theirs.count ? 1 : theirs[index - (rank - theirs.count)]
            switch (a, b) {
            case (let a?, let b?):
                guard a == b || a == 1 || b == 1 else {
                    throw .invalidArgument("Dimensions must be equal, but are \(a) and \(b): shapes \(self) and \(other)")
                }
                result[index] = a == 1 ? b : a
            // An unknown dimension that is broadcast with one other than 1 must be that one, or 1.
            case (nil, let b?): result[index] = b == 1 ? nil : b
            case (let a?, nil): result[index] = a == 1 ? nil : a
            case (nil, nil): result[index] = nil
            }
        }
        return PartialShape(result)
    }

    /// Without the first `count` dimensions; the shape itself when `count` is negative.
    public func dropFirst(_ count: Int = 1) -> PartialShape { PartialShape(dimensions.map { Array($0.dropFirst(max(0, count))) }) }
    /// Without the last `count` dimensions; the shape itself when `count` is negative.
    public func dropLast(_ count: Int = 1) -> PartialShape { PartialShape(dimensions.map { Array($0.dropLast(max(0, count))) }) }
    /// The dimensions of this shape followed by those of another; unknown when either rank is unknown.
    public func concatenating(_ other: PartialShape) -> PartialShape {
        guard let dimensions, let others = other.dimensions else { return .unknown }
        return PartialShape(dimensions + others)
    }
    /// With dimension `index` replaced, counted from the back when negative. An index out of range changes nothing.
    public func replacing(_ index: Int, with dimension: Int?) -> PartialShape {
        guard var dimensions else { return .unknown }
        let position = index < 0 ? dimensions.count + index : index
        guard dimensions.indices.contains(position) else { return self }
        dimensions[position] = dimension
        return PartialShape(dimensions)
    }
}

extension PartialShape: CustomStringConvertible, ExpressibleByArrayLiteral {
    /// Makes a shape from a literal such as `[2, nil]`.
    public init(arrayLiteral elements: Int?...) { self.init(elements) }
    /// The dimensions as text, `?` for unknown ones: `[2,?]`.
    public var description: String {
        guard let dimensions else { return "<unknown>" }
        return "[" + dimensions.map { $0.map(String.init) ?? "?" }.joined(separator: ",") + "]"
    }
}

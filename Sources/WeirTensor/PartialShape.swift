/// A shape of which the rank or some dimensions may be unknown; what graphs know before a step runs.
public struct PartialShape: Sendable, Hashable {
    /// The dimensions, an unknown one as nil; nil altogether when not even the rank is known. Each is in
    /// `0...Shape.maximumElementCount`, so that a few of them can be added; their product may be more.
    public let dimensions: [Int?]?

    public static let unknown = PartialShape(nil)
    public static let scalar = PartialShape([])

    /// Dimensions may come from a client or be computed from what came; those that no tensor can have are as good as
    /// unknown.
    public init(_ dimensions: [Int?]?) {
        let isPossible = { (dimension: Int?) in dimension.map((0...Shape.maximumElementCount).contains) ?? true }
        if let dimensions, !dimensions.allSatisfy(isPossible) {
            self.dimensions = dimensions.map { isPossible($0) ? $0 : nil }
        } else {
            self.dimensions = dimensions
        }
    }
    public init(_ shape: Shape) { dimensions = shape.dimensions }
    /// All dimensions unknown, but their number known.
    public static func ofRank(_ rank: Int) -> PartialShape { PartialShape([Int?](repeating: nil, count: rank)) }
    public static func vector(_ count: Int?) -> PartialShape { PartialShape([count]) }
    public static func matrix(_ rows: Int?, _ columns: Int?) -> PartialShape { PartialShape([rows, columns]) }

    public var rank: Int? { dimensions?.count }
    /// The shape, if all of it is known.
    public var known: Shape? {
        guard let dimensions else { return nil }
        var result: [Int] = []
        for case let dimension in dimensions {
            guard let dimension else { return nil }
            result.append(dimension)
        }
        // Together they may be more than any tensor has.
        return try? Shape(validating: result)
    }
    public var isFullyKnown: Bool { known != nil }
    /// Dimension `index`, counted from the back when negative; nil when unknown or out of range.
    public subscript(index: Int) -> Int? {
        guard let dimensions else { return nil }
        let position = index < 0 ? dimensions.count + index : index
        return dimensions.indices.contains(position) ? dimensions[position] : nil
    }
    public var elementCount: Int? { known?.elementCount }

    /// Whether some shape satisfies both.
    public func isCompatible(with other: PartialShape) -> Bool { (try? merging(other)) != nil }
    public func isCompatible(with shape: Shape) -> Bool { isCompatible(with: PartialShape(shape)) }

    /// What is known from both.
    /// - Throws: `invalidArgument` when they contradict each other.
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

    /// The shape of an elementwise operation on both, by NumPy's rule.
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
            // An unknown dimension against one that is not 1 can only be that one, or 1.
            case (nil, let b?): result[index] = b == 1 ? nil : b
            case (let a?, nil): result[index] = a == 1 ? nil : a
            case (nil, nil): result[index] = nil
            }
        }
        return PartialShape(result)
    }

    public func dropFirst(_ count: Int = 1) -> PartialShape { PartialShape(dimensions.map { Array($0.dropFirst(count)) }) }
    public func dropLast(_ count: Int = 1) -> PartialShape { PartialShape(dimensions.map { Array($0.dropLast(count)) }) }
    public func concatenating(_ other: PartialShape) -> PartialShape {
        guard let dimensions, let others = other.dimensions else { return .unknown }
        return PartialShape(dimensions + others)
    }
    /// With dimension `index` (counted from the back when negative) replaced.
    public func replacing(_ index: Int, with dimension: Int?) -> PartialShape {
        guard var dimensions else { return .unknown }
        let position = index < 0 ? dimensions.count + index : index
        guard dimensions.indices.contains(position) else { return self }
        dimensions[position] = dimension
        return PartialShape(dimensions)
    }
}

extension PartialShape: CustomStringConvertible, ExpressibleByArrayLiteral {
    public init(arrayLiteral elements: Int?...) { self.init(elements) }
    public var description: String {
        guard let dimensions else { return "<unknown>" }
        return "[" + dimensions.map { $0.map(String.init) ?? "?" }.joined(separator: ",") + "]"
    }
}

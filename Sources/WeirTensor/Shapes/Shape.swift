/// A fully known shape. Up to six dimensions are stored inline; more (TensorFlow allows 254) in an array.
///
/// Invariant of a tensor's shape: no dimension is negative, and the product of those that are not 0 is at most
/// `maximumElementCount`, so that no product of its dimensions overflows. `init(validating:)` refuses other dimensions. Other
/// initializers accept any; a shape outside this range has `impossibleElementCount` elements, and no tensor of it can be made.
public struct Shape: Sendable {
    @usableFromInline var inline: (Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0)
    @usableFromInline var overflow: [Int]?
    /// The number of dimensions; 0 for a scalar.
    public private(set) var rank: Int
    /// The product of all dimensions; 1 for a scalar. `impossibleElementCount` when no tensor can have this shape.
    public private(set) var elementCount: Int

    /// The number of dimensions that are stored inline.
    public static let inlineCapacity = 6
    /// The most dimensions that a tensor has, as in TensorFlow.
    public static let maximumRank = 254
    /// The most elements that a tensor has.
    public static let maximumElementCount = 1 << 60
    /// The element count of a shape that no tensor can have. Allocations of so many elements always fail.
    public static let impossibleElementCount = 1 << 61
    /// The shape of a scalar.
    public static let scalar = Shape()

    /// Makes the shape of a scalar.
    public init() {
        rank = 0
        elementCount = 1
    }

    /// Makes a shape from dimensions that the runtime computed. For dimensions from outside use `init(validating:)`.
    public init(_ dimensions: [Int]) { self.init(dimensions[...]) }
    /// Makes a shape from dimensions that the runtime computed.
    public init(_ dimensions: ArraySlice<Int>) {
        rank = dimensions.count
        elementCount = Shape.elementCount(of: dimensions)
        if rank > Shape.inlineCapacity {
            overflow = Array(dimensions)
        } else {
            withUnsafeMutableBytes(of: &inline) { bytes in
                let slots = bytes.bindMemory(to: Int.self)
                for (slot, dimension) in dimensions.enumerated() { slots[slot] = dimension }
            }
        }
    }
    /// Makes a shape from dimensions that the runtime computed.
    public init(_ dimensions: Int...) { self.init(dimensions[...]) }
    /// Makes the shape of a vector, without allocating an array.
    public init(_ dimension: Int) {
        rank = 1
        elementCount = (0...Shape.maximumElementCount).contains(dimension) ? dimension : Shape.impossibleElementCount
        inline.0 = dimension
    }

    private static func elementCount(of dimensions: ArraySlice<Int>) -> Int {
        guard dimensions.count <= maximumRank else { return impossibleElementCount }
        var (product, isEmpty) = (1, false)
        for dimension in dimensions {
            if dimension == 0 {
                isEmpty = true
                continue
            }
            let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
            guard dimension > 0, !overflow, next <= maximumElementCount else { return impossibleElementCount }
            product = next
        }
        return isEmpty ? 0 : product
    }

    /// Makes a shape from dimensions of a file, a peer or a kernel's arguments.
    ///
    /// The product of the dimensions that are not 0 must not overflow either: `[0, 2^40, 2^40]` is refused, because the count of
    /// a shape derived from it without the first dimension would overflow.
    /// - Throws: `invalidArgument` when a dimension is negative, there are more than 254, or the element count overflows.
    public init(validating dimensions: [Int]) throws(Status) {
        guard dimensions.count <= Shape.maximumRank else {
            throw .invalidArgument("A shape has at most \(Shape.maximumRank) dimensions, found \(dimensions.count)")
        }
        self.init(dimensions[...])
        guard elementCount == Shape.impossibleElementCount else { return }
        guard dimensions.allSatisfy({ $0 >= 0 }) else {
            throw .invalidArgument("Shape \(dimensions) has a negative dimension")
        }
        throw .invalidArgument("Shape \(dimensions) results in overflow when computing number of elements")
    }
    /// Returns this shape, if a tensor can have it. For shapes that were derived from others.
    /// - Throws: `invalidArgument` when no tensor can have it.
    public func validated() throws(Status) -> Shape {
        elementCount == Shape.impossibleElementCount ? try Shape(validating: dimensions) : self
    }

    /// Makes the shape of a matrix from dimensions that come from outside.
    /// - Throws: `invalidArgument` when one is negative or the element count overflows.
    public init(matrix rows: Int, _ columns: Int) throws(Status) {
        let (product, overflow) = rows.multipliedReportingOverflow(by: columns)
        guard rows > 0, columns > 0, !overflow, product <= Shape.maximumElementCount else {
            self = try Shape(validating: [rows, columns])
            return
        }
        rank = 2
        elementCount = product
        inline = (rows, columns, 0, 0, 0, 0)
    }

    /// Dimension `index`, which must be in `0..<rank`.
    @inlinable package subscript(index: Int) -> Int {
        get {
            if let overflow { return overflow[index] }
            return withUnsafeBytes(of: inline) { $0.load(fromByteOffset: index &* 8, as: Int.self) }
        }
    }

    /// The dimensions as an array.
    @inlinable public var dimensions: [Int] { overflow ?? (0..<rank).map { self[$0] } }

    /// For each dimension: how many elements apart neighbours along it are, in row-major order.
    public var strides: [Int] {
        var strides = [Int](repeating: 1, count: rank)
        var stride = 1
        for index in (0..<rank).reversed() {
            strides[index] = stride
            stride &*= self[index]
        }
        return strides
    }

    /// The product of the dimensions in `range`. For a tensor's shape it never overflows.
    @inlinable package func count(_ range: some RangeExpression<Int>) -> Int {
        var product = 1
        for index in range.relative(to: 0..<rank) { product &*= self[index] }
        return product
    }

    /// With dimension `index` replaced. `index` must be in `0..<rank`.
    package func replacing(_ index: Int, with dimension: Int) -> Shape {
        var dimensions = self.dimensions
        dimensions[index] = dimension
        return Shape(dimensions)
    }
    /// Without dimension `index`. `index` must be in `0..<rank`.
    package func removing(_ index: Int) -> Shape {
        var dimensions = self.dimensions
        dimensions.remove(at: index)
        return Shape(dimensions)
    }
    /// With a dimension inserted at `index`, which must be in `0...rank`.
    package func inserting(_ dimension: Int, at index: Int) -> Shape {
        var dimensions = self.dimensions
        dimensions.insert(dimension, at: index)
        return Shape(dimensions)
    }
    /// Without the first `count` dimensions; the shape itself when `count` is negative.
    public func dropFirst(_ count: Int = 1) -> Shape { Shape(dimensions.dropFirst(max(0, count))) }
    /// The dimensions of `a` followed by those of `b`.
    public static func + (a: Shape, b: Shape) -> Shape { Shape(a.dimensions + b.dimensions) }
}

extension Shape: Hashable {
    /// Whether both have the same dimensions.
    public static func == (a: Shape, b: Shape) -> Bool {
        guard a.rank == b.rank else { return false }
        if a.overflow == nil { return a.inline == b.inline }
        return a.overflow == b.overflow
    }
    /// Hashes the dimensions.
    public func hash(into hasher: inout Hasher) { for index in 0..<rank { hasher.combine(self[index]) } }
}

extension Shape: CustomStringConvertible, ExpressibleByArrayLiteral {
    /// Makes a shape from a literal such as `[2, 3]`.
    public init(arrayLiteral elements: Int...) { self.init(elements[...]) }
    /// The dimensions as TensorFlow prints them: `[2,3]`, `[]`.
    public var description: String { "[" + dimensions.map(String.init).joined(separator: ",") + "]" }
}

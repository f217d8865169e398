/// A fully known shape. Up to six dimensions live inside the value; more (TensorFlow allows 254) in an array.
///
/// In the shape of a tensor no dimension is negative, and the product of those that are not 0 is at most
/// `maximumElementCount`: whatever is counted along its dimensions fits. `init(validating:)` refuses other dimensions. A
/// shape of our own making that came out beyond that has `impossibleElementCount` elements, of which no tensor can be made.
public struct Shape: Sendable {
    @usableFromInline var inline: (Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0)
    @usableFromInline var overflow: [Int]?
    /// How many dimensions there are; 0 for a scalar.
    public private(set) var rank: Int
    /// The product of all dimensions; 1 for a scalar. `impossibleElementCount` where no tensor can have this shape.
    public private(set) var elementCount: Int

    public static let inlineCapacity = 6
    public static let maximumRank = 254
    public static let maximumElementCount = 1 << 60
    /// The element count of a shape that no tensor can have; more bytes than a tensor is ever given.
    public static let impossibleElementCount = 1 << 61
    public static let scalar = Shape()

    public init() {
        rank = 0
        elementCount = 1
    }

    /// A shape of our own making. For dimensions from outside use `validating`, which says what is wrong with them.
    public init(_ dimensions: [Int]) { self.init(dimensions[...]) }
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
    public init(_ dimensions: Int...) { self.init(dimensions[...]) }
    /// A vector's shape, of our own making; without the array that the above makes.
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

    /// A shape from a file, a peer or the arguments of a kernel.
    ///
    /// Dimensions that are not 0 are counted although another is: `[0, 2^40, 2^40]` is refused, since what is made of it
    /// without its first dimension could not be counted.
    /// - Throws: `invalidArgument` when a dimension is negative, there are over 254, or the element count overflows.
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
    /// This shape, which was derived from others.
    /// - Throws: `invalidArgument` when no tensor can have it.
    public func validated() throws(Status) -> Shape {
        elementCount == Shape.impossibleElementCount ? try Shape(validating: dimensions) : self
    }

    /// The shape of a matrix whose dimensions come from outside.
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

    /// Dimension `index`, counted from the front. `index` must be in `0..<rank`.
    @inlinable public subscript(index: Int) -> Int {
        get {
            if let overflow { return overflow[index] }
            return withUnsafeBytes(of: inline) { $0.load(fromByteOffset: index &* 8, as: Int.self) }
        }
    }

    public var dimensions: [Int] { overflow ?? (0..<rank).map { self[$0] } }

    /// The distance in elements between neighbours along each dimension, row-major.
    public var strides: [Int] {
        var strides = [Int](repeating: 1, count: rank)
        var stride = 1
        for index in (0..<rank).reversed() {
            strides[index] = stride
            stride &*= self[index]
        }
        return strides
    }

    /// The product of the dimensions in `range`. Of a tensor's shape it never overflows.
    @inlinable public func count(_ range: some RangeExpression<Int>) -> Int {
        var product = 1
        for index in range.relative(to: 0..<rank) { product &*= self[index] }
        return product
    }

    public func replacing(_ index: Int, with dimension: Int) -> Shape {
        var dimensions = self.dimensions
        dimensions[index] = dimension
        return Shape(dimensions)
    }
    public func removing(_ index: Int) -> Shape {
        var dimensions = self.dimensions
        dimensions.remove(at: index)
        return Shape(dimensions)
    }
    public func inserting(_ dimension: Int, at index: Int) -> Shape {
        var dimensions = self.dimensions
        dimensions.insert(dimension, at: index)
        return Shape(dimensions)
    }
    public func dropFirst(_ count: Int = 1) -> Shape { Shape(dimensions.dropFirst(count)) }
    public static func + (a: Shape, b: Shape) -> Shape { Shape(a.dimensions + b.dimensions) }
}

extension Shape: Hashable {
    public static func == (a: Shape, b: Shape) -> Bool {
        guard a.rank == b.rank else { return false }
        if a.overflow == nil { return a.inline == b.inline }
        return a.overflow == b.overflow
    }
    public func hash(into hasher: inout Hasher) { for index in 0..<rank { hasher.combine(self[index]) } }
}

extension Shape: CustomStringConvertible, ExpressibleByArrayLiteral {
    public init(arrayLiteral elements: Int...) { self.init(elements[...]) }
    /// As TensorFlow prints shapes: `[2,3]`, `[]`.
    public var description: String { "[" + dimensions.map(String.init).joined(separator: ",") + "]" }
}

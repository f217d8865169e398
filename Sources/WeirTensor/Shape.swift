/// A fully known shape. Up to six dimensions live inside the value; more (TensorFlow allows 254) in an array.
public struct Shape: Sendable {
    @usableFromInline var inline: (Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0)
    @usableFromInline var overflow: [Int]?
    /// How many dimensions there are; 0 for a scalar.
    public private(set) var rank: Int
    /// The product of all dimensions; 1 for a scalar.
    public private(set) var elementCount: Int

    public static let inlineCapacity = 6
    public static let maximumRank = 254
    public static let scalar = Shape()

    public init() {
        rank = 0
        elementCount = 1
    }

    /// A shape of our own making, whose dimensions are known to be sane. For dimensions from outside use `validating`.
    public init(_ dimensions: [Int]) { self.init(dimensions[...]) }
    public init(_ dimensions: ArraySlice<Int>) {
        rank = dimensions.count
        elementCount = 1
        if rank > Shape.inlineCapacity {
            overflow = Array(dimensions)
        } else {
            withUnsafeMutableBytes(of: &inline) { bytes in
                let slots = bytes.bindMemory(to: Int.self)
                for (slot, dimension) in dimensions.enumerated() { slots[slot] = dimension }
            }
        }
        for dimension in dimensions { elementCount *= dimension }
    }
    public init(_ dimensions: Int...) { self.init(dimensions[...]) }
    /// A vector's shape, of our own making; without the array that the above makes.
    public init(_ dimension: Int) {
        rank = 1
        elementCount = dimension
        inline.0 = dimension
    }

    /// A shape from a file or a peer.
    /// - Throws: `invalidArgument` when a dimension is negative, there are over 254, or the element count overflows.
    public init(validating dimensions: [Int]) throws(Status) {
        guard dimensions.count <= Shape.maximumRank else {
            throw .invalidArgument("A shape has at most \(Shape.maximumRank) dimensions, found \(dimensions.count)")
        }
        var count = 1
        for dimension in dimensions {
            guard dimension >= 0 else {
                throw .invalidArgument("Shape \(dimensions) has a negative dimension")
            }
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard !overflow, product <= 1 << 60 else {
                throw .invalidArgument("Shape \(dimensions) results in overflow when computing number of elements")
            }
            count = product
        }
        self.init(dimensions[...])
    }

    /// The shape of a matrix whose dimensions come from outside.
    /// - Throws: `invalidArgument` when one is negative or the element count overflows.
    public init(matrix rows: Int, _ columns: Int) throws(Status) {
        let (product, overflow) = rows.multipliedReportingOverflow(by: columns)
        guard rows >= 0, columns >= 0, !overflow, product <= 1 << 60 else {
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

    /// The product of the dimensions in `range`.
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

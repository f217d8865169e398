/// Sizes along the dimensions of an image or a volume: `3` for all dimensions, `[3, 5]` for height and width.
public struct SpatialSize: Sendable, Hashable, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral {
    /// One size, or one for each dimension.
    public var sizes: [Int]
    /// The same size along all dimensions.
    public init(_ size: Int) { sizes = [size] }
    /// A size for each dimension.
    public init(_ sizes: [Int]) { self.sizes = sizes }
    /// The same size along all dimensions.
    public init(integerLiteral size: Int) { self.init(size) }
    /// A size for each dimension.
    public init(arrayLiteral sizes: Int...) { self.init(sizes) }

    /// A size for each of `rank` dimensions.
    func resolved(_ rank: Int) -> [Int] { sizes.count == 1 ? [Int](repeating: sizes[0], count: rank) : sizes }
}

extension LayerContext {
    /// Whether each of these has `rank` sizes between 1 and 2³⁰, more than which no kernel takes; records an error if not.
    func areSpatial(_ rank: Int, _ sizes: [(name: String, value: [Int])]) -> Bool {
        for (name, value) in sizes where value.count != rank || !value.allSatisfy({ (1...1 << 30).contains($0) }) {
            _ = failing("\(name): expected a positive number, or \(rank), found \(value)")
            return false
        }
        return true
    }
}

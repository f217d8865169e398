/// The loops of a reduction for one element type. The kernel of a collective op chooses them once, so that the executor of
/// collective operations, which has no loops of its own, adds at the speed of the op `AddV2`.
public struct CollectiveArithmetic: Sendable {
    /// Combines `count` elements: `result[i]` becomes `a[i]` merged with `b[i]`. `result` may be the memory of `a` or of `b`.
    public typealias Combine = @Sendable (_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ result: UnsafeMutableRawPointer, _ count: Int) -> Void
    /// Divides `count` elements in place by the number of members.
    public typealias Divide = @Sendable (_ values: UnsafeMutableRawPointer, _ count: Int, _ memberCount: Int) -> Void

    /// Combines two tensors, of which `a` is that of the lower ranks. It need not be commutative: -0 and NaN have signs.
    public let combine: Combine
    /// Divides the combination of all members; nil if that is the result.
    public let divide: Divide?

    /// The loops of a reduction.
    public init(combine: @escaping Combine, divide: Divide? = nil) {
        self.combine = combine
        self.divide = divide
    }
}

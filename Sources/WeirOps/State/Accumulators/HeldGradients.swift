import Glibc
import WeirDevice
import WeirTensor

/// A gradient from a worker: dense, or some rows.
enum Gradient: Sendable {
    case dense(Tensor)
    /// `shape` is the shape of the dense gradient, if the worker sent it.
    case sparse(indices: Tensor, values: Tensor, shape: Tensor?)

    var byteCount: Int {
        switch self {
        case .dense(let tensor): tensor.byteCount
        case .sparse(let indices, let values, _): indices.byteCount + values.byteCount
        }
    }
    /// The shape of the elements: that of the gradient, or of its rows.
    var valueShape: Shape {
        switch self {
        case .dense(let tensor): tensor.shape
        case .sparse(_, let values, _): values.shape
        }
    }

    /// Whether this gradient comes before another one in a sum.
    ///
    /// The order is that of the bytes: of a dense gradient's elements; of the indices, then of the rows. Two gradients of which neither
    /// comes first are equal, so that the sorted gradients are the same whichever arrived first.
    func precedes(_ other: Gradient) -> Bool {
        switch (self, other) {
        case (.dense(let mine), .dense(let theirs)): Gradient.compare(mine.bytes, theirs.bytes) < 0
        case (.sparse(let mine, let myRows, _), .sparse(let theirs, let theirRows, _)):
            switch Gradient.compare(mine.bytes, theirs.bytes) {
            case 0: Gradient.compare(myRows.bytes, theirRows.bytes) < 0
            case let order: order < 0
            }
        case (.dense, .sparse): true
        case (.sparse, .dense): false
        }
    }

    private static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        guard let x = a.baseAddress, let y = b.baseAddress else { return a.count - b.count }
        let order = Int(memcmp(x, y, min(a.count, b.count)))
        return order == 0 ? a.count - b.count : order
    }
}

/// The gradients of one training step that have arrived.
///
/// They are added when they are taken, in an order that does not depend on when each arrived. Floating-point addition is not
/// associative, so a sum in the order of arrival would have other last bits in each run.
///
/// No more than `limit` gradients are held, nor more than `byteLimit` bytes. Beyond that they are folded into one sum, and from then on the
/// order of arrival matters. So it does not for 33 workers, whose gradients have 8 million numbers of 4 bytes, nor for 5 of 64 million: with
/// more or larger ones the server's memory is what must be bounded.
struct HeldGradients: Sendable {
    let limit: Int
    let byteLimit: Int

    /// The sum of those that are held no longer.
    private var folded = GradientSum.none
    private var held: [Gradient] = []
    /// The bytes of the gradients that are held.
    private(set) var heldByteCount = 0
    /// The number of gradients.
    private(set) var count = 0

    /// The shape of the elements of the first gradient, which all others match but for the number of rows.
    private(set) var valueShape: Shape?

    init(limit: Int = 32, byteLimit: Int = 1 << 30) {
        self.limit = limit
        self.byteLimit = byteLimit
    }

    /// Adds a gradient. It is shared, not copied: nobody may change it.
    /// - Parameter isLast: whether the gradients are taken next, so that there is no need to fold them.
    /// - Throws: `resourceExhausted` when the memory for a sum is not available. Then the gradient is not added.
    mutating func add(_ gradient: Gradient, isLast: Bool, _ pool: ComputePool) throws {
        let bytes = heldByteCount + gradient.byteCount
        if !isLast, held.count >= limit || bytes > byteLimit {
            try folded.add(HeldGradients.sorted(held + [gradient]), pool)
            held = []
            heldByteCount = 0
        } else {
            held.append(gradient)
            heldByteCount = bytes
        }
        if valueShape == nil { valueShape = gradient.valueShape }
        count += 1
    }

    /// Returns the output tensors: the dense gradient, or the indices, the values and the dense shape.
    ///
    /// - Parameters:
    ///   - mean: whether the sum is divided by the number of gradients. A sparse row is divided by the number of gradients that had it.
    ///   - rows: the number of rows of the dense gradient, if it is known.
    func result(mean: Bool, rows: Int?, _ pool: ComputePool) throws -> [Tensor] {
        var sum = folded
        try sum.add(HeldGradients.sorted(held), dividedBy: mean ? count : 1, pool)
        switch sum {
        case .none: throw Status.internalError("An accumulator without gradients was asked for one")
        case .dense(let tensor): return [tensor]
        case .sparse(let sum): return try sum.result(mean: mean, rows: rows, pool)
        }
    }

    private static func sorted(_ gradients: [Gradient]) -> [Gradient] { gradients.sorted { $0.precedes($1) } }
}

import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

// What scatter ops do with rows of a variable and rows of updates.

/// Writes updates into the rows that they belong to. A scalar is used for every element.
typealias ScatterAction = @Sendable (_ target: Tensor, _ updates: Tensor, RowNumbers, ComputePool) throws -> Void

/// Wraps an action, whose element type is chosen, into the kernel of an op.
typealias ScatterKernel = @Sendable (@escaping ScatterAction) -> Kernel

/// What becomes of an element of the variable.
protocol RowFunction: Sendable {
    static func apply<E: NumericElement>(_ a: E, _ b: E) -> E
    static func check<E: NumericElement>(_ updates: UnsafeBufferPointer<E>) throws
}
extension RowFunction {
    static func check<E: NumericElement>(_ updates: UnsafeBufferPointer<E>) throws {}
}
/// The same for functions that need an order.
protocol OrderedRowFunction: Sendable {
    static func apply<E: RealElement>(_ a: E, _ b: E) -> E
}

enum RowAddition: RowFunction {
    @inline(__always) static func apply<E: NumericElement>(_ a: E, _ b: E) -> E { E.plus(a, b) }
}
enum RowSubtraction: RowFunction {
    @inline(__always) static func apply<E: NumericElement>(_ a: E, _ b: E) -> E { E.minus(a, b) }
}
enum RowMultiplication: RowFunction {
    @inline(__always) static func apply<E: NumericElement>(_ a: E, _ b: E) -> E { E.times(a, b) }
}
enum RowDivision: RowFunction {
    @inline(__always) static func apply<E: NumericElement>(_ a: E, _ b: E) -> E { E.over(a, b) }
    static func check<E: NumericElement>(_ updates: UnsafeBufferPointer<E>) throws {
        if E.dtype.isInteger, updates.contains(.zero) { throw Status.invalidArgument("Integer division by zero") }
    }
}
enum RowMinimum: OrderedRowFunction {
    @inline(__always) static func apply<E: RealElement>(_ a: E, _ b: E) -> E { b < a ? b : a }
}
enum RowMaximum: OrderedRowFunction {
    @inline(__always) static func apply<E: RealElement>(_ a: E, _ b: E) -> E { a < b ? b : a }
}

struct ArithmeticScatter<F: RowFunction>: NumericVisitor {
    let kernel: ScatterKernel
    func visit<E: NumericElement>(_ type: E.Type) throws -> Kernel {
        kernel { target, updates, rows, pool in
            let (out, values) = (target.mutableElements(E.self), updates.elements(E.self))
            try F.check(values)
            rows.forEach(pool, of: target, scalar: updates.rank == 0) { start, from, count, isScalar in
                if isScalar {
                    let value = values[0]
                    for index in 0..<count { out[start &+ index] = F.apply(out[start &+ index], value) }
                } else {
                    for index in 0..<count { out[start &+ index] = F.apply(out[start &+ index], values[from &+ index]) }
                }
            }
        }
    }
}

struct OrderedScatter<F: OrderedRowFunction>: RealVisitor {
    let kernel: ScatterKernel
    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        kernel { target, updates, rows, pool in
            let (out, values) = (target.mutableElements(E.self), updates.elements(E.self))
            rows.forEach(pool, of: target, scalar: updates.rank == 0) { start, from, count, isScalar in
                if isScalar {
                    let value = values[0]
                    for index in 0..<count { out[start &+ index] = F.apply(out[start &+ index], value) }
                } else {
                    for index in 0..<count { out[start &+ index] = F.apply(out[start &+ index], values[from &+ index]) }
                }
            }
        }
    }
}

/// Rows are replaced.
struct AssigningScatter: MovableVisitor {
    let kernel: ScatterKernel
    func visit<E: MovableElement>(_ type: E.Type) throws -> Kernel {
        kernel { target, updates, rows, pool in
            let (out, values) = (target.mutableElements(E.self), updates.elements(E.self))
            rows.forEach(pool, of: target, scalar: updates.rank == 0) { start, from, count, isScalar in
                if isScalar {
                    let value = values[0]
                    for index in 0..<count { out[start &+ index] = value }
                } else {
                    for index in 0..<count { out[start &+ index] = values[from &+ index] }
                }
            }
        }
    }
}

extension RowNumbers {
    /// Calls `body` for each row: where it starts in the target, where in the updates, and how many elements it has.
    ///
    /// Several threads share the target's rows between them, so that updates of one row come one after another in
    /// their order.
    @inline(__always)
    func forEach(
        _ pool: ComputePool, of target: Tensor, scalar: Bool,
        _ body: (_ start: Int, _ from: Int, _ count: Int, _ isScalar: Bool) -> Void
    ) {
        // Strings and handles are not worth a thread, nor is looking at each row number for a few elements.
        let isLarge = width >= 32 && rows.count &* width >= 128 << 10 && target.dtype.isBitwise
        let parts = isLarge ? pool.threadCount : 1
        rows.withUnsafeBufferPointer { rows in
            if parts == 1 {
                for position in 0..<rows.count where rows[position] >= 0 {
                    body(rows[position] &* width, position &* width, width, scalar)
                }
            } else {
                pool.parallelFor(parts, grain: 1) { range in
                    for position in 0..<rows.count where rows[position] >= 0 && range.contains(rows[position] % parts) {
                        body(rows[position] &* width, position &* width, width, scalar)
                    }
                }
            }
        }
    }
}

import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

// The element functions of scatter ops.

/// Writes updates to the rows of `target` with the given indices. A scalar update is used for every element.
typealias ScatterAction = @Sendable (_ target: Tensor, _ updates: Tensor, RowIndices, ComputePool) throws -> Void

/// Makes the kernel of an op from an action for its dtype.
typealias ScatterKernel = @Sendable (@escaping ScatterAction) -> Kernel

/// What a card's scatter does to the variable's element `x.v`, with the update `g`.
extension CUDAUpdateRule {
    static let assign = CUDAUpdateRule(update: "x.v = g;")
    static let add = CUDAUpdateRule(update: "x.v = x.v + g;")
    static let subtract = CUDAUpdateRule(update: "x.v = x.v - g;")
    static let multiply = CUDAUpdateRule(update: "x.v = x.v * g;")
    static let least = CUDAUpdateRule(update: "if (g < x.v) x.v = g;")
    static let greatest = CUDAUpdateRule(update: "if (x.v < g) x.v = g;")
    /// A card cannot fail for an integer division by zero: the quotient is 0.
    static let divide = CUDAUpdateRule(
        update: "x.v = divided(x.v, g);",
        declarations: """
            template <class X, bool whole> struct Divide { static DEVICE X of(X a, X b) { return a / b; } };
            template <class X> struct Divide<X, true> {
                static DEVICE X of(X a, X b) { return b == 0 ? (X)0 : (X)-1 < (X)0 && b == (X)-1 ? (X)(0 - a) : (X)(a / b); }
            };
            template <class X> DEVICE X divided(X a, X b) { return Divide<X, !IsFloating<X>::value && !IsComplex<X>::value>::of(a, b); }

            """)
}

/// A function that computes the new element of a variable from the old one and the update.
protocol RowFunction: Sendable {
    static func apply<E: NumericElement>(_ a: E, _ b: E) -> E
    static func check<E: NumericElement>(_ updates: UnsafeBufferPointer<E>) throws
}
extension RowFunction {
    static func check<E: NumericElement>(_ updates: UnsafeBufferPointer<E>) throws {}
}
/// Like `RowFunction`, for functions that compare elements.
protocol OrderedRowFunction: Sendable {
    static func apply<E: RealElement>(_ a: E, _ b: E) -> E
}

extension CUDAUpdate {
    /// The program of a scatter to rows of a variable. Rows that are only replaced are moved as bits.
    init(_ request: KernelRequest, _ attribute: String, _ rule: CUDAUpdateRule) throws {
        let dtype = try request.type(attribute)
        let isMove = rule.update == CUDAUpdateRule.assign.update
        try self.init(
            request.cudaDevice(), "scatter \(rule.update)", isMove ? dtype.cudaBits : request.cudaType(attribute), size: dtype.byteCount,
            index: request.type("Tindices"), rule)
    }
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
    @inline(__always) static func apply<E: NumericElement>(_ a: E, _ b: E) -> E { E.dividedBy(a, b) }
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

/// Replaces rows.
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

extension RowIndices {
    /// Calls `body` for each row with its start in the target, its start in the updates, and its number of elements.
    ///
    /// A row of the target always belongs to one thread, so that several updates of one row are applied in order.
    @inline(__always)
    func forEach(
        _ pool: ComputePool, of target: Tensor, scalar: Bool,
        _ body: (_ start: Int, _ from: Int, _ count: Int, _ isScalar: Bool) -> Void
    ) {
        // Strings, handles and small rows are not worth the threads: each thread looks at all row indices.
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

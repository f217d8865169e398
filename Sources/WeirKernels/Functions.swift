public import WeirGraph
public import WeirTensor

// Scalar functions as types, so that loops over them specialise, and the loops made from them. Most functions are generic over
// the element type: an op names its function once, and the dtype selects the specialisation.

/// A function of one element.
@usableFromInline package protocol UnaryFunction: SendableMetatype {
    associatedtype Input: TensorElement
    associatedtype Output: TensorElement
    static func apply(_ x: Input) -> Output
}

/// A function of two elements.
@usableFromInline package protocol BinaryFunction: SendableMetatype {
    associatedtype Operand: TensorElement
    associatedtype Output: TensorElement
    static func apply(_ x: Operand, _ y: Operand) -> Output
}

/// A function of eight floats at once.
@usableFromInline package protocol VectorUnary: SendableMetatype { static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> }
/// A function of two vectors of eight floats.
@usableFromInline package protocol VectorBinary: SendableMetatype { static func apply(_ x: SIMD8<Float>, _ y: SIMD8<Float>) -> SIMD8<Float> }

/// A function of one floating-point value.
@usableFromInline package protocol FloatingFunction: SendableMetatype { static func apply<S: MathScalar>(_ x: S) -> S }
/// A function of one complex value. complex64 is computed in complex128 and rounded once.
@usableFromInline package protocol ComplexFunction: SendableMetatype { static func apply(_ x: Complex128) -> Complex128 }
/// A function of one integer, with wrapping arithmetic.
@usableFromInline package protocol IntegerFunction: SendableMetatype { static func apply<E: IntegerElement>(_ x: E) -> E }
/// A predicate on a floating-point value.
@usableFromInline package protocol FloatingPredicate: SendableMetatype { static func apply<S: MathScalar>(_ x: S) -> Bool }

/// A function of two numbers that uses only the arithmetic of their type.
@usableFromInline package protocol NumericBinary: VectorBinary { static func apply<E: NumericElement>(_ x: E, _ y: E) -> E }
/// A function of two numbers that also uses the order of their type.
@usableFromInline package protocol RealBinary: VectorBinary { static func apply<E: RealElement>(_ x: E, _ y: E) -> E }
/// A function of two integers, with wrapping arithmetic.
@usableFromInline package protocol IntegerBinary: SendableMetatype { static func apply<E: IntegerElement>(_ x: E, _ y: E) -> E }
/// A function of two floating-point values.
@usableFromInline package protocol FloatingBinary: SendableMetatype { static func apply<S: MathScalar>(_ x: S, _ y: S) -> S }
/// A function of two complex values. complex64 is computed in complex128 and rounded once.
@usableFromInline package protocol ComplexBinary: SendableMetatype { static func apply(_ x: Complex128, _ y: Complex128) -> Complex128 }
/// A comparison for equality or inequality.
@usableFromInline package protocol Equality: SendableMetatype { static func apply<E: Equatable>(_ x: E, _ y: E) -> Bool }
/// A comparison by order.
@usableFromInline package protocol Ordering: SendableMetatype { static func apply<E: Comparable>(_ x: E, _ y: E) -> Bool }

/// A namespace for the functions that ops apply; each op family adds its own in an extension.
@usableFromInline package enum Functions {
    @usableFromInline package enum Plus: NumericBinary {
        @inlinable package static func apply<E: NumericElement>(_ x: E, _ y: E) -> E { .plus(x, y) }
        @inlinable @inline(__always) package static func apply(_ x: SIMD8<Float>, _ y: SIMD8<Float>) -> SIMD8<Float> { x + y }
    }
    @usableFromInline package enum Times: NumericBinary {
        @inlinable package static func apply<E: NumericElement>(_ x: E, _ y: E) -> E { .times(x, y) }
        @inlinable @inline(__always) package static func apply(_ x: SIMD8<Float>, _ y: SIMD8<Float>) -> SIMD8<Float> { x * y }
    }
    @usableFromInline package enum Over: NumericBinary {
        @inlinable package static func apply<E: NumericElement>(_ x: E, _ y: E) -> E { .dividedBy(x, y) }
        @inlinable @inline(__always) package static func apply(_ x: SIMD8<Float>, _ y: SIMD8<Float>) -> SIMD8<Float> { x / y }
    }
    /// NaN if either operand is NaN.
    @usableFromInline package enum Greatest: RealBinary {
        @inlinable package static func apply<E: RealElement>(_ x: E, _ y: E) -> E { x > y || x != x ? x : y }
        @inlinable @inline(__always) package static func apply(_ x: SIMD8<Float>, _ y: SIMD8<Float>) -> SIMD8<Float> {
            y.replacing(with: x, where: (x .> y) .| (x .!= x))
        }
    }
    /// NaN if either operand is NaN.
    @usableFromInline package enum Least: RealBinary {
        @inlinable package static func apply<E: RealElement>(_ x: E, _ y: E) -> E { x < y || x != x ? x : y }
        @inlinable @inline(__always) package static func apply(_ x: SIMD8<Float>, _ y: SIMD8<Float>) -> SIMD8<Float> {
            y.replacing(with: x, where: (x .< y) .| (x .!= x))
        }
    }
}

// Adapters that turn a generic function and an element type into a `UnaryFunction` or `BinaryFunction`.

@usableFromInline package enum FloatingAdapter<F: FloatingFunction, S: MathScalar & TensorElement>: UnaryFunction {
    @inlinable @inline(__always) package static func apply(_ x: S) -> S { F.apply(x) }
}
@usableFromInline package enum IntegerAdapter<F: IntegerFunction, E: IntegerElement>: UnaryFunction {
    @inlinable @inline(__always) package static func apply(_ x: E) -> E { F.apply(x) }
}
@usableFromInline package enum OfPredicate<F: FloatingPredicate, S: MathScalar & TensorElement>: UnaryFunction {
    @inlinable @inline(__always) package static func apply(_ x: S) -> Bool { F.apply(x) }
}
@usableFromInline package enum ComplexAdapter<F: ComplexFunction, Part: ComplexPart>: UnaryFunction {
    @inlinable @inline(__always) package static func apply(_ x: Complex<Part>) -> Complex<Part> {
        let z = F.apply(Complex128(Double(x.real), Double(x.imaginary)))
        return Complex(Part(z.real), Part(z.imaginary))
    }
}
@usableFromInline package enum OfNumericBinary<F: NumericBinary, E: NumericElement>: BinaryFunction {
    @inlinable @inline(__always) package static func apply(_ x: E, _ y: E) -> E { F.apply(x, y) }
}
@usableFromInline package enum OfRealBinary<F: RealBinary, E: RealElement>: BinaryFunction {
    @inlinable @inline(__always) package static func apply(_ x: E, _ y: E) -> E { F.apply(x, y) }
}
@usableFromInline package enum OfIntegerBinary<F: IntegerBinary, E: IntegerElement>: BinaryFunction {
    @inlinable @inline(__always) package static func apply(_ x: E, _ y: E) -> E { F.apply(x, y) }
}
@usableFromInline package enum OfFloatingBinary<F: FloatingBinary, S: MathScalar & TensorElement>: BinaryFunction {
    @inlinable @inline(__always) package static func apply(_ x: S, _ y: S) -> S { F.apply(x, y) }
}
@usableFromInline package enum OfComplexBinary<F: ComplexBinary, Part: ComplexPart>: BinaryFunction {
    @inlinable @inline(__always) package static func apply(_ x: Complex<Part>, _ y: Complex<Part>) -> Complex<Part> {
        let z = F.apply(
            Complex128(Double(x.real), Double(x.imaginary)), Complex128(Double(y.real), Double(y.imaginary)))
        return Complex(Part(z.real), Part(z.imaginary))
    }
}
@usableFromInline package enum OfEquality<F: Equality, E: TensorElement & Equatable>: BinaryFunction {
    @inlinable @inline(__always) package static func apply(_ x: E, _ y: E) -> Bool { F.apply(x, y) }
}
@usableFromInline package enum OfOrdering<F: Ordering, E: TensorElement & Comparable>: BinaryFunction {
    @inlinable @inline(__always) package static func apply(_ x: E, _ y: E) -> Bool { F.apply(x, y) }
}

extension UnaryLoop {
    @inlinable package init<F: UnaryFunction>(_ function: F.Type, grain: Int = Grain.cheap) {
        self.init(
            run: { x, out, count in
                let x = x.assumingMemoryBound(to: F.Input.self)
                let out = out.assumingMemoryBound(to: F.Output.self)
                for index in 0..<count { out[index] = F.apply(x[index]) }
            }, inputSize: MemoryLayout<F.Input>.stride, outputSize: MemoryLayout<F.Output>.stride, grain: grain)
    }

    @inlinable package init<F: VectorUnary>(vector function: F.Type, grain: Int = Grain.cheap) {
        self.init(
            run: { x, out, count in
                VectorMath.map(x.assumingMemoryBound(to: Float.self), out.assumingMemoryBound(to: Float.self), count) {
                    F.apply($0)
                }
            }, inputSize: 4, outputSize: 4, grain: grain, isInPlace: true)
    }
}

extension BinaryLoop {
    @inlinable package init<F: BinaryFunction>(_ function: F.Type, grain: Int = Grain.cheap) {
        self.init(
            run: { x, y, out, count, step in
                let x = x.assumingMemoryBound(to: F.Operand.self)
                let y = y.assumingMemoryBound(to: F.Operand.self)
                let out = out.assumingMemoryBound(to: F.Output.self)
                switch step {
                case .both:
                    for index in 0..<count { out[index] = F.apply(x[index], y[index]) }
                case .leftScalar:
                    let left = x[0]
                    for index in 0..<count { out[index] = F.apply(left, y[index]) }
                case .rightScalar:
                    let right = y[0]
                    for index in 0..<count { out[index] = F.apply(x[index], right) }
                }
            }, inputSize: MemoryLayout<F.Operand>.stride, outputSize: MemoryLayout<F.Output>.stride, grain: grain)
    }

    @inlinable package init<F: VectorBinary>(vector function: F.Type, grain: Int = Grain.cheap) {
        self.init(
            run: { x, y, out, count, step in
                let x = x.assumingMemoryBound(to: Float.self)
                let y = y.assumingMemoryBound(to: Float.self)
                let out = out.assumingMemoryBound(to: Float.self)
                switch step {
                case .both: VectorMath.map(x, y, out, count) { F.apply($0, $1) }
                case .leftScalar:
                    let left = SIMD8<Float>(repeating: x[0])
                    VectorMath.map(y, out, count) { F.apply(left, $0) }
                case .rightScalar:
                    let right = SIMD8<Float>(repeating: y[0])
                    VectorMath.map(x, out, count) { F.apply($0, right) }
                }
            }, inputSize: 4, outputSize: 4, grain: grain, isInPlace: true)
    }
}

extension VectorMath {
    /// Applies a function of two vectors of eight floats to `count` floats. `out` may be the same memory as `x` or `y`.
    @inline(__always)
    @inlinable package static func map(
        _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ count: Int,
        _ function: (Vector, Vector) -> Vector
    ) {
        let width = Vector.scalarCount
        let (left, right, target) = (UnsafeRawPointer(x), UnsafeRawPointer(y), UnsafeMutableRawPointer(out))
        var index = 0
        while index &+ width <= count {
            let a = left.loadUnaligned(fromByteOffset: index &* 4, as: Vector.self)
            let b = right.loadUnaligned(fromByteOffset: index &* 4, as: Vector.self)
            target.storeBytes(of: function(a, b), toByteOffset: index &* 4, as: Vector.self)
            index &+= width
        }
        guard index < count else { return }
        var (a, b) = (Vector(repeating: 1), Vector(repeating: 1))
        for lane in 0..<count &- index {
            a[lane] = x[index &+ lane]
            b[lane] = y[index &+ lane]
        }
        let result = function(a, b)
        for lane in 0..<count &- index { out[index &+ lane] = result[lane] }
    }
}

extension NumericElement {
    /// The square of the magnitude. Integers wrap.
    @inlinable @inline(__always) package var squaredMagnitude: Self {
        // The type comparisons are resolved when the code is specialised.
        if Self.self == Complex64.self { return unsafeBitCast(unsafeBitCast(self, to: Complex64.self).timesConjugate, to: Self.self) }
        if Self.self == Complex128.self { return unsafeBitCast(unsafeBitCast(self, to: Complex128.self).timesConjugate, to: Self.self) }
        return .times(self, self)
    }
}
extension Complex {
    @inlinable var timesConjugate: Complex { Complex(real * real + imaginary * imaginary, 0) }
}

public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The sine.
    static let sin = unary("Sin", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floatingOrComplex) {
        .floating(Functions.Sin.self, $0) ?? .complex(ComplexFunctions.Sin.self, $0)
    }
    .cuda(unary: "sin")
    .gradient { g in [g.op("Mul", g.gradient(), g.op("Cos", g.conjugate(g.inputs[0])))] }

    /// The cosine.
    static let cos = unary("Cos", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floatingOrComplex) {
        .floating(Functions.Cos.self, $0) ?? .complex(ComplexFunctions.Cos.self, $0)
    }
    .cuda(unary: "cos")
    .gradient { g in [g.op("Mul", g.op("Neg", g.gradient()), g.op("Sin", g.conjugate(g.inputs[0])))] }

    /// The tangent.
    static let tan = unary("Tan", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floatingOrComplex) {
        .floating(Functions.Tan.self, $0) ?? .complex(ComplexFunctions.Tan.self, $0)
    }
    .cuda(unary: "tan")
    .gradient { g in
        let secant = g.op("Reciprocal", g.op("Cos", g.conjugate(g.inputs[0])))
        return [g.op("Mul", g.op("Square", secant), g.gradient())]
    }

    /// The inverse sine, in radians.
    static let asin = unary("Asin", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floating) {
        .floating(Functions.Asin.self, $0) ?? .complex(ComplexFunctions.Asin.self, $0)
    }
    .cuda("asin(x)")
    .gradient { g in [g.op("Mul", g.gradient(), arcGradient(g, "Sub", root: true))] }

    /// The inverse cosine, in radians.
    static let acos = unary("Acos", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floating) {
        .floating(Functions.Acos.self, $0) ?? .complex(ComplexFunctions.Acos.self, $0)
    }
    .cuda("acos(x)")
    .gradient { g in [g.op("Mul", g.op("Neg", g.gradient()), arcGradient(g, "Sub", root: true))] }

    /// The inverse tangent, in radians.
    static let atan = unary("Atan", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floating) {
        .floating(Functions.Atan.self, $0) ?? .complex(ComplexFunctions.Atan.self, $0)
    }
    .cuda("atan(x)")
    .gradient { g in [g.op("Mul", g.gradient(), arcGradient(g, "AddV2", root: false))] }

    /// The hyperbolic sine.
    static let sinh = unary("Sinh", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floatingOrComplex) {
        .floating(Functions.Sinh.self, $0) ?? .complex(ComplexFunctions.Sinh.self, $0)
    }
    .cuda(unary: "sinh")
    .gradient { g in [g.op("Mul", g.gradient(), g.op("Cosh", g.conjugate(g.inputs[0])))] }

    /// The hyperbolic cosine.
    static let cosh = unary("Cosh", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floatingOrComplex) {
        .floating(Functions.Cosh.self, $0) ?? .complex(ComplexFunctions.Cosh.self, $0)
    }
    .cuda(unary: "cosh")
    .gradient { g in [g.op("Mul", g.gradient(), g.op("Sinh", g.conjugate(g.inputs[0])))] }

    /// The inverse hyperbolic sine.
    static let asinh = unary("Asinh", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floating) {
        .floating(Functions.Asinh.self, $0) ?? .complex(ComplexFunctions.Asinh.self, $0)
    }
    .cuda("asinh(x)")
    .gradient { g in [g.op("RealDiv", g.gradient(), g.op("Cosh", g.conjugate(g.outputs[0])))] }

    /// The inverse hyperbolic cosine.
    static let acosh = unary("Acosh", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floating) {
        .floating(Functions.Acosh.self, $0) ?? .complex(ComplexFunctions.Acosh.self, $0)
    }
    .cuda("acosh(x)")
    .gradient { g in [g.op("RealDiv", g.gradient(), g.op("Sinh", g.conjugate(g.outputs[0])))] }

    /// The inverse hyperbolic tangent.
    static let atanh = unary("Atanh", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floating) {
        .floating(Functions.Atanh.self, $0) ?? .complex(ComplexFunctions.Atanh.self, $0)
    }
    .cuda("atanh(x)")
    .gradient { g in [g.op("Mul", g.gradient(), arcGradient(g, "Sub", root: false))] }

    /// Returns `1 / (1 ± x²)`, or `1 / √(1 ± x²)` if `root` is true.
    private static func arcGradient(_ g: GradientContext, _ sign: String, root: Bool) -> Output {
        let x = g.conjugate(g.inputs[0])
        let sum = g.op(sign, g.scalar(1, like: x), g.op("Square", x))
        return g.op("Reciprocal", root ? g.op("Sqrt", sum) : sum)
    }
}

extension Functions {
    enum Sin: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S.sin(x) } }
    enum Cos: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S.cos(x) } }
    enum Tan: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S.tan(x) } }
    enum Asin: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S.asin(x) } }
    enum Acos: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S.acos(x) } }
    enum Atan: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S.atan(x) } }
    enum Sinh: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S.sinh(x) } }
    enum Cosh: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S.cosh(x) } }
    enum Asinh: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S.asinh(x) } }
    enum Acosh: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S.acosh(x) } }
    enum Atanh: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S.atanh(x) } }
}

extension Output {
    /// Returns the sine of each element.
    public func sin() -> Output { builder.add("Sin", [self])[0] }
    /// Returns the cosine of each element.
    public func cos() -> Output { builder.add("Cos", [self])[0] }
}

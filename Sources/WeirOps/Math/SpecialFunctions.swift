import Glibc
import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The error function.
    static let erf = unary("Erf", MathTypes.floating, cpu: .floating, gpu: .floating) {
        .floating(vector: Functions.Erf.self, $0, grain: Grain.expensive)
    }
    .cuda("erf(x)")
    .gradient { g in [erfGradient(g, 2 / Double.pi.squareRoot())] }

    /// The complementary error function, `1 - erf(x)`.
    static let erfc = unary("Erfc", MathTypes.floating, cpu: .floating, gpu: .floating) { .floating(Functions.Erfc.self, $0) }
        .cuda("erfc(x)")
        .gradient { g in [erfGradient(g, -2 / Double.pi.squareRoot())] }

    private static func erfGradient(_ g: GradientContext, _ scale: Double) -> Output {
        let x = g.inputs[0]
        let slope = g.op("Mul", g.scalar(scale, like: x), g.op("Exp", g.op("Neg", g.op("Square", x))))
        return g.op("Mul", g.gradient(), slope)
    }

    /// The inverse of the error function.
    static let erfinv = unary("Erfinv", MathTypes.floating, cpu: .floating, gpu: .floating) {
        .floating(Functions.Erfinv.self, $0)
    }
    .cuda("erfinv(x)")
    .gradient { g in
        let slope = g.op("Mul", g.gradient(), g.op("Exp", g.op("Square", g.outputs[0])))
        return [g.op("Mul", g.scalar(Double.pi.squareRoot() / 2, like: slope), slope)]
    }

    /// The quantile function of the standard normal distribution.
    static let ndtri = unary("Ndtri", MathTypes.floating, cpu: .floating, gpu: .floating) {
        .floating(Functions.Ndtri.self, $0)
    }
    .cuda("normcdfinv(x)")
    .gradient { g in
        let half = g.op("RealDiv", g.op("Square", g.outputs[0]), g.scalar(2, like: g.outputs[0]))
        let slope = g.op("Mul", g.gradient(), g.op("Exp", half))
        return [g.op("Mul", g.scalar((2 * Double.pi).squareRoot(), like: slope), slope)]
    }

    /// The logarithm of the absolute value of the gamma function.
    static let lgamma = unary("Lgamma", MathTypes.floating, cpu: .floating, gpu: .floating) {
        .floating(Functions.Lgamma.self, $0)
    }
    .cuda("lgamma(x)")
    .gradient { g in [g.op("Mul", g.gradient(), g.op("Digamma", g.inputs[0]))] }

    /// The derivative of `Lgamma`.
    static let digamma = unary("Digamma", MathTypes.floating, cpu: .floating, gpu: .floating) {
        .floating(Functions.Digamma.self, $0)
    }
    .cuda(with: SpecialFunctions.cuda) { _ in "digamma((double)x)" }
    .gradient { g in
        [g.op("Mul", g.gradient(), g.op("Polygamma", g.scalar(1, like: g.inputs[0]), g.inputs[0]))]
    }

    /// The a-th derivative of `Digamma`.
    static let polygamma = binary(
        "Polygamma", "T: {float, double}", cpu: DTypeSet(.float32, .float64), gpu: DTypeSet(.float32, .float64),
        signature: "(a: T, x: T) -> (z: T)"
    ) { .floating(Functions.Polygamma.self, $0) }
    .cuda(with: SpecialFunctions.cuda) { _ in "polygamma((double)x, (double)y)" }
    .gradient { g in
        let next = g.op("AddV2", g.inputs[0], g.scalar(1, like: g.inputs[0]))
        let slope = g.op("Mul", g.gradient(), g.op("Polygamma", next, g.inputs[1]))
        return [nil, g.unbroadcast(slope, to: g.inputs[1], other: g.inputs[0])]
    }

    /// The Hurwitz zeta function, Σ (k + q)⁻ˣ over k ≥ 0.
    static let zeta = binary(
        "Zeta", "T: {float, double}", cpu: DTypeSet(.float32, .float64), gpu: DTypeSet(.float32, .float64),
        signature: "(x: T, q: T) -> (z: T)"
    ) { .floating(Functions.Zeta.self, $0) }
    .cuda(with: SpecialFunctions.cuda) { _ in "zeta((double)x, (double)y)" }
    .gradient { g in
        let next = g.op("AddV2", g.inputs[0], g.scalar(1, like: g.inputs[0]))
        let slope = g.op("Mul", g.op("Neg", g.inputs[0]), g.op("Zeta", next, g.inputs[1]))
        return [nil, g.unbroadcast(g.op("Mul", slope, g.gradient()), to: g.inputs[1], other: g.inputs[0])]
    }
}

extension Functions {
    enum Erf: FloatingFunction, VectorUnary {
        static func apply<S: MathScalar>(_ x: S) -> S { S.erf(x) }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { VectorMath.erf(x) }
    }
    enum Erfc: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S.erfc(x) } }
    enum Lgamma: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S.lgamma(x) } }
    enum Erfinv: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S(SpecialFunctions.erfinv(Double(x))) } }
    enum Ndtri: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S(SpecialFunctions.ndtri(Double(x))) } }
    enum Digamma: FloatingFunction { static func apply<S: MathScalar>(_ x: S) -> S { S(SpecialFunctions.digamma(Double(x))) } }
    enum Polygamma: FloatingBinary {
        static func apply<S: MathScalar>(_ n: S, _ x: S) -> S { S(SpecialFunctions.polygamma(Double(n), Double(x))) }
    }
    enum Zeta: FloatingBinary {
        static func apply<S: MathScalar>(_ s: S, _ q: S) -> S { S(SpecialFunctions.zeta(Double(s), Double(q))) }
    }
}

/// Special functions that the C library lacks, in double precision.
enum SpecialFunctions {
    /// The coefficients B₂ₖ / (2k)! of the Euler-Maclaurin formula.
    private static let bernoulliOverFactorial: [Double] = [
        1.0 / 12, -1.0 / 720, 1.0 / 30240, -1.0 / 1_209_600, 1.0 / 47_900_160, -691.0 / 1_307_674_368_000,
        1.0 / 74_724_249_600, -3617.0 / 10_670_622_842_880_000,
    ]

    static func digamma(_ x: Double) -> Double {
        if x.isNaN || x == -.infinity { return .nan }
        if x == .infinity { return x }
        if x <= 0 {
            // The poles are at 0 and the negative integers; elsewhere the reflection formula applies.
            guard x != x.rounded(.down) else { return .nan }
            let fraction = x - x.rounded()
            return digamma(1 - x) - Double.pi / tan(Double.pi * fraction)
        }
        var (shifted, sum) = (x, 0.0)
        while shifted < 10 {
            sum -= 1 / shifted
            shifted += 1
        }
        let z = 1 / (shifted * shifted)
        let series = z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * 691.0 / 32760)))))
        return sum + log(shifted) - 0.5 / shifted - series
    }

    static func polygamma(_ n: Double, _ x: Double) -> Double {
        guard n >= 0, n == n.rounded(.down) else { return .nan }
        if n == 0 { return digamma(x) }
        let sign = fmod(n, 2) == 0 ? -1.0 : 1.0
        return sign * Glibc.exp(Glibc.lgamma(n + 1)) * zeta(n + 1, x)
    }

    /// Returns the Hurwitz zeta function, Σ (k + q)⁻ˢ over k ≥ 0. Returns NaN for q below -1e4.
    static func zeta(_ s: Double, _ q: Double) -> Double {
        if s == 1 { return .infinity }
        guard s > 1, !q.isNaN else { return .nan }
        if q <= 0 {
            if q == q.rounded(.down) { return s == s.rounded(.down) && s.truncatingRemainder(dividingBy: 2) == 0 ? .infinity : .nan }
            // Powers of negative numbers are real only for integer exponents.
            guard s == s.rounded(.down) else { return .nan }
        }
        if q == .infinity { return 0 }
        var (term, sum) = (q, 0.0)
        // A start far below 0 would take too many steps of the loop below, and each of its terms is negligible.
        if term < -1e4 { return .nan }
        var count = 0
        while term < 10 || count < 2 {
            sum += pow(term, -s)
            term += 1
            count += 1
        }
        sum += pow(term, 1 - s) / (s - 1) + 0.5 * pow(term, -s)
        var (factor, power) = (s, pow(term, -s - 1))
        for (k, coefficient) in bernoulliOverFactorial.enumerated() {
            sum += coefficient * factor * power
            factor *= (s + Double(2 * k + 1)) * (s + Double(2 * k + 2))
            power /= term * term
        }
        return sum
    }

    static func erfinv(_ x: Double) -> Double {
        if abs(x) == 1 { return x * .infinity }
        guard abs(x) < 1 else { return .nan }
        return x < 0
            ? -ndtri(0.5 - 0.5 * x, upper: 0.5 + 0.5 * x) * 0.5.squareRoot()
            : ndtri(0.5 + 0.5 * x, upper: 0.5 - 0.5 * x) * 0.5.squareRoot()
    }

    static func ndtri(_ p: Double) -> Double { ndtri(p, upper: 1 - p) }

    /// Returns the quantile of p. `upper` is 1 - p, passed separately to keep its precision for p near 1.
    private static func ndtri(_ p: Double, upper: Double) -> Double {
        if p == 0 { return -.infinity }
        if upper == 0 { return .infinity }
        guard p > 0, upper > 0 else { return .nan }
        if p > 0.5 { return -ndtri(upper, upper: p) }
        if p == 0.5 { return 0 }
        // Starts with an estimate of three digits. Each step of Halley's method triples the number of digits.
        let t = (-2 * log(p)).squareRoot()
        var x = (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t
        for _ in 0..<3 {
            let error = 0.5 * erfc(-x * 0.5.squareRoot()) - p
            let density = Glibc.exp(-0.5 * x * x) / (2 * Double.pi).squareRoot()
            guard density > 0 else { break }
            let step = error / density
            x -= step / (1 + 0.5 * x * step)
        }
        return x
    }
}

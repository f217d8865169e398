import Glibc
import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The complex conjugate.
    static let conj = OpDefinition("Conj", "(input: T) -> (output: T)", "T: {complex64, complex128, variant} = complex64")
        .simplified(.selfInverse)
        .shape(ShapeFunctions.unchanged)
        .gradient { g in [g.op("Conj", g.gradient())] }
        .kernel(["T": .complex], gpu: ["T": .complex]) { request in
            let type = try request.type("T")
            guard let loop = UnaryLoop.complex(ComplexFunctions.Conjugate.self, type) else {
                throw request.unsupportedType("T")
            }
            return .elementwise(loop, type)
        }
        .cuda("conj(x)")

    /// The real part of a complex number.
    static let real = part("Real", "input", "output", cuda: "x.re", RealPart<Float>.self, RealPart<Double>.self)
        .gradient { g in [complex(g, g.gradient(), g.scalar(0, like: g.gradient()))] }

    /// The imaginary part of a complex number.
    static let imag = part("Imag", "input", "output", cuda: "x.im", ImaginaryPart<Float>.self, ImaginaryPart<Double>.self)
        .gradient { g in [complex(g, g.scalar(0, like: g.gradient()), g.gradient())] }

    /// The magnitude of a complex number.
    static let complexAbs = part("ComplexAbs", "x", "y", cuda: "hypot((double)x.re, (double)x.im)", Magnitude<Float>.self, Magnitude<Double>.self)
        .gradient { g in
            let zero = g.scalar(0, like: g.gradient())
            let flow = g.op("Mul", complex(g, g.gradient(), zero), g.inputs[0])
            return [g.op("DivNoNan", flow, complex(g, g.outputs[0], zero))]
        }

    /// The argument of a complex number: its angle from the real axis, in radians.
    static let angle = part("Angle", "input", "output", cuda: "atan2((double)x.im, (double)x.re)", Argument<Float>.self, Argument<Double>.self)
        .gradient { g in
            let part: Attributes = ["Tout": .type(g.gradient().dtype)]
            let turned = complex(
                g, g.op("Imag", g.inputs[0], attributes: part), g.op("Real", g.inputs[0], attributes: part))
            let flow = complex(g, g.gradient(), g.scalar(0, like: g.gradient()))
            return [g.op("Mul", g.op("Neg", flow), g.op("Reciprocal", turned))]
        }

    /// A complex number from its real and imaginary parts.
    static let complex = OpDefinition(
        "Complex", "(real: T, imag: T) -> (out: Tout)", "T: {float, double} = float",
        "Tout: {complex64, complex128} = complex64"
    )
    .shape(ShapeFunctions.broadcast)
    .gradient { g in
        let part: Attributes = ["Tout": .type(g.inputs[0].dtype)]
        return g.unbroadcast(
            g.op("Real", g.gradient(), attributes: part), g.op("Imag", g.gradient(), attributes: part))
    }
    .kernel(["T": DTypeSet(.float32), "Tout": DTypeSet(.complex64)], gpu: ["T": DTypeSet(.float32), "Tout": DTypeSet(.complex64)]) { _ in
        .elementwise(BinaryLoop(OfParts<Float>.self), .complex64)
    }
    .kernel(["T": DTypeSet(.float64), "Tout": DTypeSet(.complex128)], gpu: ["T": DTypeSet(.float64), "Tout": DTypeSet(.complex128)]) { _ in
        .elementwise(BinaryLoop(OfParts<Double>.self), .complex128)
    }
    .cuda("make(x, y)")

    private static func part<F: UnaryFunction, D: UnaryFunction>(
        _ name: String, _ input: String, _ output: String, cuda expression: String, _ float: F.Type, _ double: D.Type
    ) -> OpDefinition {
        let (single, wide): ([String: DTypeSet], [String: DTypeSet]) = (
            ["T": DTypeSet(.complex64), "Tout": DTypeSet(.float32)], ["T": DTypeSet(.complex128), "Tout": DTypeSet(.float64)]
        )
        return OpDefinition(
            name, "(\(input): T) -> (\(output): Tout)", "T: {complex64, complex128} = complex64", "Tout: {float, double} = float"
        )
        .shape(ShapeFunctions.unchanged)
        .kernel(single, gpu: single) { _ in .elementwise(UnaryLoop(F.self), .float32) }
        .kernel(wide, gpu: wide) { _ in .elementwise(UnaryLoop(D.self), .float64) }
        .cuda(expression)
    }

    /// Returns a complex number from its parts, with the matching complex dtype.
    private static func complex(_ g: GradientContext, _ real: Output, _ imaginary: Output) -> Output {
        g.op("Complex", real, imaginary, attributes: ["Tout": .type(real.dtype == .float64 ? .complex128 : .complex64)])
    }
}

private enum RealPart<Part: ComplexPart & TensorElement>: UnaryFunction {
    static func apply(_ z: Complex<Part>) -> Part { z.real }
}
private enum ImaginaryPart<Part: ComplexPart & TensorElement>: UnaryFunction {
    static func apply(_ z: Complex<Part>) -> Part { z.imaginary }
}
private enum Magnitude<Part: ComplexPart & TensorElement>: UnaryFunction {
    static func apply(_ z: Complex<Part>) -> Part { Part(hypot(Double(z.real), Double(z.imaginary))) }
}
private enum Argument<Part: ComplexPart & TensorElement>: UnaryFunction {
    static func apply(_ z: Complex<Part>) -> Part { Part(atan2(Double(z.imaginary), Double(z.real))) }
}
private enum OfParts<Part: ComplexPart & TensorElement>: BinaryFunction {
    static func apply(_ real: Part, _ imaginary: Part) -> Complex<Part> { Complex(real, imaginary) }
}

import WeirGraph
import WeirKernels
import WeirTensor

extension ComplexFunctions {
    /// The complex functions that GPU kernels have, as on the CPU: in double precision, rounded once.
    static let cuda = """
        typedef complex128 Z;
        DEVICE Z z_exp(Z z) {
            double scale = exp(z.re);
            return z.im == 0 ? make(scale, z.im) : make(scale * cos(z.im), scale * sin(z.im));
        }
        DEVICE Z z_sinh(Z z) { return make(sinh(z.re) * cos(z.im), cosh(z.re) * sin(z.im)); }
        DEVICE Z z_cosh(Z z) { return make(cosh(z.re) * cos(z.im), sinh(z.re) * sin(z.im)); }
        DEVICE Z z_tanh(Z z) {
            if (fabs(z.re) > 22) return make(copysign(1.0, z.re), 4 * sin(z.im) * cos(z.im) * exp(-2 * fabs(z.re)));
            double tangent = tan(z.im), sine = sinh(z.re), cosine = sqrt(1 + sine * sine);
            double beta = 1 + tangent * tangent, scale = 1 + beta * sine * sine;
            return make(beta * cosine * sine / scale, tangent / scale);
        }
        // f(i z), and -i w: they turn a hyperbolic function into its circular one.
        DEVICE Z turned(Z z) { return make(-z.im, z.re); }
        DEVICE Z turned_back(Z w) { return make(w.im, -w.re); }
        DEVICE Z z_sin(Z z) { return turned_back(z_sinh(turned(z))); }
        DEVICE Z z_cos(Z z) { return z_cosh(turned(z)); }
        DEVICE Z z_tan(Z z) { return turned_back(z_tanh(turned(z))); }
        DEVICE Z z_log(Z z) {
            double large = fmax(fabs(z.re), fabs(z.im)), small = fmin(fabs(z.re), fabs(z.im));
            double magnitude = large > 0.5 && large < 2 ? 0.5 * log1p((large - 1) * (large + 1) + small * small) : log(hypot(z.re, z.im));
            return make(magnitude, atan2(z.im, z.re));
        }
        DEVICE Z z_log1p(Z z) {
            if (fabs(z.re) > 0.5 || fabs(z.im) > 0.5) return z_log(make(1 + z.re, z.im));
            return make(0.5 * log1p(z.re * (2 + z.re) + z.im * z.im), atan2(z.im, 1 + z.re));
        }
        DEVICE Z z_times(Z x, Z y) { return x == number<Z>(0) ? x : x * y; }

        """
}

extension OpDefinition {
    /// Adds the CUDA kernel of a function that floating-point types have in CUDA, and complex ones in `ComplexFunctions`.
    func cuda(unary function: String) -> OpDefinition {
        cuda("\(function)(x)", complex: "z_\(function)(narrow<complex128>(x))")
    }
    /// Adds the CUDA kernel of `x · f(y)`, which is 0 where x is 0.
    func cuda(xTimes function: String) -> OpDefinition {
        cuda("x == 0 ? (C)0 : x * \(function)(y)", complex: "z_times(narrow<complex128>(x), z_\(function)(narrow<complex128>(y)))")
    }

    private func cuda(_ floating: String, complex: String) -> OpDefinition {
        cudaExpression { $0.type("T")?.isFloating == true ? floating : nil }.cuda { request in
            if try request.type("T").isFloating { return try .cudaElementwise(request, floating) }
            return try .cudaElementwise(request, complex, with: ComplexFunctions.cuda)
        }
    }
}

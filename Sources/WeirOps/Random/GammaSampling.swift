#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif
import WeirKernels

/// Drawing from gamma distributions with scale one, by Marsaglia and Tsang's method of squeezed rejection ("A Simple
/// Method for Generating Gamma Variables", 2000), all of it in double.
struct GammaSampling {
    private let shape: Double
    private let d: Double
    private let c: Double

    /// - Parameter shape: the distribution's parameter alpha.
    init(shape: Double) {
        self.shape = shape
        // Below one, draw for a shape larger by one and correct at the end.
        self.d = shape + (shape < 1 ? 2.0 / 3 : -1.0 / 3)
        self.c = 1.0 / 3 / d.squareRoot()
    }

    /// The draw of one element of the output.
    ///
    /// How many random numbers a draw takes is not known beforehand; each element owns 256 samples of 128 bits, counted
    /// shape by shape and draw by draw, whatever the order of the elements in memory.
    func draw(_ ordinal: Int, from generator: Philox) -> Double {
        var generator = generator
        generator.skip(UInt64(ordinal) &* 256)
        var numbers = Numbers(generator: generator)
        if shape == 1 {
            // The exponential distribution.
            return -log1p(-numbers.nextUniform())
        }
        // No number is ever accepted for such a shape; TensorFlow would search without end.
        guard c.isFinite else { return .nan }
        while true {
            let x = numbers.nextNormal()
            let root = 1 + c * x
            if root <= 0 { continue }
            let v = root * root * root
            let u = numbers.nextUniform()
            // The first condition holds nearly always when the second does, and takes no logarithms.
            guard u < 1 - 0.0331 * (x * x) * (x * x) || log(u) < 0.5 * x * x + d * (1 - v + log(v)) else { continue }
            guard shape < 1 else { return d * v }
            return (d * v * pow(numbers.nextUniform(), 1 / shape).subnormalAsZero).subnormalAsZero
        }
    }
}

extension BinaryFloatingPoint {
    /// The number, or zero when it is too small for full precision: the mode TensorFlow's threads compute in, which
    /// draws for shapes near zero do reach.
    var subnormalAsZero: Self { isSubnormal ? 0 : self }
}

/// Normal and uniform numbers taken turn by turn from one generator. Either kind is made in pairs, of which the second
/// is handed out first.
private struct Numbers {
    var generator: Philox
    private var normals = SIMD2<Double>()
    private var normalsLeft = 0
    private var uniforms = SIMD2<Double>()
    private var uniformsLeft = 0

    init(generator: Philox) {
        self.generator = generator
    }

    mutating func nextNormal() -> Double {
        if normalsLeft == 0 {
            normals = NormalDouble().group(generator)
            generator.skip(1)
            normalsLeft = 2
        }
        normalsLeft -= 1
        return normals[normalsLeft]
    }

    mutating func nextUniform() -> Double {
        if uniformsLeft == 0 {
            uniforms = UniformDouble().group(generator)
            generator.skip(1)
            uniformsLeft = 2
        }
        uniformsLeft -= 1
        return uniforms[uniformsLeft]
    }
}

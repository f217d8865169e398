import Glibc
import WeirKernels

/// A sampler of gamma distributions with scale 1, by Marsaglia and Tsang's rejection method ("A Simple Method for Generating
/// Gamma Variables", 2000). It computes in double precision.
struct GammaSampler {
    private let shape: Double
    private let d: Double
    private let c: Double

    /// Makes a sampler.
    /// - Parameter shape: the distribution's parameter alpha.
    init(shape: Double) {
        self.shape = shape
        // For alpha below 1, the sampler draws for alpha + 1 and corrects the result at the end.
        self.d = shape + (shape < 1 ? 2.0 / 3 : -1.0 / 3)
        self.c = 1.0 / 3 / d.squareRoot()
    }

    /// Returns the draw for one element of the output.
    ///
    /// The count of random numbers that a draw takes is not known in advance. So each element owns 256 samples of 128 bits.
    /// `ordinal` counts the elements alpha by alpha and draw by draw, in whatever order they lie in memory.
    func draw(_ ordinal: Int, from generator: Philox) -> Double {
        var generator = generator
        generator.skip(UInt64(ordinal) &* 256)
        var numbers = Numbers(generator: generator)
        if shape == 1 {
            // For alpha 1 this is the exponential distribution.
            return -log1p(-numbers.nextUniform())
        }
        // No number is ever accepted for such an alpha. TensorFlow would loop forever.
        guard c.isFinite else { return .nan }
        while true {
            let x = numbers.nextNormal()
            let root = 1 + c * x
            if root <= 0 { continue }
            let v = root * root * root
            let u = numbers.nextUniform()
            // The first condition almost always holds when the second does, and takes no logarithms.
            guard u < 1 - 0.0331 * (x * x) * (x * x) || log(u) < 0.5 * x * x + d * (1 - v + log(v)) else { continue }
            guard shape < 1 else { return d * v }
            return (d * v * pow(numbers.nextUniform(), 1 / shape).flushingSubnormal).flushingSubnormal
        }
    }
}

extension BinaryFloatingPoint {
    /// The number, or zero if it is subnormal. TensorFlow's threads flush subnormal numbers to zero, and draws for alphas near
    /// zero do become subnormal.
    var flushingSubnormal: Self { isSubnormal ? 0 : self }
}

/// Normal and uniform numbers, taken from one generator as they are needed. Both are generated in pairs; the second of a pair is
/// returned first.
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

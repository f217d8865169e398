import WeirGraph
import WeirOps
import WeirTensor

extension GraphBuilder {
    /// A random matrix with orthogonal rows or columns, as a tensor of this shape.
    ///
    /// It is the orthogonal factor of the polar decomposition of a matrix of normally distributed numbers, and so distributed like that of
    /// its QR decomposition with positive diagonal, which Keras takes: uniformly (Mezzadri, *How to Generate Random Matrices from the
    /// Classical Compact Groups*, 2007). Newton and Schulz's iteration, `X (3 - XᵀX) / 2`, computes it from products alone, so that every
    /// device can.
    func orthogonal(_ shape: Shape, seed: Int, _ dtype: DType, gain: Double) -> Output {
        guard shape.rank >= 2, shape.elementCount > 0 else {
            record(.invalidArgument("Initializer.orthogonal needs at least two dimensions; the shape of '\(scopeName)' is \(shape)"))
            return filled(shape, with: 0, dtype)
        }
        let rows = shape.count(..<(shape.rank - 1)), columns = shape[shape.rank - 1]
        let (longer, shorter) = (max(rows, columns), min(rows, columns))
        guard let normal = random("RandomStandardNormal", Shape(longer, shorter), seed, dtype) else { return filled(shape, with: 0, dtype) }
        // The iteration needs a greatest singular value below √3. That of `normal` is at most its norm, and, but for one in 10¹⁵ matrices,
        // at most √3 times the second bound.
        let norm = normal.square().sum().sqrt()
        let bound = norm.minimum(Double(longer).squareRoot() + Double(shorter).squareRoot() + 4)
        var matrix = normal / bound
        for _ in 0..<GraphBuilder.iterations(longer, shorter) {
            let gram = matrix.matMul(matrix, transposeA: true)
            matrix = matrix * 1.5 - matrix.matMul(gram) * 0.5
        }
        let oriented = rows < columns ? matrix.transposed(permutation: [1, 0]) : matrix
        return (oriented * gain).reshaped(to: shape.dimensions)
    }

    /// Enough iterations: each multiplies a small singular value by 1.5, until it converges quadratically. The least singular value of a
    /// square matrix of random numbers may be very small, that of a long one is not.
    private static func iterations(_ longer: Int, _ shorter: Int) -> Int {
        let ratio = (Double(shorter) / Double(longer)).squareRoot()
        var least = max((1 - ratio) / (1 + ratio) / 8, 1e-8)
        var count = 8
        while least < 0.5 {
            least *= 1.5
            count += 1
        }
        return count
    }
}

import Testing

import Glibc

import WeirKernels
import WeirOps

/// Functions of eight floats at once against those of doubles.
///
/// Every 997th float is tried; with `WEIR_EVERY_FLOAT=1` in the environment all four billion are, which takes two minutes a
/// function.
@Suite("Vector math")
struct VectorMathTests {
    private typealias Buffers = @Sendable (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
    private static let functions: [String: (ours: Buffers, exact: @Sendable (Double) -> Double)] = [
        "exp": ({ VectorMath.exp($0, $1, $2) }, { exp($0) }),
        "expm1": ({ VectorMath.expm1($0, $1, $2) }, { expm1($0) }),
        "log": ({ VectorMath.log($0, $1, $2) }, { log($0) }),
        "log1p": ({ VectorMath.log1p($0, $1, $2) }, { log1p($0) }),
        "tanh": ({ VectorMath.tanh($0, $1, $2) }, { tanh($0) }),
        "sigmoid": ({ VectorMath.sigmoid($0, $1, $2) }, { $0 >= 0 ? 1 / (1 + exp(-$0)) : exp($0) / (1 + exp($0)) }),
        "erf": ({ VectorMath.erf($0, $1, $2) }, { erf($0) }),
    ]

    /// How far a float is from the true value, in units of its last place; infinite where it is of another kind.
    private func distance(_ found: Float, _ exact: Double) -> Double {
        let nearest = Float(exact)
        if exact.isNaN || found.isNaN { return exact.isNaN && found.isNaN ? 0 : .infinity }
        if exact == 0 { return found == 0 && found.sign == exact.sign ? 0 : .infinity }
        // Where a result begins to overflow is itself a matter of the last place.
        let largest = Float.greatestFiniteMagnitude
        if nearest.isInfinite || found.isInfinite { return found == nearest || min(abs(found), abs(nearest)) == largest ? 0 : .infinity }
        return abs(Double(found) - exact) / Double(nearest.ulp)
    }

    @Test("within two units in the last place of the true value, for floats of every kind", arguments: functions.keys.sorted())
    func exactness(_ name: String) throws {
        let function = try #require(VectorMathTests.functions[name])
        let step = getenv("WEIR_EVERY_FLOAT") == nil ? 997 : 1
        var x = [Float](repeating: 0, count: 8192), y = x
        var worst: (distance: Double, at: Float) = (0, 0)
        for start in stride(from: 0, to: 1 << 32, by: step * x.count) {
            let count = min(x.count, ((1 << 32) - start + step - 1) / step)
            for index in 0..<count { x[index] = Float(bitPattern: UInt32(start + index * step)) }
            function.ours(x, &y, count)
            for index in 0..<count {
                let distance = distance(y[index], function.exact(Double(x[index])))
                if distance > worst.distance { worst = (distance, x[index]) }
            }
        }
        #expect(worst.distance <= 2, "\(name)(\(worst.at)) is \(worst.distance) units away")
    }

    @Test("special values are those of IEEE 754", arguments: functions.keys.sorted())
    func specialValues(_ name: String) throws {
        let function = try #require(VectorMathTests.functions[name])
        let x: [Float] = [0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .greatestFiniteMagnitude, -1, 1, -2]
        var y = x
        function.ours(x, &y, x.count)
        for (value, found) in zip(x, y) { #expect(distance(found, function.exact(Double(value))) <= 2, "\(name)(\(value)) = \(found)") }
    }
}

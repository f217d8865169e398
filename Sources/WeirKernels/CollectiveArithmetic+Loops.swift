package import WeirGraph
package import WeirTensor

extension CollectiveArithmetic {
    /// The loops of a reduction for a dtype: those of the ops `AddV2`, `Mul`, `Minimum`, `Maximum` and `Div`, so that a reduction
    /// gives the bits that these ops give. Nil where the dtype has no such loops.
    package init?(_ reduction: CollectiveReduction, _ dtype: DType) {
        let merge: BinaryLoop? =
            switch reduction.merge {
            case .add: .modular(Functions.Plus.self, dtype)
            case .multiply: .modular(Functions.Times.self, dtype)
            case .min: .real(Functions.Least.self, dtype)
            case .max: .real(Functions.Greatest.self, dtype)
            }
        guard let merge else { return nil }
        let combine: Combine = { a, b, result, count in merge.apply(a, b, result, count) }
        switch reduction.final {
        case .identity: self.init(combine: combine)
        case .divide:
            guard let divide = CollectiveArithmetic.division(dtype) else { return nil }
            self.init(combine: combine, divide: divide)
        }
    }

    private static func division(_ dtype: DType) -> Divide? {
        switch dtype {
        case .float32: division(Float.self, BinaryLoop(vector: Functions.Over.self))
        case .float64: division(Double.self, BinaryLoop(OfNumericBinary<Functions.Over, Double>.self))
        case .float16: division(Float16.self, BinaryLoop(vector: Functions.Over.self).widened(.float16))
        case .bfloat16: division(BFloat16.self, BinaryLoop(vector: Functions.Over.self).widened(.bfloat16))
        case .int32: division(Int32.self, BinaryLoop(OfNumericBinary<Functions.Over, Int32>.self))
        case .int64: division(Int64.self, BinaryLoop(OfNumericBinary<Functions.Over, Int64>.self))
        default: nil
        }
    }

    private static func division<E: NumericElement>(_ type: E.Type, _ loop: BinaryLoop) -> Divide {
        { values, count, memberCount in
            // Members are counted from 1, so an integer divisor is never 0.
            withUnsafePointer(to: E(number: Double(memberCount))) { loop.apply(values, $0, values, count, .rightScalar) }
        }
    }
}

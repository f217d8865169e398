package import WeirTensor

/// Describes how a tensor differs from the expected one; nil if it does not.
///
/// Integers, strings and bools must be equal. Differences of floats are relative to the largest finite expected magnitude,
/// because TensorFlow's own rounding depends on version and machine.
func difference(_ found: Tensor, _ expected: OpCase.Expected, _ tolerance: Double?) -> String? {
    let value = expected.value
    guard found.dtype == value.dtype, found.shape == value.shape else {
        return "expected \(value.dtype) \(value.shape), found \(found.dtype) \(found.shape)"
    }
    guard expected.isDetermined else { return nil }
    guard let wanted = numbers(value), let given = numbers(found) else {
        if value.dtype == .string {
            let (a, b) = (Array(found.elements(ByteString.self)), Array(value.elements(ByteString.self)))
            if a == b { return nil }
            for (index, (x, y)) in zip(a, b).enumerated() where x != y {
                let place = zip(x.bytes, y.bytes).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(x.count, y.count)
                return "element \(index): from byte \(place) on expected \(y.bytes.dropFirst(place).prefix(40)), found \(x.bytes.dropFirst(place).prefix(40))"
            }
            return "expected \(b.count) strings, found \(a.count)"
        }
        return found.bytes.elementsEqual(value.bytes) ? nil : "expected \(value), found \(found)"
    }
    let bound = (tolerance ?? usual(value.dtype)) * max(wanted.lazy.filter(\.isFinite).map(\.magnitude).max() ?? 0, .leastNormalMagnitude)
    for (index, (x, y)) in zip(given, wanted).enumerated() {
        if x.isNaN && y.isNaN || x == y { continue }
        guard x.isFinite, y.isFinite, abs(x - y) <= bound else { return "element \(index): expected \(y), found \(x)" }
    }
    return nil
}

private func usual(_ dtype: DType) -> Double {
    switch dtype {
    case .float64, .complex128: 1e-12
    case .float16: 2e-3
    case .bfloat16: 1.6e-2
    default: 1e-5
    }
}

/// The numbers in a floating-point or complex tensor; nil for other types.
package func numbers(_ tensor: Tensor) -> [Double]? {
    switch tensor.dtype {
    case .float32: tensor.elements(Float.self).map(Double.init)
    case .float64: Array(tensor.elements(Double.self))
    case .float16: tensor.elements(Float16.self).map(Double.init)
    case .bfloat16: tensor.elements(BFloat16.self).map { Double($0.float) }
    case .complex64: tensor.elements(Complex64.self).flatMap { [Double($0.real), Double($0.imaginary)] }
    case .complex128: tensor.elements(Complex128.self).flatMap { [$0.real, $0.imaginary] }
    default: nil
    }
}

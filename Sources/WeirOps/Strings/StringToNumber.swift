import Glibc
import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `StringToNumber`: parses each string as a number.
    static let stringToNumber = OpDefinition(
        "StringToNumber", "(string_tensor: string) -> (output: out_type)",
        "out_type: {float, double, int32, int64, uint32, uint64} = float"
    )
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .kernel(["out_type": DTypeSet(.float32, .float64, .int32, .int64, .uint32, .uint64)]) { request in
        switch try request.type("out_type") {
        case .float32: numbers { text in floating(text, strtof) }
        case .float64: numbers { text in floating(text, strtod) }
        case .int32: numbers { text in integer(text, as: Int32.self) }
        case .int64: numbers { text in integer(text, as: Int64.self) }
        case .uint32: numbers { text in integer(text, as: UInt32.self) }
        case .uint64: numbers { text in integer(text, as: UInt64.self) }
        default: throw request.unsupportedType("out_type")
        }
    }
}

private func numbers<E: TensorElement>(_ read: @escaping @Sendable ([UInt8]) -> E?) -> Kernel {
    .sync { context in
        let input = context.input(0)
        let output = try context.output(0, E.dtype, input.shape).mutableElements(E.self)
        for (index, text) in input.elements(ByteString.self).enumerated() {
            guard let value = read(Array(text.bytes.stripped)) else {
                throw Status.invalidArgument("StringToNumberOp could not correctly convert string: \(text)")
            }
            output[index] = value
        }
    }
}

private func integer<T: FixedWidthInteger>(_ text: [UInt8], as type: T.Type) -> T? {
    // Swift's parser accepts the same as TensorFlow's, including a plus sign.
    T(String(decoding: text, as: UTF8.self))
}

/// The type of C's `strtof` and `strtod`: they parse as much as they can and return where they stopped.
private typealias FloatingReader<F> = (UnsafePointer<CChar>, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> F

/// Parses the whole text as a number. Returns nil if that is not possible.
private func floating<F>(_ text: [UInt8], _ read: FloatingReader<F>) -> F? {
    guard !text.isEmpty, !text.contains(0) else { return nil }
    let terminated = text.map { CChar(bitPattern: $0) } + [0]
    return terminated.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return nil }
        var end: UnsafeMutablePointer<CChar>?
        let value = read(base, &end)
        return end.map { UnsafePointer($0) - base } == text.count ? value : nil
    }
}

import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `DecodeRaw`: reads the bytes of strings of equal length as numbers, which form one more dimension.
    static let decodeRaw = OpDefinition(
        "DecodeRaw", "(bytes: string) -> (output: out_type)",
        "out_type: {half, float, double, int32, uint16, uint8, int16, int8, int64, complex64, complex128, bool, "
            + "bfloat16}",
        "little_endian: bool = true"
    )
    .shape { c in c.setOutput(0, c.input(0).concatenating(.vector(nil))) }
    .noGradient()
    .kernel(["out_type": rawTypes]) { request in
        let dtype = try request.type("out_type")
        let isLittleEndian = try request.bool("little_endian")
        return .sync { context in
            let input = context.input(0)
            let texts = input.elements(ByteString.self)
            let length = texts.first?.count ?? 0
            for (index, text) in texts.enumerated() where text.count != length {
                throw Status.invalidArgument(
                    "DecodeRaw requires input strings to all be the same size, but element \(index) has size "
                        + "\(length) != \(text.count)")
            }
            guard length % dtype.byteCount == 0 else {
                throw Status.invalidArgument(
                    "Input to DecodeRaw has length \(length) that is not a multiple of \(dtype.byteCount), the size of "
                        + "\(dtype)")
            }
            let shape = Shape(input.shape.dimensions + [length / dtype.byteCount])
            let output = try context.output(0, dtype, shape)
            for (row, text) in texts.enumerated() {
                read(text.bytes[...], into: output.mutableBytes, at: row * length, dtype, isLittleEndian)
            }
        }
    }

    /// `DecodePaddedRaw`: like `DecodeRaw`, with each string cut or padded with zeros to `fixed_length` bytes.
    static let decodePaddedRaw = OpDefinition(
        "DecodePaddedRaw", "(input_bytes: string, fixed_length: int32) -> (output: out_type)",
        "out_type: {half, float, double, int32, uint16, uint8, int16, int8, int64, bfloat16}",
        "little_endian: bool = true"
    )
    .shape { c in
        let size = c.attributes.type("out_type")?.byteCount ?? 1
        let width = try c.constant(1)?.integer("fixed_length").quotientAndRemainder(dividingBy: size).quotient
        c.setOutput(0, c.input(0).concatenating(.vector(width.map { max(0, $0) })))
    }
    .noGradient()
    .kernel(["out_type": rawTypes]) { request in
        let dtype = try request.type("out_type")
        let isLittleEndian = try request.bool("little_endian")
        return .sync { context in
            let (input, length) = (context.input(0), try context.input(1).integer("fixed_length"))
            guard length > 0 else {
                throw Status.invalidArgument("fixed_length (\(length)) must be greater than zero.")
            }
            guard length % dtype.byteCount == 0 else {
                throw Status.invalidArgument(
                    "fixed_length (\(length)) must be a multiple of the size of out_type (\(dtype.byteCount))")
            }
            let shape = try Shape(validating: input.shape.dimensions + [length / dtype.byteCount])
            let output = try context.output(0, dtype, shape)
            output.mutableBytes.initializeMemory(as: UInt8.self, repeating: 0)
            for (row, text) in input.elements(ByteString.self).enumerated() {
                // An incomplete number at the end is completed with zero bytes.
                let kept = text.bytes.prefix(length)
                let missing = (dtype.byteCount - kept.count % dtype.byteCount) % dtype.byteCount
                let padding = [UInt8](repeating: 0, count: missing)
                read(kept + padding, into: output.mutableBytes, at: row * length, dtype, isLittleEndian)
            }
        }
    }
}

private let rawTypes = DTypeSet(
    .float16, .float32, .float64, .int32, .uint16, .uint8, .int16, .int8, .int64, .complex64, .complex128, .bool,
    .bfloat16)

private func read(
    _ bytes: ArraySlice<UInt8>, into memory: UnsafeMutableRawBufferPointer, at start: Int, _ dtype: DType,
    _ isLittleEndian: Bool
) {
    let target = UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + bytes.count])
    target.copyBytes(from: bytes)
    // In a string every byte but 0 is true, but a Swift Bool must be 0 or 1.
    if dtype == .bool { for index in target.indices where target[index] > 1 { target[index] = 1 } }
    if isLittleEndian { return }
    // The two parts of a complex number are swapped separately.
    let width = dtype.isComplex ? dtype.byteCount / 2 : dtype.byteCount
    for start in stride(from: 0, to: target.count, by: width) { target[start..<start + width].reverse() }
}

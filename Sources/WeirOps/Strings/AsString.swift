import Glibc
import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `AsString`: converts each element to a string, in the format of C's `printf`.
    static let asString = OpDefinition(
        "AsString", "(input: T) -> (output: string)",
        "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64, complex64, "
            + "complex128, bool, variant, string}",
        "precision: int = -1", "scientific: bool = false", "shortest: bool = false", "width: int = -1",
        "fill: string = ''"
    )
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .kernel(["T": [.numeric, DTypeSet(.bool, .string)]]) { request in
        let format = try NumberFormat(request)
        switch try request.type("T") {
        case .float32: return texts { (value: Float) in format.text(Double(value)) }
        case .float64: return texts { (value: Double) in format.text(value) }
        case .float16: return texts { (value: Float16) in format.text(Double(value)) }
        case .bfloat16: return texts { (value: BFloat16) in format.text(Double(value.float)) }
        case .complex64: return texts { (value: Complex64) in format.text(Double(value.real), Double(value.imaginary)) }
        case .complex128: return texts { (value: Complex128) in format.text(value.real, value.imaginary) }
        case .int8: return texts { (value: Int8) in format.text(Int64(value)) }
        case .int16: return texts { (value: Int16) in format.text(Int64(value)) }
        case .int32: return texts { (value: Int32) in format.text(Int64(value)) }
        case .int64: return texts { (value: Int64) in format.text(value) }
        case .uint8: return texts { (value: UInt8) in format.text(UInt64(value)) }
        case .uint16: return texts { (value: UInt16) in format.text(UInt64(value)) }
        case .uint32: return texts { (value: UInt32) in format.text(UInt64(value)) }
        case .uint64: return texts { (value: UInt64) in format.text(value) }
        case .bool: return texts { (value: Bool) in ByteString(value ? "true" : "false") }
        case .string: return stringMap { format.text($0) }
        default: throw request.unsupportedType("T")
        }
    }
}

private func texts<E: TensorElement>(_ text: @escaping @Sendable (E) -> ByteString) -> Kernel {
    .sync { context in
        let input = context.input(0)
        let output = try context.output(0, .string, input.shape).mutableElements(ByteString.self)
        for (index, element) in input.elements(E.self).enumerated() {
            output[index] = text(element)
            try MemoryBudget.take(output[index].count)
        }
    }
}

/// The `printf` format of numbers: the flags, width and precision after `%`, and the conversion letter.
private struct NumberFormat: Sendable {
    /// The limit of width and precision. Wider numbers have no use, and take memory that the size of the input does not
    /// bound.
    private static let maximumWidth = 4096

    private let modifiers: String
    /// The minimum number of characters of a string, and whether the string is at the left end.
    private let width: Int
    private let alignsLeft: Bool
    private let letter: String

    init(_ request: KernelRequest) throws {
        let precision = try request.int("precision")
        let width = try request.int("width")
        let fill = try request.string("fill")
        let isScientific = try request.bool("scientific")
        let isShortest = try request.bool("shortest")
        let type = try request.type("T")
        if !type.isFloating, !type.isComplex {
            guard !isScientific, !isShortest else {
                throw Status.invalidArgument("scientific and shortest format not supported for datatype \(type)")
            }
            guard precision < 0 else { throw Status.invalidArgument("precision not supported for datatype \(type)") }
        }
        guard fill.utf8.count <= 1 else { throw Status.invalidArgument("Fill string must be one or fewer characters") }
        guard !(isScientific && isShortest) else {
            throw Status.invalidArgument("Cannot select both scientific and shortest notation")
        }
        guard fill.allSatisfy({ " +-0#".contains($0) }) else {
            throw Status.invalidArgument("Fill argument not supported: \"\(fill)\"")
        }
        guard width <= Self.maximumWidth, precision <= Self.maximumWidth else {
            throw Status.invalidArgument(
                "AsString: width \(width) and precision \(precision) must be at most \(Self.maximumWidth)")
        }
        self.width = width
        alignsLeft = fill == "-"
        modifiers = fill + (width > -1 ? "\(width)" : "") + (precision > -1 ? ".\(precision)" : "")
        letter = isShortest ? "g" : isScientific ? "e" : "f"
    }

    func text(_ value: Int64) -> ByteString { write("%\(modifiers)lld", value) }
    func text(_ value: UInt64) -> ByteString { write("%\(modifiers)llu", value) }
    func text(_ value: Double) -> ByteString { write("%\(modifiers)\(letter)", value) }
    func text(_ real: Double, _ imaginary: Double) -> ByteString {
        write("(%\(modifiers)\(letter),%\(modifiers)\(letter))", real, imaginary)
    }

    func text(_ text: ByteString) -> ByteString {
        let padding = [UInt8](repeating: UInt8(ascii: " "), count: max(0, max(0, width) - text.count))
        return ByteString(alignsLeft ? text.bytes + padding : padding + text.bytes)
    }

    private func write(_ format: String, _ values: any CVarArg...) -> ByteString {
        // The largest double has 309 digits before the decimal point.
        var buffer = [CChar](repeating: 0, count: 2 * (Self.maximumWidth + 400))
        let count = withVaList(values) { vsnprintf(&buffer, buffer.count, format, $0) }
        return ByteString(buffer.prefix(max(0, min(Int(count), buffer.count - 1))).map { UInt8(bitPattern: $0) })
    }
}

public import WeirTensor
package import WeirProto

// `TensorProto` ↔ `Tensor`. Decoding is in the `MessageDecoder` extensions in `TensorCoder+Reading.swift`; encoding is in
// `TensorCoder+Writing.swift`.

extension Tensor {
    /// Decodes the bytes of a `TensorProto`.
    /// - Throws: `invalidArgument` when the bytes are not a valid tensor.
    public init(serialized bytes: [UInt8], variants: VariantDecoders = .none) throws(Status) {
        try self.init(try TFTensorProto(parsing: bytes), variants: variants)
    }

    /// Encodes the tensor as the bytes of a `TensorProto`.
    /// - Throws: `invalidArgument` when it contains a variant that cannot be serialized, or is larger than 2 GiB.
    public func serialized() throws(Status) -> [UInt8] {
        try TFTensorProto(self).bytes()
    }

    package init(
        _ message: TFTensorProto, variants: VariantDecoders = .none, in allocator: any Allocator = HostAllocator.shared
    ) throws(Status) {
        var decoder = MessageDecoder(variants: variants, allocator: allocator)
        self = try decoder.tensor(message)
    }
}

extension DType {
    /// The type with this number; nil when Weir does not support it (4- and 8-bit floats, 2- and 4-bit integers).
    package init?(_ message: TFDataType) {
        guard let number = UInt8(exactly: message.rawValue) else { return nil }
        self.init(rawValue: number)
    }

    /// The type with this number. A reference type gives the type that it refers to.
    package init?(withoutReference message: TFDataType) {
        let number = message.rawValue
        self.init(TFDataType(rawValue: number > 100 ? number - 100 : number) ?? .dtInvalid)
    }
}

extension TFDataType {
    package init(_ dtype: DType) {
        self = TFDataType(rawValue: Int(dtype.rawValue)) ?? .dtInvalid
    }

    /// TensorFlow's name for error messages, also of types that Weir does not support.
    var text: String {
        let base = rawValue > 100 ? rawValue - 100 : rawValue
        let others = [
            "float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2fnuz", "int4", "uint4",
            "int2", "uint2", "float4_e2m1fn",
        ]
        let name: String? =
            switch base {
            case 0: "an invalid type"
            case 24..<24 + others.count: others[base - 24]
            default: UInt8(exactly: base).flatMap(DType.init(rawValue:))?.name
            }
        guard let name else { return "unknown type \(rawValue)" }
        return rawValue > 100 ? name + "_ref" : name
    }
}

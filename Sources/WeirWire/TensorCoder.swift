public import WeirTensor
package import WeirProto

// `TensorProto` ↔ `Tensor`. Reading, with every spelling TensorFlow has, is in the `MessageDecoder` extensions in
// `TensorCoder+Reading.swift`; writing is in `TensorCoder+Writing.swift`.

extension Tensor {
    /// A tensor from the bytes of a `TensorProto`.
    /// - Throws: `invalidArgument` when they are no tensor.
    public init(serialized bytes: [UInt8], variants: VariantDecoders = .none) throws(Status) {
        try self.init(try TFTensorProto(parsing: bytes), variants: variants)
    }

    /// Its `TensorProto`, as bytes.
    /// - Throws: `invalidArgument` when a variant in it cannot leave the process, or it is larger than 2 GiB.
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
    /// The element type of this number, if Weir has it: not the 4- and 8-bit floats, nor the 2- and 4-bit integers.
    package init?(_ message: TFDataType) {
        guard let number = UInt8(exactly: message.rawValue) else { return nil }
        self.init(rawValue: number)
    }

    /// As above, a reference type read as the type it refers to.
    package init?(withoutReference message: TFDataType) {
        let number = message.rawValue
        self.init(TFDataType(rawValue: number > 100 ? number - 100 : number) ?? .dtInvalid)
    }
}

extension TFDataType {
    package init(_ dtype: DType) {
        self = TFDataType(rawValue: Int(dtype.rawValue)) ?? .dtInvalid
    }

    /// TensorFlow's name of it, in error messages: also of types that Weir does not have.
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

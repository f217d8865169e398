/// The element of a string tensor: any bytes, not necessarily UTF-8, as in TensorFlow.
public struct ByteString: TensorElement, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// The bytes, without a terminating zero.
    public var bytes: [UInt8]

    /// Makes a string from bytes.
    public init(_ bytes: [UInt8] = []) { self.bytes = bytes }
    /// Makes a string from the UTF-8 bytes of `text`.
    public init(_ text: String) { bytes = Array(text.utf8) }
    /// Makes a string from a literal.
    public init(stringLiteral value: String) { self.init(value) }

    /// The number of bytes.
    public var count: Int { bytes.count }
    /// The bytes decoded as UTF-8. Invalid sequences become the replacement character.
    public var description: String { String(decoding: bytes, as: UTF8.self) }

    /// `DType.string`.
    public static var dtype: DType { .string }
    /// The empty string.
    public static var zero: ByteString { ByteString() }
}

extension ByteString: Comparable {
    /// Compares byte by byte, unsigned.
    public static func < (a: ByteString, b: ByteString) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}

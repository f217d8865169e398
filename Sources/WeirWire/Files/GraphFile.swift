import SwiftProtobuf
public import WeirGraph
import WeirProto
public import WeirTensor

// Serialization of graphs: bytes, text and files.

extension GraphDefinition {
    /// Decodes a graph from the bytes of a `GraphDef`.
    /// - Throws: `invalidArgument` with the name of the node or function that cannot be decoded.
    public init(serialized bytes: [UInt8], variants: VariantDecoders = .none) throws(Status) {
        try self.init(try TFGraphDef(parsing: bytes), variants: variants)
    }

    /// Encodes the graph as `GraphDef`. Equal graphs give equal bytes.
    /// - Throws: `invalidArgument` when an attribute contains a variant that cannot be serialized.
    public func serialized() throws(Status) -> [UInt8] { try TFGraphDef(self).bytes() }

    /// Parses a graph in protobuf's text format.
    /// - Throws: `invalidArgument` with the line of the first error, for texts of up to 16 MB.
    public init(text: String, variants: VariantDecoders = .none) throws(Status) {
        let message: TFGraphDef
        do {
            message = try TFGraphDef(textFormatString: text)
        } catch {
            throw .invalidArgument("Not a GraphDef in text format: \(TextFormatError<TFGraphDef>(text, error).description)")
        }
        try self.init(message, variants: variants)
    }

    /// The graph in protobuf's text format, without unknown fields of newer TensorFlow versions.
    public var text: String {
        get throws(Status) {
            var options = TextFormatEncodingOptions()
            options.printUnknownFields = false
            return try TFGraphDef(self).textFormatString(options: options)
        }
    }

    /// Reads a graph from a file. A name that ends in `.pbtxt` or `.txt` means text format; otherwise the format is detected.
    /// - Throws: `notFound` when the file does not exist; `invalidArgument` when it is not a graph. The message names the file.
    public init(contentsOf path: String, variants: VariantDecoders = .none) throws(Status) {
        let bytes = try InputFile.contents(of: path)
        do {
            let isNamedText = path.hasSuffix(".pbtxt") || path.hasSuffix(".txt")
            if isNamedText || GraphDefinition.looksLikeText(bytes) {
                try self.init(text: String(decoding: bytes, as: UTF8.self), variants: variants)
            } else {
                try self.init(serialized: bytes, variants: variants)
            }
        } catch {
            throw Status(error.code, "\(path): \(error.message)")
        }
    }

    /// Whether the bytes are text. A binary graph with any node contains control characters that text does not: tags, and
    /// lengths of short names.
    static func looksLikeText(_ bytes: [UInt8]) -> Bool {
        bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7f || (9...13).contains($0) }
    }
}

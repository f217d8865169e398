#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import SwiftProtobuf
import WeirTensor

extension Data {
    /// Like `withUnsafeBytes`, with a typed error.
    func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws(Status) -> R) throws(Status) -> R {
        let result = withUnsafeBytes { bytes in Result { () throws(Status) in try body(bytes) } }
        return try result.get()
    }
}

extension SwiftProtobuf.Message {
    /// Decodes a message.
    /// - Throws: `invalidArgument` when the bytes are not such a message.
    init(parsing bytes: [UInt8]) throws(Status) {
        do { try self.init(serializedBytes: bytes) } catch { throw .malformed(Self.protoMessageName, error) }
    }
    init(parsing bytes: UnsafeRawBufferPointer) throws(Status) { try self.init(parsing: Array(bytes)) }

    /// Encodes the message. Map entries are sorted, so that equal messages give equal bytes.
    /// - Throws: `invalidArgument` when the message is larger than 2 GiB, protobuf's limit.
    func bytes() throws(Status) -> [UInt8] {
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        do {
            return try serializedBytes(options: options)
        } catch {
            throw .invalidArgument("Cannot serialize \(Self.protoMessageName): \(error)")
        }
    }
}

extension Status {
    static func malformed(_ message: String, _ error: any Error) -> Status {
        .invalidArgument("Not a \(message): \(error)")
    }
}

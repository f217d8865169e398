import GRPCCore
import WeirTensor
import WeirWire

extension WeirTensor.Status {
    /// The trailer that carries what the code and the message do not say, such as `isDerived`.
    fileprivate static let detailsKey = "grpc-status-details-bin"

    /// Decodes the status of a call; nil for OK.
    init?(_ status: GRPCCore.Status, _ trailers: Metadata) {
        let details = trailers[binaryValues: Self.detailsKey].first { _ in true } ?? []
        self.init(wireCode: status.code.rawValue, message: status.message, details: details)
    }

    /// Converts any error of a call to a status.
    init(anyError error: any Error) {
        switch error {
        case let error as RPCError:
            let code = Code(rawValue: Int32(error.code.rawValue)) ?? .unknown
            self.init(code, error.message + (error.cause.map { ": \($0)" } ?? ""))
        case is CancellationError: self = .cancelled("The call was cancelled").derived
        default: self.init(error)
        }
    }
}

extension RPCError {
    /// The longest message in bytes. Longer ones are truncated, as in TensorFlow: they travel in a header, and peers limit headers.
    static let maximumMessageByteCount = 3072

    init(_ status: WeirTensor.Status) {
        let known = GRPCCore.Status.Code(rawValue: Int(status.code.rawValue)).flatMap { RPCError.Code($0) }
        self.init(code: known ?? .unknown, message: RPCError.shortened(status.message))
        let details = status.wireDetails()
        if !details.isEmpty { metadata.addBinary(details, forKey: WeirTensor.Status.detailsKey) }
    }

    static func shortened(_ message: String) -> String {
        guard message.utf8.count > maximumMessageByteCount else { return message }
        let bytes = Array(message.utf8.prefix(maximumMessageByteCount + 1))
        var end = maximumMessageByteCount
        while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }  // not in the middle of a character
        return String(decoding: bytes[..<end], as: UTF8.self) + " ... [truncated]"
    }
}

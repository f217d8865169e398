#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
package import WeirProto
public import WeirTensor

extension Status {
    /// The payload key that marks a status as derived: another failure caused it.
    package static let derivedPayload = "type.googleapis.com/tensorflow.DerivedStatus"
    /// The payload key which says that the worker was possibly restarted and has lost its state.
    package static let restartedPayload = "type.googleapis.com/tensorflow.distributed_runtime.WorkerPossiblyRestarted"
    /// The message prefix by which TensorFlow 2.0, which has no payloads, marks derived statuses.
    private static let derivedPrefix = "[_Derived_]"

    /// Makes a status from a peer's code and message; nil when the code is 0 (OK). An undefined code becomes `unknown`.
    package init?(wireCode: Int, message: String) {
        guard wireCode != 0 else { return nil }
        let code = Int32(exactly: wireCode).flatMap(Code.init(rawValue:)) ?? .unknown
        if message.hasPrefix(Status.derivedPrefix) {
            self.init(code, String(message.dropFirst(Status.derivedPrefix.count)), isDerived: true)
        } else {
            self.init(code, message)
        }
    }

    /// Makes the status of a failed call; nil when the code is 0 (OK).
    /// - Parameter details: the trailer `grpc-status-details-bin`, a `GrpcPayloadContainer`. It is ignored when malformed.
    package init?(wireCode: Int, message: String, details: [UInt8]) {
        self.init(wireCode: wireCode, message: message)
        guard !details.isEmpty, let container = try? TFGrpcPayloadContainer(parsing: details) else { return }
        isDerived = isDerived || container.payloads[Status.derivedPayload] != nil
    }

    /// The trailer `grpc-status-details-bin`, which carries what code and message do not: whether the status is derived and the
    /// worker possibly restarted. Empty when there is nothing to say.
    package func wireDetails(possiblyRestarted: Bool = false) -> [UInt8] {
        var container = TFGrpcPayloadContainer()
        if isDerived { container.payloads[Status.derivedPayload] = Data() }
        if possiblyRestarted { container.payloads[Status.restartedPayload] = Data() }
        return (try? container.bytes()) ?? []
    }

    /// Decodes a status; nil when its code is OK.
    package init?(_ message: TFStatusProto) {
        self.init(wireCode: message.code.rawValue, message: message.message)
        isDerived = isDerived || message.payload[Status.derivedPayload] != nil
    }
}

extension TFStatusProto {
    /// Encodes a status; nil means OK.
    package init(_ status: Status?) {
        self.init()
        guard let status else { return }
        code = TFErrorCode(status.code)
        message = status.message
        if status.isDerived { payload[Status.derivedPayload] = Data() }
    }
}

extension TFErrorCode {
    package init(_ code: Status.Code) {
        self = TFErrorCode(rawValue: Int(code.rawValue)) ?? .unknown
    }
}

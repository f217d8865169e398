/// The error type of Weir: a code and a message.
///
/// The codes are TensorFlow's, which are gRPC's, and cross the wire unchanged. A message says what was expected, what was
/// found, and where.
public struct Status: Error, Sendable, Hashable {
    /// gRPC's status codes. The static functions of `Status` say when Weir uses each.
    public enum Code: Int32, Sendable, CaseIterable {
        case cancelled = 1, unknown, invalidArgument, deadlineExceeded, notFound, alreadyExists, permissionDenied
        case resourceExhausted, failedPrecondition, aborted, outOfRange, unimplemented, internalError, unavailable
        case dataLoss, unauthenticated
    }

    /// The kind of failure.
    public var code: Code
    /// The explanation for a person.
    public var message: String
    /// Whether another failure caused this one. Clients are shown the root cause, which is never derived.
    public var isDerived: Bool

    /// Makes a status.
    public init(_ code: Code, _ message: String, isDerived: Bool = false) {
        self.code = code
        self.message = message
        self.isDerived = isDerived
    }

    /// Converts any error: a `Status` stays as it is, another error becomes `unknown` with its description.
    public init(_ error: any Error) {
        if let status = error as? Status {
            self = status
        } else {
            self.init(.unknown, String(describing: error))
        }
    }

    /// This status with text appended to its message.
    public func appending(_ text: String) -> Status {
        Status(code, message + text, isDerived: isDerived)
    }

    /// This status marked as the consequence of another failure.
    public var derived: Status { Status(code, message, isDerived: true) }
}

extension Status {
    /// The step or call was cancelled.
    public static func cancelled(_ message: String) -> Status { Status(.cancelled, message) }
    /// An error without a code of its own, such as one that a library threw.
    public static func unknown(_ message: String) -> Status { Status(.unknown, message) }
    /// The caller passed an argument, graph or tensor that is wrong in every state.
    public static func invalidArgument(_ message: String) -> Status { Status(.invalidArgument, message) }
    /// The deadline or timeout expired.
    public static func deadlineExceeded(_ message: String) -> Status { Status(.deadlineExceeded, message) }
    /// A node, tensor, file or resource does not exist.
    public static func notFound(_ message: String) -> Status { Status(.notFound, message) }
    /// What was to be created exists already.
    public static func alreadyExists(_ message: String) -> Status { Status(.alreadyExists, message) }
    /// Memory, threads or another limited resource ran out.
    public static func resourceExhausted(_ message: String) -> Status { Status(.resourceExhausted, message) }
    /// The state does not allow the operation, such as reading an uninitialized variable.
    public static func failedPrecondition(_ message: String) -> Status { Status(.failedPrecondition, message) }
    /// The operation was aborted; the caller may retry at a higher level, for example after a worker restarted.
    public static func aborted(_ message: String) -> Status { Status(.aborted, message) }
    /// An index or position is out of range, such as the end of a data set.
    public static func outOfRange(_ message: String) -> Status { Status(.outOfRange, message) }
    /// The op, type or method is not supported.
    public static func unimplemented(_ message: String) -> Status { Status(.unimplemented, message) }
    /// An invariant is broken: a bug, or a peer that violates the protocol.
    public static func internalError(_ message: String) -> Status { Status(.internalError, message) }
    /// The peer cannot be reached; the caller may retry.
    public static func unavailable(_ message: String) -> Status { Status(.unavailable, message) }
    /// Stored or received data are damaged.
    public static func dataLoss(_ message: String) -> Status { Status(.dataLoss, message) }
}

extension Status.Code: CustomStringConvertible {
    /// The code's name as TensorFlow prints it, such as `INVALID_ARGUMENT`.
    public var description: String {
        switch self {
        case .cancelled: "CANCELLED"
        case .unknown: "UNKNOWN"
        case .invalidArgument: "INVALID_ARGUMENT"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .notFound: "NOT_FOUND"
        case .alreadyExists: "ALREADY_EXISTS"
        case .permissionDenied: "PERMISSION_DENIED"
        case .resourceExhausted: "RESOURCE_EXHAUSTED"
        case .failedPrecondition: "FAILED_PRECONDITION"
        case .aborted: "ABORTED"
        case .outOfRange: "OUT_OF_RANGE"
        case .unimplemented: "UNIMPLEMENTED"
        case .internalError: "INTERNAL"
        case .unavailable: "UNAVAILABLE"
        case .dataLoss: "DATA_LOSS"
        case .unauthenticated: "UNAUTHENTICATED"
        }
    }
}

extension Status: CustomStringConvertible {
    /// The code's name and the message.
    public var description: String { "\(code): \(message)" }
}

/// Called once with the result of an asynchronous operation.
public typealias Completion<T> = @Sendable (Result<T, Status>) -> Void

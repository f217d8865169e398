import GRPCCore
import WeirTensor

/// The deadline of a call, as its client sent it.
///
/// Client and server measure time separately, and either may notice first that the deadline has passed. So a call that ends
/// after its deadline fails with `deadlineExceeded` and says what it waited for, whatever its cancellation made it fail with.
struct CallDeadline {
    /// Returns how long before its deadline a call is cancelled, so that the client learns what the call waited for. A step ends
    /// earlier than that, and has half of its own margin for the reply.
    static func margin(_ timeout: Duration) -> Duration { StepDeadline.margin(timeout) / 4 }

    /// The timeout that the client sent; nil when there is none.
    let timeout: Duration?
    private let start = ContinuousClock.now
    /// How much earlier than `start` the transport may have begun to count.
    private static let transportLead = Duration.milliseconds(100)

    init(_ metadata: Metadata) {
        timeout = metadata[stringValues: "grpc-timeout"].first { _ in true }.flatMap(CallDeadline.duration)
    }

    /// Checks whether the deadline has passed.
    /// - Parameter error: the error that the call ended with.
    /// - Throws: `deadlineExceeded` when the deadline has passed.
    func check(_ context: ServerContext, _ error: (any Error)? = nil) throws(RPCError) {
        guard context.cancellation.isCancelled, let timeout,
            ContinuousClock.now - start + CallDeadline.transportLead + CallDeadline.margin(timeout) >= timeout
        else { return }
        let waited = (error as? WeirTensor.Status).flatMap { $0.code == .unavailable ? ": \($0.message)" : nil } ?? ""
        throw RPCError(code: .deadlineExceeded, message: "Deadline Exceeded\(waited)")
    }

    /// Parses a `grpc-timeout`: up to eight digits and a unit. Anything else means no deadline, as in TensorFlow's servers.
    /// The result is at most `Duration.longestWait`.
    static func duration(_ text: String) -> Duration? {
        let digits = text.utf8.dropLast()
        guard (1...8).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }), let count = Int64(text.dropLast()) else {
            return nil
        }
        let duration: Duration
        switch text.last {
        case "H": duration = .seconds(count * 3600)
        case "M": duration = .seconds(count * 60)
        case "S": duration = .seconds(count)
        case "m": duration = .milliseconds(count)
        case "u": duration = .microseconds(count)
        case "n": duration = .nanoseconds(count)
        default: return nil
        }
        return duration.bounded
    }
}

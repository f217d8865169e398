import GRPCCore
import WeirTensor

/// When a call's client stops waiting for it.
///
/// A call whose deadline has passed says that, and what it waited for, however its cancellation made it end: client and
/// server count the time apart, and either may be the first to find it over.
struct CallDeadline {
    /// How long before its deadline a call is cancelled, so that the client hears what was waited for. A step ends itself
    /// earlier, and has half of its own margin to say so.
    static func margin(_ timeout: Duration) -> Duration { StepDeadline.margin(timeout) / 4 }

    /// As the client says it; nil when there is none.
    let timeout: Duration?
    private let start = ContinuousClock.now
    /// The transport begins to count before the call gets here.
    private static let headStart = Duration.milliseconds(100)

    init(_ metadata: Metadata) {
        timeout = metadata[stringValues: "grpc-timeout"].first { _ in true }.flatMap(CallDeadline.duration)
    }

    /// - Parameter error: what the call ended with.
    /// - Throws: `deadlineExceeded` when its time is over.
    func check(_ context: ServerContext, _ error: (any Error)? = nil) throws(RPCError) {
        guard context.cancellation.isCancelled, let timeout,
            ContinuousClock.now - start + CallDeadline.headStart + CallDeadline.margin(timeout) >= timeout
        else { return }
        let waited = (error as? WeirTensor.Status).flatMap { $0.code == .unavailable ? ": \($0.message)" : nil } ?? ""
        throw RPCError(code: .deadlineExceeded, message: "Deadline Exceeded\(waited)")
    }

    /// What a `grpc-timeout` says: up to eight digits and a unit. Anything else is no deadline, as TensorFlow's servers
    /// take it; one of more than `Duration.longestWait` is as good as none.
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

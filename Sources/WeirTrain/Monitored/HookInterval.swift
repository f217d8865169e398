import WeirTensor

/// How often a hook does its work.
public enum HookInterval: Hashable, Sendable {
    /// Once in so many steps, at least 1.
    case steps(Int)
    /// Once in so many seconds, more than 0.
    case seconds(Double)

    /// - Throws: `invalidArgument` when the number is out of its range.
    func check(_ owner: String) throws(Status) {
        switch self {
        case .steps(let count):
            if count < 1 { throw .invalidArgument("\(owner): expected an interval of at least 1 step, found \(count)") }
        case .seconds(let seconds):
            if !(seconds > 0 && seconds.isFinite) { throw .invalidArgument("\(owner): expected an interval of more than 0 seconds, found \(seconds)") }
        }
    }
}

public import WeirGraph
import WeirOps
import WeirTensor

/// A learning rate: a number, or a schedule that computes it from the number of updates.
///
/// ```swift
/// Adam(learningRate: 0.002)
/// Adam(learningRate: LearningRate(CosineDecay(0.002, steps: 1000)))
/// ```
public struct LearningRate: Sendable, ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
    private enum Kind {
        case constant(Double)
        case schedule(any LearningRateSchedule)
    }
    private let kind: Kind

    private init(_ kind: Kind) { self.kind = kind }
    /// A rate that changes with the number of updates.
    public init(_ schedule: some LearningRateSchedule) { kind = .schedule(schedule) }
    /// The same rate in all updates.
    public static func constant(_ rate: Double) -> LearningRate { LearningRate(Kind.constant(rate)) }
    /// The same rate in all updates.
    public init(floatLiteral value: Double) { kind = .constant(value) }
    /// The same rate in all updates.
    public init(integerLiteral value: Int) { kind = .constant(Double(value)) }

    /// The rate, if it is the same in all updates.
    public var constant: Double? { if case .constant(let rate) = kind { rate } else { nil } }
    /// The schedule; nil if the rate is the same in all updates.
    public var schedule: (any LearningRateSchedule)? { if case .schedule(let schedule) = kind { schedule } else { nil } }

    /// Builds the rate of one update in the builder's current scopes, a `float64` scalar.
    /// - Parameter step: the number of updates before it, a `float64` scalar.
    public func value(_ builder: GraphBuilder, step: Output) -> Output {
        switch kind {
        case .constant(let rate): builder.scalar(rate, .float64)
        case .schedule(let schedule): schedule.checkedValue(builder, step: step)
        }
    }
}

/// Computes a learning rate from the number of updates, in the graph.
public protocol LearningRateSchedule: Sendable {
    /// What is wrong with the parameters; nil if nothing is. A graph with such a schedule cannot be built.
    var problem: String? { get }
    /// Builds the rate of one update in the builder's current scopes, a `float64` scalar.
    /// - Parameter step: the number of updates before it, a `float64` scalar.
    func value(_ builder: GraphBuilder, step: Output) -> Output
}

extension LearningRateSchedule {
    /// Nothing is wrong.
    public var problem: String? { nil }

    fileprivate func checkedValue(_ builder: GraphBuilder, step: Output) -> Output {
        if let problem {
            builder.record(.invalidArgument("\(type(of: self)): \(problem)"))
            return builder.scalar(0, .float64)
        }
        return value(builder, step: step)
    }
}

/// Checks parameters of schedules.
enum ScheduleProblem {
    /// Says that a number of steps must be at least 1, if it is less.
    static func steps(_ steps: Int) -> String? { steps > 0 ? nil : "expected at least 1 step, found \(steps)" }
    /// Says that a number must be above 0, if it is not.
    static func positive(_ name: String, _ value: Double) -> String? {
        value > 0 && value.isFinite ? nil : "expected \(name) above 0, found \(value)"
    }
}

/// What a sweep looks for.
public struct SweepObjective: Hashable, Sendable {
    /// Which values are better.
    public enum Goal: String, Sendable, CaseIterable {
        /// Lower values, as of a loss.
        case min
        /// Higher values, as of an accuracy.
        case max
    }

    /// The name of a metric that runners report.
    public var metric: String
    /// Which of its values are better.
    public var goal: Goal

    /// Makes an objective.
    public init(_ metric: String, _ goal: Goal) {
        self.metric = metric
        self.goal = goal
    }

    /// The value with the sign that makes lower ones better.
    func loss(_ value: Double) -> Double { goal == .min ? value : -value }
}

package import WeirTensor

/// A strategy that can be made from its name and options.
package protocol NamedStrategy: Strategy {
    /// The name that all values have.
    static var strategyName: String { get }
    /// The options that the strategy takes.
    static var parameters: Set<StrategyParameter> { get }
    /// Those without which it cannot be made.
    static var requiredParameters: Set<StrategyParameter> { get }
    /// The options that it takes together with these others.
    static func parameters(with arguments: StrategyArguments) throws(Status) -> Set<StrategyParameter>
    /// Makes the strategy from options that it takes.
    /// - Throws: `invalidArgument` when a value is wrong, or one that is needed is not given.
    init(_ arguments: StrategyArguments) throws(Status)
}

extension NamedStrategy {
    /// None.
    package static var requiredParameters: Set<StrategyParameter> { [] }
    /// The same whatever the others are.
    package static func parameters(with arguments: StrategyArguments) throws(Status) -> Set<StrategyParameter> { parameters }
    /// Those of strategies whose variables lie on parameter servers.
    static var serverParameters: Set<StrategyParameter> { [.balance, .partBytes] }
}

package import WeirTensor

// Options of strategies among the options of a training by name, as sweeps have them. In a name, an underscore stands for a dash.

extension StrategyParameter {
    /// The parameter of an option's name; nil if it is not of strategies.
    init?(key: String) { self.init(rawValue: String(key.map { $0 == "_" ? "-" : $0 })) }
}

extension StrategyArguments {
    /// The options of strategies in a configuration.
    init(_ configuration: [String: ParameterValue]) {
        self.init()
        for (key, value) in configuration { if let parameter = StrategyParameter(key: key) { self[parameter] = value } }
    }
}

extension StrategyCatalog {
    /// The option that names the strategy.
    private static let strategyKey = "strategy"

    /// A configuration without the options that its strategy does not take, so that trials with several strategies can have one
    /// base.
    /// - Parameter usual: the strategy of a configuration that names none.
    /// - Throws: `invalidArgument` when there is no such strategy.
    package static func taken(of configuration: [String: ParameterValue], usual: String) throws(Status) -> [String: ParameterValue] {
        let name = configuration[strategyKey].map { "\($0)" } ?? usual
        let known = try taken(by: [name], with: StrategyArguments(configuration), strategyKey)
        return configuration.filter { key, _ in StrategyParameter(key: key).map { known.contains($0) } ?? true }
    }

    /// Checks that each option of strategies in a sweep is taken by a strategy that the sweep tries.
    /// - Parameter usual: the strategy of a configuration that names none.
    /// - Throws: `invalidArgument` with the option and the strategies that take it.
    package static func check(_ specification: SweepSpecification, usual: String) throws(Status) {
        func values(_ isKey: (String) -> Bool) -> [ParameterValue] {
            specification.base.filter { isKey($0.key) }.map(\.value)
                + specification.parameters.filter { isKey($0.name) }.flatMap { $0.points ?? [] }
        }
        let found = values { $0 == strategyKey }
        let names = found.isEmpty ? [usual] : found.map { "\($0)" }
        var known: Set<StrategyParameter> = []
        let workers = values { StrategyParameter(key: $0) == .workerStrategy }.map { Optional($0) }
        for worker in workers + [nil] {
            var arguments = StrategyArguments()
            arguments[.workerStrategy] = worker
            known.formUnion(try taken(by: names, with: arguments, strategyKey))
        }
        for key in specification.base.keys.sorted() + specification.parameters.map(\.name) {
            if let parameter = StrategyParameter(key: key), !known.contains(parameter) { throw refusal(parameter, names) }
        }
    }
}

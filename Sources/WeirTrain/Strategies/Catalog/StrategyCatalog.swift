package import WeirTensor

/// All strategies of this module by name. Which options there are for a strategy stands with it.
package enum StrategyCatalog {
    private static let types: [any NamedStrategy.Type] = [
        SingleDevice.self, LayerParallel.self, PipelineParallel.self, DataParallelPipelines.self, TensorParallel.self, MeshParallel.self,
        InGraphReplication.self, AsynchronousReplicas.self, SynchronousReplicas.self, AllReduceReplicas.self, HybridReplicas.self,
    ]

    /// The names of all strategies.
    package static var names: [String] { types.map { $0.strategyName } }
    /// The names of the strategies that can be made from these options.
    package static func names(with arguments: StrategyArguments) -> [String] {
        types.filter { $0.requiredParameters.isSubset(of: arguments.given) }.map { $0.strategyName }
    }
    /// The names of the strategies that take an option.
    package static func names(taking parameter: StrategyParameter) -> [String] {
        types.filter { $0.parameters.contains(parameter) }.map { $0.strategyName }
    }
    /// The names of the strategies that can split the work of each worker.
    static var workerStrategyNames: [String] { types.compactMap { $0 as? any (NamedStrategy & InGraphStrategy).Type }.map { $0.strategyName } }

    /// Makes a strategy. It gets those of the options that it takes.
    /// - Parameter option: what has the name, for the error.
    /// - Throws: `invalidArgument` when there is no such strategy, or an option is wrong.
    package static func strategy(_ name: String, _ arguments: StrategyArguments, option: String = "--strategy") throws(Status) -> any Strategy {
        let chosen = try strategyType(named: name, option)
        return try chosen.init(arguments.only(try chosen.parameters(with: arguments)))
    }

    /// Checks that each strategy is named once, and that each option has an effect: that one of these strategies takes it.
    /// - Throws: `invalidArgument` with the strategy, or with the option and the strategies that take it.
    package static func check(_ arguments: StrategyArguments, for names: [String], option: String = "--strategy") throws(Status) {
        for (index, name) in names.enumerated() where names[..<index].contains(name) {
            throw .invalidArgument("\(option) must name each strategy once, found '\(name)' again")
        }
        let known = try taken(by: names, with: arguments, option)
        guard let wrong = arguments.given.first(where: { !known.contains($0) }) else { return }
        throw refusal(wrong, names)
    }

    /// The options that one of these strategies takes, with these arguments.
    package static func taken(
        by names: [String], with arguments: StrategyArguments, _ option: String = "--strategy"
    ) throws(Status) -> Set<StrategyParameter> {
        var result: Set<StrategyParameter> = []
        for name in names { result.formUnion(try strategyType(named: name, option).parameters(with: arguments)) }
        return result
    }

    /// The error of an option that none of these strategies takes.
    package static func refusal(_ parameter: StrategyParameter, _ names: [String]) -> Status {
        let isForWorkers =
            !AllReduceReplicas.parameters.union(serverParameters).contains(parameter)
            && types.contains { $0.parameters.contains(parameter) && $0 is any InGraphStrategy.Type }
        let known = StrategyCatalog.names(taking: parameter).joined(separator: " or ")
        return .invalidArgument(
            "\(parameter.option) needs strategy \(known)\(isForWorkers ? ", or such a \(StrategyParameter.workerStrategy.option)" : ""); "
                + "found \(names.joined(separator: ", "))")
    }

    /// The strategy that splits the work of each worker.
    static func workerStrategy(_ name: String, _ arguments: StrategyArguments) throws(Status) -> any InGraphStrategy {
        let chosen = try workerType(named: name)
        return try chosen.init(arguments.only(chosen.parameters))
    }
    /// The options of the strategy that splits the work of each worker. Its variables lie on the worker.
    static func workerParameters(_ name: String) throws(Status) -> Set<StrategyParameter> {
        try workerType(named: name).parameters.subtracting(serverParameters)
    }
    private static let serverParameters: Set<StrategyParameter> = InGraphReplication.serverParameters

    private static func workerType(named name: String) throws(Status) -> any (NamedStrategy & InGraphStrategy).Type {
        for case let type as any (NamedStrategy & InGraphStrategy).Type in types where type.strategyName == name { return type }
        throw .invalidArgument(
            "\(StrategyParameter.workerStrategy.option) must be of \(workerStrategyNames.joined(separator: ", ")), which have one client; found '\(name)'")
    }

    private static func strategyType(named name: String, _ option: String) throws(Status) -> any NamedStrategy.Type {
        guard let chosen = types.first(where: { $0.strategyName == name }) else {
            throw .invalidArgument("\(option) must be of \(names.joined(separator: ", ")), found '\(name)'")
        }
        return chosen
    }
}

extension TrainingOptions {
    /// Sets the strategy, and how variables are spread over parameter servers. The strategy gets those of the options that it takes.
    /// - Parameter option: what has the name, for the error.
    /// - Throws: `invalidArgument` when there is no such strategy, or an option is wrong.
    package mutating func setStrategy(_ name: String, _ arguments: StrategyArguments, option: String = "--strategy") throws(Status) {
        strategy = try StrategyCatalog.strategy(name, arguments, option: option)
        let own = arguments.only(try StrategyCatalog.taken(by: [name], with: arguments, option))
        let balances: KeyValuePairs<String, ReplicaDeviceSetter.Balance> = ["roundrobin": .roundRobin, "bytes": .bytes]
        balance = try own.choice(.balance, balances) ?? .roundRobin
        partitioning = try own.integer(.partBytes).map { VariablePartitioning.bytes(maximum: $0) }
    }
}

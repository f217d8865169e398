import WeirGraph
package import WeirTensor

// The options of each strategy. Where one is not given, the default is that of the strategy's initializer.

extension SingleDevice: NamedStrategy {
    package static let parameters: Set<StrategyParameter> = [.partBytes]
    package init(_ arguments: StrategyArguments) throws(Status) { self.init() }
}

extension LayerParallel: NamedStrategy {
    package static let parameters: Set<StrategyParameter> = [.stages, .layers]
    package init(_ arguments: StrategyArguments) throws(Status) {
        self.init(stages: try arguments.integer(.stages), assignment: try LayerAssignment(arguments))
    }
}

extension PipelineParallel: NamedStrategy {
    package static let parameters: Set<StrategyParameter> = LayerParallel.parameters.union([.microBatches, .schedule])
    package init(_ arguments: StrategyArguments) throws(Status) {
        self.init(stages: try arguments.integer(.stages), assignment: try LayerAssignment(arguments))
        if let count = try arguments.integer(.microBatches) { microBatchCount = count }
        if let name = try arguments.text(.schedule) {
            guard let chosen = PipelineSchedule.Order(rawValue: name) else {
                let known = PipelineSchedule.Order.allCases.map(\.rawValue).joined(separator: " or ")
                throw .invalidArgument("\(StrategyParameter.schedule.option) must be \(known), found '\(name)'")
            }
            order = chosen
        }
    }
}

extension DataParallelPipelines: NamedStrategy {
    package static let parameters: Set<StrategyParameter> = PipelineParallel.parameters.union([.replicas])
    package init(_ arguments: StrategyArguments) throws(Status) {
        self.init(replicas: try arguments.integer(.replicas) ?? 2, try PipelineParallel(arguments))
    }
}

extension TensorParallel: NamedStrategy {
    package static let parameters: Set<StrategyParameter> = [.cuts]
    package init(_ arguments: StrategyArguments) throws(Status) { self.init(rules: try VariableCut.rules(arguments)) }
}

extension MeshParallel: NamedStrategy {
    package static let parameters: Set<StrategyParameter> = [.mesh, .cuts]
    package static let requiredParameters: Set<StrategyParameter> = [.mesh]
    package init(_ arguments: StrategyArguments) throws(Status) {
        guard let axes = try arguments.text(.mesh) else {
            throw .invalidArgument("Strategy '\(MeshParallel.strategyName)' needs \(StrategyParameter.mesh.option), such as data=2,model=2")
        }
        self.init(axes: try DeviceMesh.axes(axes), rules: try VariableCut.rules(arguments))
    }
}

extension InGraphReplication: NamedStrategy {
    package static let parameters: Set<StrategyParameter> = serverParameters.union([.shards])
    package init(_ arguments: StrategyArguments) throws(Status) { self.init(shards: try arguments.integer(.shards)) }
}

extension AsynchronousReplicas: NamedStrategy {
    package static let parameters: Set<StrategyParameter> = serverParameters.union([.maximumLead])
    package init(_ arguments: StrategyArguments) throws(Status) { self.init(maximumLead: try arguments.integer(.maximumLead)) }
}

extension SynchronousReplicas: NamedStrategy {
    package static let parameters: Set<StrategyParameter> = serverParameters.union([.required, .ledger])
    package init(_ arguments: StrategyArguments) throws(Status) {
        self.init(required: try arguments.integer(.required), ledger: try arguments.flag(.ledger))
    }
}

extension AllReduceReplicas: NamedStrategy {
    package static let parameters: Set<StrategyParameter> = [.shards, .bucketBytes, .workerStrategy]
    /// With a strategy for each worker, the options of that strategy too.
    package static func parameters(with arguments: StrategyArguments) throws(Status) -> Set<StrategyParameter> {
        guard let inner = try arguments.text(.workerStrategy) else { return parameters }
        return parameters.union(try StrategyCatalog.workerParameters(inner))
    }
    package init(_ arguments: StrategyArguments) throws(Status) {
        let shards = try arguments.integer(.shards)
        if let inner = try arguments.text(.workerStrategy) {
            guard shards == nil else {
                throw .invalidArgument(
                    "\(StrategyParameter.shards.option) counts copies of the whole model, which \(StrategyParameter.workerStrategy.option) splits; "
                        + "expected one of the two")
            }
            self.init(of: try StrategyCatalog.workerStrategy(inner, arguments))
        } else {
            self.init(shards: shards)
        }
        if let count = try arguments.integer(.bucketBytes) { bucketByteCount = count }
    }
}

extension HybridReplicas: NamedStrategy {
    package static let parameters: Set<StrategyParameter> = serverParameters.union([.shards, .bucketBytes])
    package init(_ arguments: StrategyArguments) throws(Status) {
        self.init(shards: try arguments.integer(.shards))
        if let count = try arguments.integer(.bucketBytes) { bucketByteCount = count }
    }
}

extension LayerAssignment {
    /// The assignment that the options ask for; balanced if they ask for none.
    fileprivate init(_ arguments: StrategyArguments) throws(Status) {
        self = try arguments.text(.layers).map { text throws(Status) in try LayerAssignment(rules: text) } ?? .balanced()
    }
}

extension VariableCut {
    /// The rules that the options have; none if they have none.
    fileprivate static func rules(_ arguments: StrategyArguments) throws(Status) -> [(String, VariableCut)] {
        try arguments.text(.cuts).map { text throws(Status) in try rules(text) } ?? []
    }
}

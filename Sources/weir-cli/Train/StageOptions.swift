import ArgumentParser
import Weir

/// The options of the strategies that split a model by layer.
struct StageOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: .of(.stages, "stages of a replica; one for each device if not given.")) var stages: Int?
    @Option(help: .of(.layers, "devices by layer, such as hidden1=/cpu:0,hidden4=/cpu:1; balanced by cost if not given.", valueName: "LIST"))
    var layers: String?
    @Option(parsing: .unconditional, help: .of(.microBatches, "parts of a batch (default: 4).")) var microBatches: Int?
    @Option(help: .of(.schedule, "gpipe or 1f1b (default: 1f1b).")) var schedule: String?
    @Option(parsing: .unconditional, help: .of(.replicas, "replicas of the pipeline (default: 2).")) var replicas: Int?

    func validate() throws {
        try require("--stages", stages, in: 1...OptionRange.cpus.upperBound)
        try require("--micro-batches", microBatches, in: 1...1_000_000)
        try require("--replicas", replicas, in: 1...OptionRange.cpus.upperBound)
    }

    /// Adds those that are given.
    func add(to arguments: inout StrategyArguments) {
        arguments[.stages] = stages.map(ParameterValue.integer)
        arguments[.layers] = layers.map(ParameterValue.text)
        arguments[.microBatches] = microBatches.map(ParameterValue.integer)
        arguments[.schedule] = schedule.map(ParameterValue.text)
        arguments[.replicas] = replicas.map(ParameterValue.integer)
    }
}

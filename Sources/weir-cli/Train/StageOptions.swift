import ArgumentParser
import Weir

/// The options of the strategies that split a model by layer: `layers`, `pipeline` and `pipelines`.
struct StageOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: "Layers, pipeline, pipelines: stages of a replica; one for each device if not given.") var stages: Int?
    @Option(help: ArgumentHelp("Layers by name, such as hidden1=/cpu:0,hidden4=/cpu:1; balanced by cost if not given.", valueName: "LIST"))
    var layers: String?
    @Option(parsing: .unconditional, help: "Pipeline, pipelines: parts of a batch.") var microBatches = 4
    @Option(help: "Pipeline, pipelines: gpipe or 1f1b.") var schedule = "1f1b"
    @Option(parsing: .unconditional, help: "Pipelines: replicas of the pipeline.") var replicas = 2

    func validate() throws {
        try require("--stages", stages, in: 1...OptionRange.cpus.upperBound)
        try require("--micro-batches", microBatches, in: 1...1_000_000)
        try require("--replicas", replicas, in: 1...OptionRange.cpus.upperBound)
    }

    /// The strategy of this name; nil if it does not split a model by layer.
    func strategy(_ name: String) throws(Status) -> (any InGraphStrategy)? {
        let assignment = try layers.map { text throws(Status) in try LayerAssignment(rules: text) } ?? .balanced()
        guard let order = PipelineSchedule.Order(rawValue: schedule) else {
            let known = PipelineSchedule.Order.allCases.map(\.rawValue).joined(separator: " or ")
            throw .invalidArgument("--schedule must be \(known), found '\(schedule)'")
        }
        let pipeline = PipelineParallel(microBatches: microBatches, order: order, stages: stages, assignment: assignment)
        return switch name {
        case "layers": LayerParallel(stages: stages, assignment: assignment)
        case "pipeline": pipeline
        case "pipelines": DataParallelPipelines(replicas: replicas, pipeline)
        default: nil
        }
    }
}

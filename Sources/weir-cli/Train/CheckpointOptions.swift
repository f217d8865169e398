import ArgumentParser
import Weir

/// The options of checkpoints.
struct CheckpointOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Save the variables, in a folder for each fold: run/model saves run/fold-1/model-200. TensorFlow reads these files.", valueName: "PREFIX"))
    var checkpoint: String?
    @Option(parsing: .unconditional, help: "Updates from one checkpoint to the next (default: at the end only).") var checkpointEvery: Int?
    @Flag(help: "Go on from the latest checkpoint of each fold, if there is one.") var resume = false

    func validate() throws {
        try require("--checkpoint-every", checkpointEvery, in: OptionRange.steps)
        guard checkpoint == nil, checkpointEvery != nil || resume else { return }
        throw ValidationError("\(resume ? "--resume" : "--checkpoint-every") needs --checkpoint PREFIX")
    }

    /// The checkpoints; nil if none are wanted.
    func parsed() -> TrainingCheckpoint? {
        checkpoint.map { TrainingCheckpoint($0, every: checkpointEvery, from: resume ? .latest : .initialValues) }
    }
}

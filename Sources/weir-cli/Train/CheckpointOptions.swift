import ArgumentParser
import Weir

/// The options of checkpoints.
struct CheckpointOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Save the variables, in a folder for each fold: run/model saves run/fold-1/model-200. TensorFlow reads these files.", valueName: "PREFIX"))
    var checkpoint: String?
    @Option(parsing: .unconditional, help: "Updates from one checkpoint to the next (default: at the end only).") var checkpointEvery: Int?
    @Option(parsing: .unconditional, help: "Seconds from one checkpoint to the next, besides --checkpoint-every.") var checkpointSeconds: Double?
    @Option(parsing: .unconditional, help: "The newest checkpoints to keep.") var keep = 5
    @Option(parsing: .unconditional, help: "Keep one checkpoint of each so many hours besides those.") var keepHours: Double?
    @Option(
        help: """
            How servers save: gathered, one task writes all; sharded, each task writes what it has, and one merges; client, through this process. \
            The first two need one file system.
            """)
    var checkpointLayout = "gathered"
    @Flag(help: "Go on from the latest checkpoint of each fold that can be read, if there is one.") var resume = false

    func validate() throws {
        try require("--checkpoint-every", checkpointEvery, in: OptionRange.steps)
        try require("--keep", keep, in: 1...1_000_000)
        try require("--checkpoint-seconds", checkpointSeconds, in: 0.001...1e9)
        try require("--keep-hours", keepHours, in: 1e-6...1e6)
        guard Saver.Layout(rawValue: checkpointLayout) != nil else {
            throw ValidationError("--checkpoint-layout must be gathered, sharded or client, found '\(checkpointLayout)'")
        }
        guard checkpoint == nil, checkpointEvery != nil || checkpointSeconds != nil || resume else { return }
        let option = resume ? "--resume" : checkpointEvery != nil ? "--checkpoint-every" : "--checkpoint-seconds"
        throw ValidationError("\(option) needs --checkpoint PREFIX")
    }

    /// The checkpoints; nil if none are wanted.
    func parsed() -> TrainingCheckpoint? {
        checkpoint.map { prefix in
            var parsed = TrainingCheckpoint(prefix, every: checkpointEvery, from: resume ? .latest : .initialValues, maxToKeep: keep)
            parsed.seconds = checkpointSeconds
            parsed.keepEveryHours = keepHours
            parsed.layout = Saver.Layout(rawValue: checkpointLayout) ?? .gathered
            return parsed
        }
    }
}

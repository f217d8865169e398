import ArgumentParser
import Weir

/// The option that says how a training goes on when a task is lost.
struct RecoveryOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "When a task is lost, wait so long for it to return, and go on, from the last checkpoint if training needs the task (default: end).",
            valueName: "SECONDS"))
    var recover: Double?

    func validate() throws { try require("--recover", recover, in: 0.1...1e6) }

    /// How training goes on; nil if it does not.
    func parsed() -> TrainingRecovery? { recover.map { TrainingRecovery(timeout: .seconds($0)) } }
}

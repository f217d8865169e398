import ArgumentParser
import Weir

/// The options that write the trained model.
struct ExportOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Write the model of the last fold to this folder, as a SavedModel: weir predict and TensorFlow read it.", valueName: "DIR"))
    var export: String?
    @Option(
        help: ArgumentHelp(
            "Write the graph of the last fold's model to this file, with constants in place of variables.", valueName: "FILE.pb"))
    var exportFrozen: String?

    private var isWanted: Bool { export != nil || exportFrozen != nil }

    /// Asks for what the model needs.
    /// - Throws: `ValidationError` when the model names no predictions; the error of a file that cannot be written.
    func apply(to options: inout TrainingOptions) throws {
        guard isWanted else { return }
        guard options.model.predictions != nil else {
            throw ValidationError("--export needs a model with predictions; name those of a file with --predictions")
        }
        if let export { try ServableModel.check(destination: export) }
        if let exportFrozen { try OutputFile.check(exportFrozen, option: "--export-frozen") }
        options.returnsParameters = true
    }

    /// Writes the model of the last fold.
    /// - Returns: what was written.
    func write(_ report: CrossValidationReport, _ options: TrainingOptions) throws(Status) -> [(what: String, path: String)] {
        guard isWanted, let fold = report.folds.last else { return [] }
        let standardization = try Standardization(options.data, fold: report.folds.count - 1, of: options.foldCount, seed: options.seed)
        var servable = try ServableModel(options.model, values: fold.parameters, standardization: standardization)
        servable.columns = ModelColumns(options.data)
        var written: [(what: String, path: String)] = []
        if let export {
            try servable.write(to: export)
            written.append(("saved model", export))
        }
        if let exportFrozen {
            try servable.writeFrozen(to: exportFrozen)
            written.append(("frozen graph", exportFrozen))
        }
        return written
    }
}

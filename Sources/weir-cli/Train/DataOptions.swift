import ArgumentParser
import Weir

/// The options that name the rows to train and test on.
struct DataOptions: ParsableArguments {
    @Option(help: "iris, digits, or a CSV file: a header row, numeric columns, the last column the label (default: the model's).")
    var data: String?
    @Option(parsing: .unconditional, help: "Parts that the rows are cut into; each is held out in turn, to test on.") var folds = 5

    func validate() throws { try require("--folds", folds, in: 2...1_000) }

    /// The rows.
    func table(_ defaults: TrainingDefaults) throws -> Table {
        switch data ?? defaults.data {
        case "iris": try Table.iris()
        case "digits": try Table.digits()
        case let path: try Table(csvFile: path)
        }
    }
}

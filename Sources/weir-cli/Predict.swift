import ArgumentParser
import Weir

struct Predict: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compute the predictions of a saved model for rows of a file.",
        discussion: """
            MODEL is the folder of a SavedModel, which weir train --export, weir ensemble or TensorFlow wrote, or a frozen graph (.pb). Prints a \
            table, one line a row. A model that Weir wrote knows the names of its columns and classes: columns of a CSV file may have any order.
            """)

    @Argument(help: ArgumentHelp("The folder of a SavedModel, or a frozen graph.", valueName: "MODEL")) var model: String
    @Option(help: "\(BuiltInRows.names), a CSV file with a header row, or .npz or .safetensors with the inputs by name.")
    var data: String
    @Option(
        help: ArgumentHelp(
            "CSV: the column to leave out (default: those that the model does not take; the last, if it does not name its columns and there is one too "
                + "many).", valueName: "COLUMN"))
    var label: String?
    @Flag(help: "CSV: take columns by their place, though the model knows their names.") var byPlace = false
    @Option(help: "The signature to compute.") var signature = ModelSignature.defaultName
    @Option(help: "The tags of the graph in a SavedModel, separated by commas (default: serve).") var tags: String?
    @Flag(help: "Print one JSON object a row.") var json = false
    @Flag(help: "Print comma-separated values.") var csv = false

    func validate() throws {
        if json, csv { throw ValidationError("--json and --csv exclude each other") }
    }

    func run() async throws {
        let saved = try SavedModel(contentsOf: model, tags: tags.map { Set($0.split(separator: ",").map(String.init)) })
        let wanted = try saved.signature(signature)
        let inputs: [String: Tensor]
        if let known = BuiltInRows.named(data) {
            guard label == nil else { throw ValidationError("--label is for --data that is a CSV file; found \(data)") }
            let window = wanted.inputs["features"].flatMap { $0.shape.rank == 2 ? $0.shape[1] : nil }
            inputs = try PredictionData.rows(of: known.rows(window ?? Dataset.usualWindow).data, for: wanted)
        } else {
            inputs = try PredictionData.read(data, for: wanted, columns: byPlace ? nil : saved.columns, leavingOut: label, onColumns: tell)
        }
        let session = try await saved.session()
        let outputs = try await saved.predict(inputs, signature: signature, in: session)
        try await session.close()
        // Rows are counted by an input. An output of another length, or a scalar, is the same for all rows.
        let rowCount = inputs.values.compactMap { $0.rank > 0 ? $0.shape[0] : nil }.first ?? 1
        let names = outputs.keys.sorted()
        let columns = names.compactMap { name in
            outputs[name].map { Column($0, rowCount: rowCount, classes: name == ServableModel.classesOutput ? saved.columns : nil) }
        }
        if json {
            for row in 0..<rowCount {
                Terminal.line("\(JSONValue.object(zip(names, columns).map { JSONValue.Member($0, $1.json(row)) }))")
            }
            return
        }
        let classes = saved.columns?.classes ?? []
        let header = zip(names, columns).flatMap { name, column in
            let isByClass = name == ServableModel.probabilitiesOutput && column.width == classes.count
            return column.width == 1 ? [name] : (0..<column.width).map { "\(name)[\(isByClass ? classes[$0] : "\($0)")]" }
        }
        let rows = [header] + (0..<rowCount).map { row in columns.flatMap { $0.texts(row) } }
        let lines = csv ? rows.map { $0.map(Predict.quoted).joined(separator: ",") } : table(rows)
        for line in lines { Terminal.line(line) }
    }

    /// Says which columns of the file are taken, where that is not plain.
    private func tell(_ choice: PredictionColumns) {
        let leftOut = choice.leftOut.joined(separator: ", ")
        guard !leftOut.isEmpty else { return }
        Terminal.error(
            choice.isByName
                ? "weir: columns of \(data) that the model does not take are left out: \(leftOut)"
                : "weir: the columns of \(data) are taken by their place; the last, '\(leftOut)', is left out; --label names another")
    }

    /// A field of CSV: in quotes if it needs them.
    private static func quoted(_ field: String) -> String {
        guard field.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return field }
        return "\"" + field.map { $0 == "\"" ? "\"\"" : String($0) }.joined() + "\""
    }

    /// The values of an output, by row.
    private struct Column {
        let tensor: Tensor
        let isByRow: Bool
        /// The number of elements for a row.
        let width: Int
        /// The names of the classes whose numbers these are, if they are known.
        let classes: ModelColumns?

        init(_ tensor: Tensor, rowCount: Int, classes: ModelColumns?) {
            self.tensor = tensor
            self.classes = classes.flatMap { tensor.dtype.isInteger && !$0.classes.isEmpty ? $0 : nil }
            isByRow = tensor.rank > 0 && tensor.shape[0] == rowCount
            width = isByRow ? tensor.shape.count(1...) : tensor.elementCount
        }

        private func range(_ row: Int) -> Range<Int> { isByRow ? row * width..<(row + 1) * width : 0..<width }

        func texts(_ row: Int) -> [String] { range(row).map(text) }

        /// An element as text: of a class its name, if it has one.
        private func text(_ index: Int) -> String {
            let text = tensor.element(index)
            return classes.flatMap { classes in Int(text).map(classes.className) } ?? text
        }

        func json(_ row: Int) -> JSONValue {
            let elements = range(row).map(element)
            let isScalar = isByRow ? tensor.rank == 1 : tensor.rank == 0
            return isScalar ? elements.first ?? .null : .array(elements)
        }

        /// An element. A float has the fewest digits that give the same float again.
        private func element(_ index: Int) -> JSONValue {
            let text = text(index)
            if classes != nil { return .text(text) }
            switch tensor.dtype {
            case .bool: return .boolean(text == "1")
            case .string: return .text(text)
            default:
                if let whole = Int(text) { return .integer(whole) }
                return Double(text).map { JSONValue($0) } ?? .text(text)
            }
        }
    }
}

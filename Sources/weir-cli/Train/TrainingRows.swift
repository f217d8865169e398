import Weir

/// The rows of a training, with what the networks of the command line must know of them.
struct TrainingRows {
    let data: TrainingData
    /// The shape of a row of `features`; nil if there are none.
    let featureShape: [Int]?
    /// The number of classes of `labels`; nil if there are none.
    let classCount: Int?
    /// The rows with numbers to predict, the column `targets`; nil if there are none.
    private(set) var regression: Dataset?
    /// The characters of `features`; nil if these are no text.
    private(set) var vocabulary: Vocabulary?

    init(_ table: Table) {
        data = .table(table)
        featureShape = table.featureShape
        classCount = table.classes.count
    }

    /// The rows of a table whose labels are numbers to predict.
    init(targetsOf table: Table) throws(Status) {
        let dataset = try Dataset(targetsOf: table)
        data = .standardized(dataset)
        featureShape = table.featureShape
        classCount = nil
        regression = dataset
    }

    /// The rows of a text.
    init(text dataset: Dataset) throws(Status) {
        data = .dataset(dataset)
        let column = try dataset.column("features")
        featureShape = column.shape.dimensions
        classCount = nil
        vocabulary = try Vocabulary(column)
    }

    /// Rows in memory. If they have features, these are standardized; with labels, they are a table, with targets they are for a regression.
    init(inMemory dataset: Dataset) throws(Status) {
        let names = dataset.columns.map(\.name)
        switch (names.contains("features"), names.contains("labels")) {
        case (true, true): self.init(try Table(dataset))
        case (true, false):
            try self.init(.standardized(dataset), like: dataset)
            if names.contains("targets") { regression = dataset }
        case (false, _): try self.init(.dataset(dataset), like: dataset)
        }
    }

    /// - Parameter dataset: has the columns of the data. If the classes have no names, the labels are read to count them.
    init(_ data: TrainingData, like dataset: Dataset) throws(Status) {
        self.data = data
        featureShape = dataset.columns.first { $0.name == "features" }?.shape.dimensions
        guard let labels = dataset.columns.first(where: { $0.name == "labels" }), labels.dtype.isInteger, labels.shape.elementCount == 1 else {
            classCount = nil
            return
        }
        if let names = labels.classes {
            classCount = names.count
        } else {
            var numbers = try dataset.values(of: "labels").integers("labels")
            if case .divided(_, let test) = data { numbers += try test.values(of: "labels").integers("labels") }
            guard let last = numbers.max(), last < 1 << 24, numbers.allSatisfy({ $0 >= 0 }) else {
                throw .invalidArgument("Column 'labels': expected class numbers from 0 on, found \(numbers.min() ?? 0) to \(numbers.max() ?? 0)")
            }
            classCount = last + 1
        }
    }

    /// The shape of a row of features, and the number of classes.
    /// - Parameter model: the model that asks, for the error.
    func classified(for model: String) throws(Status) -> (shape: [Int], classCount: Int) {
        guard let shape = featureShape, let classCount else {
            if let column = regression.flatMap({ rows in rows.columns.first { $0.name == "targets" } }) {
                throw .invalidArgument(
                    "--model \(model) tells classes apart; column '\(column.elementNames?.first ?? column.name)' has numbers to predict: expected --model "
                        + "dnn, or --classification, which takes each number of a CSV file for a class")
            }
            let found = vocabulary == nil ? "data without them" : "a text"
            throw .invalidArgument(
                "--model \(model) takes the columns 'features', of numbers, and 'labels', of class numbers, which --columns names; found \(found)"
            )
        }
        return (shape, classCount)
    }

    /// The number of characters of a row, and the characters.
    /// - Parameter model: the model that asks, for the error.
    func text(for model: String) throws(Status) -> (window: Int, vocabulary: Vocabulary) {
        guard let vocabulary, let window = featureShape?.first else {
            let texts = BuiltInRows.all.filter(\.isText).map(\.name).joined(separator: ", ")
            throw .invalidArgument("--model \(model) takes --data that is a text: \(texts) or FILE.txt; found other rows")
        }
        return (window, vocabulary)
    }

    /// The shape of a row of features, for a model that takes no labels.
    /// - Parameter model: the model that asks, for the error.
    func features(for model: String) throws(Status) -> [Int] {
        guard let featureShape, featureShape.allSatisfy({ $0 > 0 }) else {
            throw .invalidArgument("--model \(model) takes the column 'features', of numbers, which --columns names; found data without it")
        }
        return featureShape
    }

    /// The height and width of a row that is a picture: its first dimension and the product of the others, or those of a square.
    static func grid(_ shape: [Int], for model: String) throws(Status) -> [Int] {
        if shape.count >= 2 { return [shape[0], shape.dropFirst().reduce(1, *)] }
        let count = shape.reduce(1, *)
        let side = Int(Double(count).squareRoot().rounded())
        guard side >= 2, side * side == count else {
            throw .invalidArgument("--model \(model) takes rows that are images, square ones such as 64 features if their shape does not say; found \(count)")
        }
        return [side, side]
    }
}

public import WeirTensor
import WeirWire

extension Dataset {
    /// The number of characters of a row where nobody says otherwise.
    public static let usualWindow = 64

    /// Cuts a text into rows to learn from: which character comes next?
    ///
    /// A row has `features`, `window` characters, and `labels`, those that follow each of them, both `int32`. A row's characters are no other row's,
    /// so that rows that are held out have none that was trained on; what is left at the end is dropped. The columns' classes are the characters of
    /// the text: `Vocabulary(try dataset.column("features"))`.
    /// - Throws: `invalidArgument` for a window without characters, a text that is shorter than two rows, or one with more characters than a
    ///   vocabulary can have.
    public init(text: String, window: Int = usualWindow) throws(Status) {
        try self.init(Array(text.unicodeScalars), window: window, source: "The text")
    }

    /// Reads a text in UTF-8 and cuts it into rows as `init(text:window:)` does. It may block.
    /// - Throws: `notFound` when the file does not exist; `invalidArgument` with the place of the first byte that is not UTF-8; as
    ///   `init(text:window:)`.
    public init(textFile path: String, window: Int = usualWindow) throws(Status) {
        try self.init(Dataset.characters(of: InputFile.contents(of: path), path), window: window, source: path)
    }

    private init(_ characters: [Unicode.Scalar], window: Int, source: String) throws(Status) {
        guard window >= 1 else { throw .invalidArgument("A row must have at least 1 character, found \(window)") }
        // A row's last label is one character more.
        guard characters.count / 2 > window else {
            throw .invalidArgument(
                "\(source): expected at least two rows of \(window) characters and the one that follows, found \(characters.count) characters")
        }
        let vocabulary: Vocabulary
        do throws(Status) { vocabulary = try Vocabulary(of: characters) } catch { throw Status(error.code, "\(source): \(error.message)") }
        self.init(checked: TextWindows(characters, window, vocabulary))
    }

    /// The characters of bytes in UTF-8.
    static func characters(of bytes: [UInt8], _ source: String) throws(Status) -> [Unicode.Scalar] {
        var parser = Unicode.UTF8.ForwardParser()
        var rest = bytes.makeIterator()
        var characters: [Unicode.Scalar] = []
        characters.reserveCapacity(bytes.count)
        var place = 0
        while true {
            switch parser.parseScalar(from: &rest) {
            case .valid(let encoded):
                characters.append(Unicode.UTF8.decode(encoded))
                place += encoded.count
            case .emptyInput: return characters
            case .error: throw .invalidArgument("\(source): expected text in UTF-8, found a byte that is not at \(place)")
            }
        }
    }
}

/// Rows of a text in memory: windows that follow each other, each of the characters of a row and one more.
private struct TextWindows: RowSource {
    let columns: [DatasetColumn]
    let rowCount: Int
    private let window: Int
    /// The numbers of the characters.
    private let numbers: [Int32]

    init(_ characters: [Unicode.Scalar], _ window: Int, _ vocabulary: Vocabulary) {
        numbers = characters.compactMap { vocabulary[$0] }
        rowCount = characters.count / (window + 1)
        self.window = window
        columns = ["features", "labels"].map { DatasetColumn($0, .int32, Shape(window), classes: vocabulary.names) }
    }

    var isInMemory: Bool { true }

    func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] {
        let shape = try Shape(validating: [numbers.count, window])
        let features = try Tensor(.int32, shape), labels = try Tensor(.int32, shape)
        let (from, to) = (features.mutableElements(Int32.self), labels.mutableElements(Int32.self))
        for (row, number) in numbers.enumerated() {
            let start = number * (window + 1)
            for step in 0..<window {
                from[row * window + step] = self.numbers[start + step]
                to[row * window + step] = self.numbers[start + step + 1]
            }
        }
        return ["features": features, "labels": labels]
    }
}

public import WeirTensor

/// The characters that a model of texts knows, each with a number: their place in the order of Unicode.
///
/// A character is a Unicode scalar, so that numbers become a text again without rules.
public struct Vocabulary: Hashable, Sendable {
    /// More characters than any language has; a file with more is no text to learn from.
    public static let greatestCount = 1 << 14
    /// The characters by number.
    public let characters: [Unicode.Scalar]
    private let numbers: [Unicode.Scalar: Int32]

    /// A vocabulary of these characters; one that occurs several times is taken once.
    /// - Throws: `invalidArgument` without characters, or with more than `greatestCount`.
    public init(of characters: some Sequence<Unicode.Scalar>) throws(Status) {
        self.characters = Set(characters).sorted()
        guard (1...Vocabulary.greatestCount).contains(self.characters.count) else {
            throw .invalidArgument("A vocabulary must have 1 to \(Vocabulary.greatestCount) different characters, found \(self.characters.count)")
        }
        numbers = Dictionary(uniqueKeysWithValues: zip(self.characters, Int32(0)...))
    }

    /// The vocabulary of a column of a dataset of texts.
    /// - Throws: `invalidArgument` when its classes are not the characters of one.
    public init(_ column: DatasetColumn) throws(Status) {
        let scalars = (column.classes ?? []).flatMap(\.unicodeScalars)
        try self.init(of: scalars)
        guard names == column.classes else {
            throw .invalidArgument(
                "Column '\(column.name)': expected a class for each character, in the order of Unicode; found \(column.classes?.count ?? 0) classes")
        }
    }

    /// The number of characters.
    public var count: Int { characters.count }
    /// Each character as a text.
    public var names: [String] { characters.map { String($0) } }

    /// The number of a character; nil if it is not in the vocabulary.
    public subscript(_ character: Unicode.Scalar) -> Int32? { numbers[character] }

    /// The numbers of a text's characters.
    /// - Throws: `invalidArgument` with the first character that is not in the vocabulary, and its place.
    public func numbers(of text: String) throws(Status) -> [Int32] {
        var result: [Int32] = []
        for (place, character) in text.unicodeScalars.enumerated() {
            guard let number = self[character] else {
                throw .invalidArgument(
                    "Expected a text of the \(count) characters that the model knows, found '\(character.escaped(asASCII: false))' at place "
                        + "\(place + 1)")
            }
            result.append(number)
        }
        return result
    }

    /// The text of these numbers; those that are no number of a character are left out.
    public func text(_ numbers: some Sequence<Int32>) -> String {
        var result = String.UnicodeScalarView()
        for number in numbers where characters.indices.contains(Int(number)) { result.append(characters[Int(number)]) }
        return String(result)
    }
}

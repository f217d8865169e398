import Testing
import Weir
import WeirTensor
import WeirWire

@testable import WeirTrain

@Suite("Texts")
struct TextTests {
    private let scratch = FileSystemScratch()

    @Test("a text becomes windows that share no character, each with the characters that follow")
    func windows() throws {
        let dataset = try Dataset(text: "abcabdabeabf-x", window: 3)
        let vocabulary = try Vocabulary(dataset.column("features"))
        #expect(String(String.UnicodeScalarView(vocabulary.characters)) == "-abcdefx" && dataset.rowCount == 3)
        let rows = try dataset.rows([2, 0])
        let features = try #require(rows["features"]), labels = try #require(rows["labels"])
        #expect(features.shape == [2, 3] && features.dtype == .int32 && labels.shape == [2, 3])
        #expect(vocabulary.text(try features.array(of: Int32.self)) == "eababc")
        #expect(vocabulary.text(try labels.array(of: Int32.self)) == "abfbca")
    }

    @Test("held-out windows have no character of the training's, and all windows are in one of both")
    func folds() throws {
        let text = String(String.UnicodeScalarView((0..<200).compactMap { Unicode.Scalar(0x4E00 + $0) }))
        let dataset = try Dataset(text: text, window: 9)
        let (train, test) = try TrainingData.dataset(dataset).fold(1, of: 4, seed: 3)
        func characters(_ rows: Dataset) throws -> Set<Int32> {
            let found = try rows.rows(0..<rows.rowCount).values.flatMap { try $0.array(of: Int32.self) }
            return Set(found)
        }
        #expect(train.rowCount == 15 && test.rowCount == 5)
        #expect(try characters(train).isDisjoint(with: characters(test)))
        #expect(try characters(train).union(characters(test)).count == 200)
    }

    @Test("numbers and characters go over into each other, and a character that is not known is named with its place")
    func vocabulary() throws {
        let vocabulary = try Vocabulary(of: "naïve 😀".unicodeScalars)
        #expect(vocabulary.text(try vocabulary.numbers(of: "ïn😀")) == "ïn😀")
        #expect(vocabulary.text([-1, Int32.max, 1]) == "a")
        let error = #expect(throws: Status.self) { try vocabulary.numbers(of: "na\tz") }
        #expect(error?.message == "Expected a text of the 7 characters that the model knows, found '\\t' at place 3", "\(error?.message ?? "")")
        #expect(throws: Status.self) { try Vocabulary(of: []) }
        let many = (0..<UInt32(Vocabulary.greatestCount + 1)).compactMap { Unicode.Scalar(0x10000 + $0) }
        #expect(#expect(throws: Status.self) { try Vocabulary(of: many) }?.message.contains("found 16385") == true)
        #expect(try Vocabulary(of: many.dropLast()).count == 16384)
    }

    @Test("classes that are not the characters of a text are no vocabulary", arguments: [nil, ["b", "a"], ["ab"], ["a", "a"], []] as [[String]?])
    func otherClasses(_ classes: [String]?) {
        let error = #expect(throws: Status.self) { try Vocabulary(DatasetColumn("features", .int32, [4], classes: classes)) }
        #expect(error?.code == .invalidArgument)
    }

    @Test("a file in UTF-8 is read, and the first byte that is none is named")
    func files() throws {
        let path = "\(scratch.path)/own.txt"
        try AtomicFile.write(Array("Größe über alles\n".utf8), to: path)
        let dataset = try Dataset(textFile: path, window: 4)
        #expect(dataset.rowCount == 3)
        for (bytes, place) in [([0x61, 0xFF, 0x62], 1), ([0xC3], 0), ([0xE2, 0x82, 0xAC, 0xE2, 0x82], 3), ([0xED, 0xA0, 0x80], 0)] as [([UInt8], Int)] {
            try AtomicFile.write(bytes, to: path)
            let error = #expect(throws: Status.self) { try Dataset(textFile: path, window: 1) }
            #expect(error?.message == "\(path): expected text in UTF-8, found a byte that is not at \(place)", "\(error?.message ?? "")")
        }
        #expect(#expect(throws: Status.self) { try Dataset(textFile: "\(scratch.path)/none.txt") }?.code == .notFound)
    }

    @Test("a text that is too short for two rows, or a window without characters, is refused", arguments: [0, -1, .min, 4, .max])
    func tooShort(_ window: Int) throws {
        let error = #expect(throws: Status.self) { try Dataset(text: "123456789", window: window) }
        #expect(error?.code == .invalidArgument && error?.message.contains("found \(window < 1 ? window : 9)") == true, "\(error?.message ?? "")")
        #expect(try Dataset(text: "1234567890", window: 4).rowCount == 2)
    }

    @Test("the book is whole")
    func alice() throws {
        let book = try Dataset.alice()
        #expect(book.rowCount == 148_480 / 65)
        let vocabulary = try Vocabulary(book.column("features"))
        #expect(vocabulary.count == 72 && vocabulary[" "] == 1 && vocabulary["\r"] == nil)
        // The sum of all bytes, which the file of the corpus has too without carriage returns and its last byte.
        #expect(AliceText.text.utf8.reduce(0) { $0 + Int($1) } == 12_831_041)
        #expect(AliceText.text.hasSuffix("THE END\n") && AliceText.text.hasPrefix("\n\n\n\n    "))
    }
}

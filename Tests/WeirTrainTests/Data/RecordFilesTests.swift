import Testing
import WeirTensor
import WeirWire

@testable import WeirTrain

@Suite("TFRecord files of examples")
struct RecordFilesTests {
    private let scratch = FileSystemScratch()
    private func file(_ bytes: [UInt8], _ name: String = "x.tfrecord") throws -> String {
        let path = "\(scratch.path)/\(name)"
        try AtomicFile.write(bytes, to: path)
        return path
    }

    @Test("an example that TensorFlow wrote is read, and written byte for byte")
    func example() throws {
        let example = try Example(serialized: Samples.example)
        #expect(example.features == ["x": .floats([1.5, -2]), "y": .integers([-3]), "s": .bytes([ByteString([97, 98, 255])])])
        // TensorFlow sorts the names, too.
        #expect(example.serialized == Samples.example)
        #expect(try Example(serialized: []).features.isEmpty)
    }

    @Test("values that are not packed, lists that go on, and kinds that change are read as protobuf says")
    func otherForms() throws {
        func example(_ kinds: [UInt8]) -> [UInt8] {
            let entry = [0x0a, 1, 97, 0x12, UInt8(kinds.count)] + kinds
            let all = [0x0a, UInt8(entry.count)] + entry
            return [0x0a, UInt8(all.count)] + all
        }
        // Integers 5 and 6, each by itself; floats as single values; a list after another.
        #expect(try Example(serialized: example([0x1a, 4, 8, 5, 8, 6])).features == ["a": .integers([5, 6])])
        #expect(try Example(serialized: example([0x12, 5, 0x0d, 0, 0, 128, 63])).features == ["a": .floats([1])])
        #expect(try Example(serialized: example([0x1a, 2, 8, 5, 0x1a, 2, 8, 7])).features == ["a": .integers([5, 7])])
        #expect(try Example(serialized: example([0x1a, 2, 8, 5, 0x0a, 3, 0x0a, 1, 98])).features == ["a": .bytes(["b"])])
        #expect(try Example(serialized: example([])).features.isEmpty)
        #expect(thrownStatus { _ = try Example(serialized: example([0x12, 5, 0x0a, 3, 0, 0, 0])) }?.message.contains("multiple of 4 bytes") == true)
    }

    @Test("rows of records that TensorFlow wrote are read in any order")
    func records() throws {
        let dataset = try Dataset(recordFiles: [file(Samples.records)])
        #expect(dataset.rowCount == 3 && dataset.columns == [DatasetColumn("x", .float32, [2]), DatasetColumn("y", .int64)] && !dataset.isInMemory)
        let rows = try dataset.rows([2, 0])
        #expect(rows["x"] == Tensor([Float(2.5), 2, 0.5, 0], ofShape: [2, 2]) && rows["y"] == Tensor([Int64(2), 0]))
        let shaped = try Dataset(recordFiles: [file(Samples.records)], features: [DatasetColumn("x", .float32, [1, 2, 1])])
        #expect(try shaped.rows([1]) == ["x": Tensor([Float(1.5), 1], ofShape: [1, 1, 2, 1])])
    }

    @Test("rows are written to shards, and come back", arguments: [1, 2, 3])
    func shards(_ count: Int) async throws {
        let before = try Dataset(
            [
                "a": Tensor((0..<10).map { Float($0) }, ofShape: [5, 2]), "k": Tensor((0..<5).map { UInt8($0) }),
                "s": Tensor((0..<5).map { ByteString("s\($0)") }),
            ])
        try before.write(recordFile: "\(scratch.path)/rows.tfrecord", shards: count)
        #expect(scratch.names.count == count)
        if count == 3 { #expect(scratch.names[1] == "rows-00001-of-00003.tfrecord") }
        let after = try Dataset(recordFiles: ["\(scratch.path)/rows*.tfrecord"])
        // Row i went to shard i mod count.
        let order = (0..<count).flatMap { Array(stride(from: $0, to: 5, by: count)) }
        let (expected, found) = try (before.rows(order), after.rows(0..<5))
        #expect(found["a"] == expected["a"] && found["s"] == expected["s"])
        #expect(try found["k"] == expected["k"]?.converted(to: .int64, "k"))
        var names: [Tensor] = []
        for try await batch in try after.batch(2).prefetch(2) { names.append(try #require(batch["s"])) }
        #expect(names.map(\.elementCount) == [2, 2, 1])
    }

    @Test("features that are missing, or of another kind or number, are told with file and offset")
    func mistakes() throws {
        let path = try file(Samples.records)
        func message(_ feature: DatasetColumn) -> String {
            thrownStatus { _ = try Dataset(recordFiles: [path], features: [feature]).rows([1]) }?.message ?? "no error"
        }
        #expect(message(DatasetColumn("z", .float32)) == "\(path): record at 49: feature 'z': expected float of shape [], found none")
        #expect(message(DatasetColumn("x", .int64, [2])).contains("expected 2 values of int64, found 2 of float"))
        #expect(message(DatasetColumn("x", .float32, [3])).contains("expected 3 values of float, found 2 of float"))
        #expect(message(DatasetColumn("x", .int32, [2])).contains("string, float or int64"))
        #expect(thrownStatus { _ = try Dataset(recordFiles: ["\(scratch.path)/none-*.tfrecord"]) }?.code == .notFound)
        #expect(thrownStatus { _ = try Dataset(recordFiles: [file([], "empty.tfrecord")]) }?.message.contains("at least one record") == true)
    }

    @Test("damaged files are refused, at the start or with the row")
    func damagedFiles() throws {
        for (number, bytes) in damaged(Samples.records).enumerated() {
            let path = try file(bytes)
            let status = thrownStatus {
                let dataset = try Dataset(recordFiles: [path])
                _ = try dataset.rows(0..<dataset.rowCount)
            }
            // A file that ends between two records is a whole one.
            let isWhole = number < Samples.records.count && number > 0 && number % 49 == 0
            #expect((status == nil) == isWhole, "damage \(number): \(String(describing: status))")
            if let status { #expect(status.message.contains(path)) }
        }
        for bytes in damaged(Samples.example) { _ = thrownStatus { _ = try Example(serialized: bytes) } }
    }
}

import Foundation
import Testing
import WeirGraph
import WeirTensor

import WeirOps
@testable import WeirTextOps

/// A directory of a test's own, and a session of the IO ops in it.
private final class Workplace {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)").path
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
    var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() } }

    @discardableResult
    func run(_ op: String, _ inputs: [Tensor], _ attributes: Attributes = [:]) throws -> [Tensor] {
        let session = try TinySession(ioOps)
        let operation = session.add(op, inputs.map { session.feed($0) }, attributes)
        if operation.outputs.isEmpty {
            try session.run(operation)
            return []
        }
        return try session.run(operation.outputs).compactMap { $0 }
    }
    func save(_ prefix: String, _ items: [(String, String, Tensor)]) throws {
        let names = items.map { ByteString($0.0) }
        let specs = items.map { ByteString($0.1) }
        try run("SaveV2", [Tensor(self(prefix)), Tensor(names), Tensor(specs)] + items.map(\.2))
    }
    func restore(_ prefix: String, _ name: String, _ dtype: DType, _ spec: String = "") throws -> Tensor {
        let inputs = [Tensor(self(prefix)), Tensor([ByteString(name)]), Tensor([ByteString(spec)])]
        return try run("RestoreV2", inputs, ["dtypes": .types([dtype])])[0]
    }
}

@Suite struct IOOpsTests {
    @Test("tensors and slices that SaveV2 writes, RestoreV2 reads")
    func saveAndRestore() throws {
        let place = try Workplace()
        let ones = Tensor([Float](repeating: 1, count: 4), ofShape: Shape(2, 2))
        let words = Tensor([ByteString("x"), "yz"])
        try place.save("c", [("words", "", words), ("p", "4 2 0,2:-", ones), ("ints", "", Tensor([Int32(1), 2]))])
        #expect(try place.names == ["c.data-00000-of-00001", "c.index"])
        // By name, whatever order they were given in: the file TensorFlow writes.
        let data = try Data(contentsOf: URL(fileURLWithPath: place("c.data-00000-of-00001")))
        #expect(data.count == 8 + 16 + 9 && data.prefix(8) == Data([1, 0, 0, 0, 2, 0, 0, 0]))
        #expect(try place.restore("c", "words", .string) == words)
        #expect(try place.restore("c", "ints", .int32, "2 1,1") == Tensor([Int32(2)]))
        #expect(try place.restore("c", "p", .float32, "4 2 0,1:1,1") == Tensor([Float(1)], ofShape: Shape(1, 1)))
    }

    @Test("what cannot be restored is told in TensorFlow's codes and words")
    func restoreFailures() throws {
        let place = try Workplace()
        try place.save("c", [("a", "", Tensor([Int32(1), 2, 3]))])
        func failing(_ name: String, _ spec: String, _ dtype: DType, prefix: String = "c") throws -> Status {
            try failure { _ = try place.restore(prefix, name, dtype, spec) }
        }
        #expect(try failing("b", "", .int32).message.hasPrefix("Key b not found in checkpoint"))
        let wrongType = "tensor_name = a; expected dtype float does not equal original dtype int32"
        #expect(try failing("a", "", .float32).message.hasPrefix(wrongType))
        #expect(try failing("a", "4 0,2", .int32).code == .invalidArgument)
        #expect(try failing("a", "3 x", .int32).code == .invalidArgument)
        let missing = try failing("a", "", .int32, prefix: "none")
        #expect(missing.code == .notFound)
        let words = "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for"
        #expect(missing.message.hasPrefix(words))
    }

    @Test("a restored slice's shape is known while building")
    func restoredShape() throws {
        let session = try TinySession(ioOps)
        func const(_ tensor: Tensor) -> Output {
            session.builder.add("Const", attributes: ["value": .tensor(tensor), "dtype": .type(tensor.dtype)])[0]
        }
        let inputs = [Tensor("c"), Tensor([ByteString("a"), "b"]), Tensor([ByteString("6 2 0,3:-"), ""])]
        let restored = session.add("RestoreV2", inputs.map(const), ["dtypes": .types([.float32, .int32])])
        #expect(restored[0].shape == [3, 2])
        #expect(restored[1].shape == .unknown)
    }

    @Test("the shards of several tasks become one checkpoint")
    func merge() throws {
        let place = try Workplace()
        let parts = try (0..<2).map { task in
            let inputs = [Tensor(place("c_temp/part")), Tensor(Int32(task)), Tensor(Int32(2))]
            let name = try place.run("ShardedFilename", inputs)[0]
            let rows = Tensor([Float](repeating: Float(task), count: 2), ofShape: Shape(1, 2))
            try place.run("SaveV2", [name, Tensor([ByteString("p")]), Tensor([ByteString("2 2 \(task),1:-")]), rows])
            return try name.scalar(of: ByteString.self)
        }
        try place.run("MergeV2Checkpoints", [Tensor(parts), Tensor(place("c"))])
        #expect(try place.names == ["c.data-00000-of-00002", "c.data-00001-of-00002", "c.index"])
        #expect(try place.restore("c", "p", .float32) == Tensor([Float(0), 0, 1, 1], ofShape: Shape(2, 2)))
        let again = try failure { try place.run("MergeV2Checkpoints", [Tensor(parts), Tensor(place("c"))]) }
        #expect(again.code == .invalidArgument)
    }

    @Test("names of shards have five digits, patterns five question marks")
    func shardedNames() throws {
        let place = try Workplace()
        let inputs = [Tensor("foo"), Tensor(Int32(1)), Tensor(Int32(100))]
        #expect(try place.run("ShardedFilename", inputs)[0] == Tensor("foo-00001-of-00100"))
        #expect(try place.run("ShardedFilespec", [inputs[0], inputs[2]])[0] == Tensor("foo-?????-of-00100"))
    }

    @Test("whole files are written, found and read")
    func files() throws {
        let place = try Workplace()
        try place.run("WriteFile", [Tensor(place("sub/b.txt")), Tensor("hello")])
        try place.run("WriteFile", [Tensor(place("sub/a.txt")), Tensor("")])
        #expect(try place.run("ReadFile", [Tensor(place("sub/b.txt"))])[0] == Tensor("hello"))
        let patterns = Tensor([ByteString(place("sub/b*")), ByteString(place("*/a.txt"))])
        let found = try place.run("MatchingFiles", [patterns])[0]
        #expect(found == Tensor([ByteString(place("sub/a.txt")), ByteString(place("sub/b.txt"))]))
        let missing = try failure { try place.run("ReadFile", [Tensor("/no/such")]) }
        #expect(missing == .notFound("/no/such; No such file or directory"))
    }

    @Test("a file that is a link, has another name, or is no file stays what it is when it is written")
    func writtenInPlace() throws {
        let place = try Workplace()
        let files = FileManager.default
        for name in ["target", "one"] { try place.run("WriteFile", [Tensor(place(name)), Tensor("old")]) }
        try files.setAttributes([.posixPermissions: 0o640], ofItemAtPath: place("target"))
        try files.createSymbolicLink(atPath: place("link"), withDestinationPath: place("target"))
        try files.linkItem(atPath: place("one"), toPath: place("other"))
        for name in ["link", "one"] { try place.run("WriteFile", [Tensor(place(name)), Tensor("new")]) }
        for name in ["target", "link", "other"] { #expect(try place.run("ReadFile", [Tensor(place(name))])[0] == Tensor("new")) }
        #expect(try files.destinationOfSymbolicLink(atPath: place("link")) == place("target"))
        #expect(try files.attributesOfItem(atPath: place("target"))[.posixPermissions] as? Int == 0o640)
        #expect(try place.names == ["link", "one", "other", "target"])
        // Nobody reads from the pipe, and nobody waits for one who does.
        #expect(mkfifo(place("pipe"), 0o600) == 0)
        let status = try failure { try place.run("WriteFile", [Tensor(place("pipe")), Tensor("new")]) }
        #expect(status.message.contains("pipe; No such device or address"), "\(status)")
    }

    @Test("summaries are the bytes TensorFlow makes, and merge unless tags repeat")
    func summaries() throws {
        let place = try Workplace()
        let loss = try place.run("ScalarSummary", [Tensor("loss"), Tensor(Float(0.25))])[0]
        #expect(loss == Tensor(ByteString([0x0a, 0x0b, 0x0a, 0x04] + Array("loss".utf8) + [0x15, 0, 0, 0x80, 0x3e])))
        let histogram = try place.run("HistogramSummary", [Tensor("h"), Tensor([1.0, 2])])[0]
        let merged = try place.run("MergeSummary", [loss, histogram], ["N": 2])[0].scalar(of: ByteString.self)
        let parts = try [loss, histogram].map { try $0.scalar(of: ByteString.self).bytes }
        #expect(merged.bytes == parts[0] + parts[1])
        let twice = try failure { try place.run("MergeSummary", [loss, loss], ["N": 2]) }
        #expect(twice.message.hasPrefix("Duplicate tag loss found in summary inputs"))
        let nonsense = try failure { try place.run("MergeSummary", [loss, Tensor("zzz")], ["N": 2]) }
        #expect(nonsense.code == .invalidArgument)
        let nan = try failure { try place.run("HistogramSummary", [Tensor("h"), Tensor([Float.nan])]) }
        #expect(nan.message.hasPrefix("Nan in summary histogram for: HistogramSummary"))
        let misfit = try failure { try place.run("ScalarSummary", [Tensor("a"), Tensor([Float(1)])]) }
        #expect(misfit.message.hasPrefix("tags and values are not the same shape: [] != [1] (tag 'a')"))
    }

    @Test("a tensor survives being serialised; another type than asked for is an invalid argument")
    func serialize() throws {
        let place = try Workplace()
        let tensor = Tensor([Float(1), 2], ofShape: Shape(1, 2))
        let serialized = try place.run("SerializeTensor", [tensor])
        #expect(try place.run("ParseTensor", serialized, ["out_type": .type(.float32)])[0] == tensor)
        let other = try failure { try place.run("ParseTensor", serialized, ["out_type": .type(.int32)]) }
        #expect(other.message.hasPrefix("Type mismatch between parsed tensor (float) and dtype (int32)"))
        let nonsense = try failure { try place.run("ParseTensor", [Tensor("zzz")], ["out_type": .type(.int32)]) }
        #expect(nonsense.code == .invalidArgument)
    }
}

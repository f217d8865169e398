import Testing
import WeirTensor
import WeirWire

@testable import WeirTrain

@Suite("Files of tensors: npz, safetensors, IDX")
struct TensorFileTests {
    private let scratch = FileSystemScratch()
    private func file(_ bytes: [UInt8], _ name: String = "x") throws -> String {
        let path = "\(scratch.path)/\(name)"
        try AtomicFile.write(bytes, to: path)
        return path
    }

    @Test("what NumPy saved is read, compressed or not")
    func numpy() throws {
        let expected = ["features": Tensor((0..<6).map { Float($0) }, ofShape: [3, 2]), "labels": Tensor([Int64(2), 0, 1])]
        for bytes in [Samples.npz, Samples.compressedNpz] {
            try #require(!bytes.isEmpty)
            #expect(try NumpyArchive.read(file(bytes)) == expected)
        }
        let dataset = try Dataset(numpyFile: file(Samples.npz))
        #expect(dataset.rowCount == 3)
        #expect(try dataset.rows([1])["features"] == Tensor([Float(2), 3], ofShape: [1, 2]))
        let table = try Table(dataset)
        #expect(table.features == [[0, 1], [2, 3], [4, 5]] && table.labels == [2, 0, 1] && table.classes == ["0", "1", "2"])
    }

    @Test("archives that are written are read again")
    func numpyRoundTrip() throws {
        let tensors = ["a/b": Tensor([Float16(1.5)]), "z": Tensor([UInt8](), ofShape: [0, 3]), "c": Tensor(Complex(1.0, -2)), "t": Tensor([true, false])]
        let path = "\(scratch.path)/y.npz"
        try NumpyArchive.write(tensors, to: path)
        #expect(try NumpyArchive.read(path) == tensors)
        try NumpyArchive.write([:], to: path)
        #expect(try NumpyArchive.read(path).isEmpty)
        #expect(thrownStatus { try NumpyArchive.write(["s": Tensor("x")], to: path) }?.code == .invalidArgument)
        #expect(try NumpyArchive.read(path).isEmpty)
        try NumpyArchive.writeArray(Tensor([Int16(5)]), to: path)
        #expect(try NumpyArchive.readArray(path) == Tensor([Int16(5)]))
    }

    @Test("a damaged archive is read or refused, and says where", arguments: [false, true])
    func damagedArchive(_ isCompressed: Bool) throws {
        let whole = isCompressed ? Samples.compressedNpz : Samples.npz
        let expected = try NumpyArchive.read(file(whole))
        for (number, bytes) in damaged(whole).enumerated() {
            let path = try file(bytes)
            let status = thrownStatus {
                // What changes nothing that counts, such as a date, may be read: then as it was, but for the names.
                let found = try NumpyArchive.read(path)
                if found.keys == expected.keys { #expect(found == expected) }
            }
            if let status { #expect(status.message.contains(path), "\(status)") }
            if number < whole.count { #expect(status?.code == .dataLoss || status?.code == .invalidArgument) }
        }
    }

    @Test("an archive cannot claim more than its bytes become")
    func bomb() throws {
        var bytes = Samples.compressedNpz
        // The full size of the first entry in the directory, which follows its compressed size.
        let directory = try #require((0..<bytes.count - 4).first { Array(bytes[$0..<$0 + 4]) == [0x50, 0x4b, 1, 2] })
        bytes.replaceSubrange(directory + 24..<directory + 28, with: [0xfe, 0xff, 0xff, 0xff])
        let status = thrownStatus { _ = try NumpyArchive.read(file(bytes)) }
        #expect(status?.code == .dataLoss && status?.message.contains("cannot become 4294967294") == true, "\(String(describing: status))")
        // Two entries with the same bytes.
        var twice = Samples.npz
        let entries = (0..<twice.count - 4).filter { Array(twice[$0..<$0 + 4]) == [0x50, 0x4b, 1, 2] }
        try #require(entries.count == 2)
        twice.replaceSubrange(entries[1] + 42..<entries[1] + 46, with: [0, 0, 0, 0])
        #expect(thrownStatus { _ = try NumpyArchive.read(file(twice)) }?.message.contains("inside of another") == true)
    }

    @Test("safetensors are read as the format says")
    func safetensors() throws {
        let header =
            #"{"__metadata__":{"by":"hand"},"b":{"dtype":"I16","shape":[2],"data_offsets":[8,12]},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#
        let whole = [UInt8(header.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(header.utf8) + [0, 0, 128, 63, 0, 0, 0, 192, 5, 0, 255, 255]
        let expected = ["a": Tensor([Float(1), -2], ofShape: [1, 2]), "b": Tensor([Int16(5), -1])]
        #expect(try SafetensorsFile.read(file(whole)) == expected)
        for (number, bytes) in damaged(whole).enumerated() {
            let path = try file(bytes)
            let status = thrownStatus { _ = try SafetensorsFile.read(path) }
            if let status { #expect(status.message.contains(path), "\(status)") }
            if number < whole.count { #expect(status?.code == .dataLoss, "a prefix of \(number) bytes: \(String(describing: status))") }
        }
    }

    @Test("tensors of every type come back from a safetensors file")
    func safetensorsRoundTrip() throws {
        let path = "\(scratch.path)/x.safetensors"
        var tensors: [String: Tensor] = ["empty": Tensor([Float](), ofShape: [0, 4]), "scalar \"q\"": Tensor(Double(2)), "bool": Tensor([true, false, true])]
        for dtype in [DType.float16, .bfloat16, .int8, .uint8, .int16, .uint16, .int32, .uint32, .int64, .uint64, .complex64] {
            tensors["\(dtype)"] = try Tensor([UInt8(1), 2, 3]).converted(to: .int64, "x").castForTest(dtype)
        }
        try SafetensorsFile.write(tensors, to: path)
        #expect(try SafetensorsFile.read(path) == tensors)
        #expect(thrownStatus { try SafetensorsFile.write(["s": Tensor("x")], to: path) }?.code == .invalidArgument)
    }

    @Test(
        "a header of safetensors with wrong places is refused",
        arguments: [
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, "expected elements from 4"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, "expected elements from 0"),
            (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, "a range of 8 bytes"),
            (#"{"a":{"dtype":"F32","shape":[9223372036854775807,4],"data_offsets":[0,4]}}"#, "overflow"),
            (#"{"a":{"dtype":"F8_E5M2","shape":[4],"data_offsets":[0,4]}}"#, "expected one of F32"),
            (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,-4]}}"#, "negative"),
            (#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, "4 bytes of elements after the header, found 8"),
            (#"{"a":[]}"#, "expected an object"), (#"{"a":{"dtype":"F32"}}"#, "a.shape"),
        ])
    func wrongHeaders(_ sample: (header: String, expected: String)) throws {
        let bytes = [UInt8(sample.header.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(sample.header.utf8) + [UInt8](repeating: 0, count: 8)
        let status = thrownStatus { _ = try SafetensorsFile.read(file(bytes)) }
        #expect(status?.message.contains(sample.expected) == true, "\(String(describing: status))")
    }

    @Test("IDX files are big-endian, and may be compressed")
    func idx() throws {
        #expect(try IDXFile.read(file(Samples.idxGzip)) == Tensor((0..<12).map { UInt8($0) }, ofShape: [2, 2, 3]))
        let numbers: [UInt8] = [0, 0, 0x0b, 1, 0, 0, 0, 2, 1, 2, 0xff, 0xfe]
        #expect(try IDXFile.read(file(numbers)) == Tensor([Int16(258), -2]))
        for tensor in [Tensor([Int32(1), -70000]), Tensor([1.5, -2], ofShape: [2, 1]), Tensor([Float(3)]), Tensor([Int8(-1)]), Tensor([Int16(258), -2])] {
            let path = "\(scratch.path)/y"
            try IDXFile.write(tensor, to: path)
            #expect(try IDXFile.read(path) == tensor)
        }
        #expect(try InputFile.contents(of: file(numbers)).count == 12)
        #expect(thrownStatus { try IDXFile.write(Tensor(Float(1)), to: "\(scratch.path)/y") }?.code == .invalidArgument)
        for whole in [Samples.idxGzip, numbers] {
            for (number, bytes) in damaged(whole).enumerated() {
                let path = try file(bytes)
                let status = thrownStatus { _ = try IDXFile.read(path) }
                if let status { #expect(status.message.contains(path), "\(status)") }
                if number < whole.count { #expect(status?.code == .dataLoss) }
            }
        }
        let huge: [UInt8] = [0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]
        #expect(thrownStatus { _ = try IDXFile.read(file(huge)) }?.code == .dataLoss)
    }

    @Test("a folder of MNIST's files has rows to train and to test on")
    func idxFolder() throws {
        for (part, count) in [("train", 3), ("t10k", 2)] {
            try IDXFile.write(Tensor([UInt8](repeating: 7, count: count * 4), ofShape: [count, 2, 2]), to: "\(scratch.path)/\(part)-images-idx3-ubyte")
            try IDXFile.write(Tensor((0..<count).map { UInt8($0) }), to: "\(scratch.path)/\(part)-labels.idx1-ubyte")
        }
        #expect(DataFormat(path: scratch.path) == .idxFolder)
        let (train, test) = try Dataset.idxFolder(scratch.path)
        #expect(train.rowCount == 3 && test.rowCount == 2)
        #expect(try train.column("features") == DatasetColumn("features", .uint8, [2, 2, 1]) && train.column("labels").classes == ["0", "1", "2"])
        try IDXFile.write(Tensor([UInt8(0)]), to: "\(scratch.path)/t10k-labels.idx1-ubyte")
        #expect(thrownStatus { _ = try Dataset.idxFolder(scratch.path) }?.message.contains("expected 2 labels") == true)
        let empty = FileSystemScratch()
        #expect(thrownStatus { _ = try Dataset.idxFolder(empty.path) }?.code == .notFound)
    }

    @Test("files are told apart by their names")
    func formats() {
        let expected: [(String, DataFormat)] = [
            ("a.csv", .csv), ("a.tsv", .csv), ("a.txt", .text), ("a.NPZ", .numpy), ("m.safetensors", .safetensors), ("train-*.tfrecord", .records),
            ("x.tfrecords", .records), ("x.tfrecord-00000-of-00002", .records), (scratch.path, .imageFolder),
        ]
        for (path, format) in expected { #expect(DataFormat(path: path) == format, "\(path)") }
    }
}

extension Tensor {
    /// Three integers as any type of number.
    fileprivate func castForTest(_ dtype: DType) throws -> Tensor {
        if dtype == .complex64 { return Tensor(try integers().map { Complex(Float($0), 1) }) }
        return try converted(to: dtype, "x")
    }
}

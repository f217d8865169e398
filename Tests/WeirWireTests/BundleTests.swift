import Testing
import WeirTensor

@testable import WeirWire

@Suite struct BundleTests {
    /// What TensorFlow's SaveV2 writes for `ints` [1, 2], `words` ["x", "yz"] and the slice 0,2:0,2 of a 4 by 2 tensor
    /// `p` of ones.
    static let goldenIndex = [UInt8](
        hex: """
            00000608011a020801000a150070000101028082808208011208120208021202080220082810352337cbbb00040f696e7473\
            0803120412020802280835bfdfdb7a000116700801120812020804120208023a080a0210020a02100200051177\
            6f7264730807120412020802201828093599c75aef000000000100000000cc278ad4000000000100000000c0f2a1b0\
            00010278007c000000000100000000ea936f708101088e010e00000000000000000000000000000000000000000000\
            00000000000000000000000057fb808b247547db
            """)
    static let goldenData = [UInt8](hex: "0100000002000000 0000803f0000803f0000803f0000803f 0102bfdfdb7a78797a")
    /// How long the first block of the index is: its entries.
    static let blockSize = 0x7c
    static let part = "4 2 0,2:0,2"

    static func writeGolden(_ prefix: String) throws {
        var writer = try BundleWriter(prefix)
        try writer.add("ints", Tensor([Int32(1), 2]))
        try writer.add("p", ShapeAndSlice(parsing: part), Tensor([Float](repeating: 1, count: 4), ofShape: Shape(2, 2)))
        try writer.add("words", Tensor([ByteString("x"), "yz"]))
        try writer.finish()
    }

    @Test("a checkpoint is removed with all its shards, and nothing of another")
    func removing() throws {
        let directory = try TemporaryDirectory()
        try Self.writeGolden(directory("model-1"))
        try Self.writeGolden(directory("model-10"))
        for name in ["model-1.data-00001-of-00002", "model-1.data-00001-of-2", "model-1.meta"] { try directory.write(name, [1]) }
        try BundleFiles.remove(directory("model-1"))
        #expect(
            try directory.names == ["model-1.data-00001-of-2", "model-1.meta", "model-10.data-00000-of-00001", "model-10.index"])
        try BundleFiles.remove(directory("model-1"))
        try BundleFiles.remove(directory("nowhere/model"))
    }

    @Test("a checkpoint is written byte for byte as TensorFlow writes it, and nothing else is")
    func goldenBytes() throws {
        let directory = try TemporaryDirectory()
        try Self.writeGolden(directory("sub/ckpt"))
        #expect(try directory.read("sub/ckpt.index").hex == Self.goldenIndex.hex)
        #expect(try directory.read("sub/ckpt.data-00000-of-00001").hex == Self.goldenData.hex)
        #expect(try FileSystem.contents(of: directory("sub")) == ["ckpt.data-00000-of-00001", "ckpt.index"])
    }

    @Test("TensorFlow's checkpoint is read")
    func reading() throws {
        let directory = try TemporaryDirectory()
        try directory.write("c.index", Self.goldenIndex)
        try directory.write("c.data-00000-of-00001", Self.goldenData)
        let reader = try BundleReader(directory("c"))
        #expect(try reader.tensors().map(\.name) == ["ints", "p", "words"])
        #expect(try reader.tensor("ints") == Tensor([Int32(1), 2]))
        #expect(try reader.tensor("words") == Tensor([ByteString("x"), "yz"]))
        let row = try reader.tensor("p", ShapeAndSlice(parsing: "4 2 1,1:-"))
        #expect(row == Tensor([Float(1), 1], ofShape: Shape(1, 2)))
        #expect(try reader.contains("ints"))
        #expect(try !reader.contains("int"))
    }

    @Test("what is not there is not found, in TensorFlow's words")
    func missing() throws {
        let directory = try TemporaryDirectory()
        try Self.writeGolden(directory("c"))
        let reader = try BundleReader(directory("c"))
        #expect(throws: Status.notFound("Key nope not found in checkpoint")) { try reader.tensor("nope") }
        #expect(code { _ = try reader.tensor("") } == .notFound)
        #expect(
            throws: Status.notFound(
                "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for /no/such")
        ) { try BundleReader("/no/such") }
    }

    @Test("every type comes back, as scalar, matrix and empty tensor", arguments: DType.allCases)
    func types(_ dtype: DType) throws {
        let directory = try TemporaryDirectory()
        var writer = try BundleWriter(directory("c"))
        var tensors: [Tensor] = []
        for shape in [Shape(), Shape(3, 4), Shape(0), Shape(2, 0, 3)] {
            let tensor = try Tensor.zeros(dtype, shape)
            if dtype == .string {
                for index in 0..<tensor.elementCount {
                    let bytes = [UInt8](repeating: 0xc3, count: index * 70)
                    tensor.mutableElements(ByteString.self)[index] = ByteString(bytes)
                }
            } else if dtype.isBitwise {
                for index in tensor.bytes.indices { tensor.mutableBytes[index] = UInt8(index % 2) }
            }
            tensors.append(tensor)
        }
        guard dtype != .resource, dtype != .variant else {
            #expect(code { try writer.add("t", tensors[0]) } == .unimplemented)
            return
        }
        for (index, tensor) in tensors.enumerated() { try writer.add(ByteString("t\(index)"), tensor) }
        try writer.finish()
        let reader = try BundleReader(directory("c"))
        for (index, tensor) in tensors.enumerated() { #expect(try reader.tensor(ByteString("t\(index)")) == tensor) }
    }

    @Test("thousands of names, in several blocks, are all found, and no others")
    func manyKeys() throws {
        let directory = try TemporaryDirectory()
        var writer = try BundleWriter(directory("c"))
        let names = (0..<7000).map { ByteString("scope_of_some_length_\($0 % 100)/layer_\($0)/kernel/momentum") }
        for (index, name) in names.enumerated() { try writer.add(name, Tensor(Int32(index))) }
        try writer.finish()
        #expect(try directory.read("c.index").count > 2 * 262_144 / 2)
        let reader = try BundleReader(directory("c"))
        for index in stride(from: 0, to: names.count, by: 97) {
            #expect(try reader.tensor(names[index]) == Tensor(Int32(index)))
            #expect(try !reader.contains(ByteString(names[index].bytes + [0])))
            #expect(try !reader.contains(ByteString(Array(names[index].bytes.dropLast()))))
        }
        #expect(try reader.tensors().map(\.name) == names.sorted())
    }

    @Test("a partitioned tensor is put together, whole or in slices that cut across its parts")
    func partitions() throws {
        let directory = try TemporaryDirectory()
        let whole = Tensor((0..<42).map { Float($0) }, ofShape: Shape(7, 6))
        var writer = try BundleWriter(directory("c"))
        for rows in ["0,3", "3,4"] {
            for columns in ["0,2", "2,4"] {
                let place = try ShapeAndSlice(parsing: "7 6 \(rows):\(columns)")
                try writer.add("p", place, cut(whole, place.slice))
            }
        }
        try writer.finish()
        let reader = try BundleReader(directory("c"))
        #expect(try reader.tensor("p") == whole)
        #expect(try reader.tensors().count == 1)
        for spec in ["2,3:1,4", "-:3,2", "0,3:0,2", "6,1:-", "-:-"] {
            let place = try ShapeAndSlice(parsing: "7 6 \(spec)")
            #expect(try reader.tensor("p", place) == cut(whole, place.slice), "\(spec)")
        }
        #expect(code { _ = try reader.tensor("p", ShapeAndSlice(parsing: "7 7 -:-")) } == .invalidArgument)
    }

    @Test("a missing part is an invalid argument, not zeros")
    func missingPart() throws {
        let directory = try TemporaryDirectory()
        try Self.writeGolden(directory("c"))
        #expect(
            throws: Status.invalidArgument(
                "Does not have sufficient slices for partitioned tensor p to restore in slice_spec: -:-")
        ) { try BundleReader(directory("c")).tensor("p") }
    }

    @Test("slices that overlap are refused, although together they are as large as the tensor")
    func overlappingParts() throws {
        let directory = try TemporaryDirectory()
        var writer = try BundleWriter(directory("c"))
        for rows in ["0,2", "1,2"] {
            let place = try ShapeAndSlice(parsing: "4 2 \(rows):-")
            try writer.add("p", place, Tensor([1, 2, 3, 4] as [Float], ofShape: [2, 2]))
        }
        try writer.finish()
        let reader = try BundleReader(directory("c"))
        do {
            _ = try reader.tensor("p")
            Issue.record("row 3 of the tensor is in no slice")
        } catch {
            #expect(error.code == .internalError)
            #expect(error.message.contains("Overlapping slices: existing slice = 0,2:-, new slice = 1,2:-"))
        }
    }

    @Test("boxes with common elements are found, and boxes that only touch are not")
    func overlaps() {
        func grid(_ count: Int) -> [[Range<Int>]] {
            (0..<count * count).map { [$0 / count * 3..<$0 / count * 3 + 3, $0 % count * 2..<$0 % count * 2 + 2] }
        }
        #expect(firstOverlap(grid(20)) == nil)
        #expect(firstOverlap(grid(20) + [[5..<6, 7..<8]]).map { [$0, $1] } == [23, 400])
        #expect(firstOverlap([[0..<4, 0..<2], [0..<4, 2..<4], [1..<1, 0..<4]]) == nil)
        #expect(firstOverlap([[], []]).map { [$0, $1] } == [0, 1])
        #expect(firstOverlap([[0..<4]]) == nil)
    }

    @Test("names that are taken, empty, or mean different tensors are invalid arguments")
    func names() throws {
        let directory = try TemporaryDirectory()
        var writer = try BundleWriter(directory("c"))
        let ones = Tensor([Float](repeating: 1, count: 4), ofShape: Shape(2, 2))
        try writer.add("a", ones)
        try writer.add("p", ShapeAndSlice(parsing: "4 2 0,2:-"), ones)
        #expect(code { try writer.add("a", ones) } == .invalidArgument)
        #expect(code { try writer.add("", ones) } == .invalidArgument)
        #expect(code { try writer.add("a", ShapeAndSlice(parsing: "4 2 0,2:-"), ones) } == .invalidArgument)
        #expect(code { try writer.add("p", ones) } == .invalidArgument)
        #expect(code { try writer.add("p", ShapeAndSlice(parsing: "8 2 2,2:-"), ones) } == .invalidArgument)
        #expect(code { try writer.add("p", ShapeAndSlice(parsing: "4 2 0,2:-"), ones) } == .invalidArgument)
        #expect(code { try writer.add("p", ShapeAndSlice(parsing: "4 2 0,1:-"), ones) } == .invalidArgument)
    }

    @Test("a checkpoint that is not finished leaves nothing behind, one that cannot be written neither")
    func nothingLeft() throws {
        let directory = try TemporaryDirectory()
        do {
            var writer = try BundleWriter(directory("c"))
            try writer.add("a", Tensor(Int32(1)))
            #expect(try directory.names.count == 1)
        }
        #expect(try directory.names == [])
        // A directory in the place of the index cannot be replaced by a file.
        try FileSystem.createDirectory(directory("d.index/x"))
        #expect(code { try Self.writeGolden(directory("d")) } != nil)
        #expect(try directory.names == ["d.index"])
    }

    @Test("merging renames the shards, joins the parts of partitioned tensors, and removes what it merged")
    func merge() throws {
        let directory = try TemporaryDirectory()
        let parts = (0..<3).map { BundleFiles.sharded(directory("c_temp/part"), $0, of: 3) }
        for (index, part) in parts.enumerated() {
            var writer = try BundleWriter(part)
            if index < 2 {
                try writer.add(ByteString("own\(index)"), Tensor(Int32(index)))
                let rows = Tensor([Float](repeating: Float(index), count: 4), ofShape: Shape(2, 2))
                try writer.add("p", ShapeAndSlice(parsing: "4 2 \(2 * index),2:-"), rows)
            }
            try writer.finish()
        }
        try BundleMerge.merge(parts, into: directory("c"))
        #expect(try directory.names == ["c.data-00000-of-00002", "c.data-00001-of-00002", "c.index"])
        let reader = try BundleReader(directory("c"))
        #expect(try reader.tensor("own1") == Tensor(Int32(1)))
        #expect(try reader.tensor("p") == Tensor([Float]([0, 0, 0, 0, 1, 1, 1, 1]), ofShape: Shape(4, 2)))
    }

    @Test("merging parts with the same tensor, or with none there, changes nothing")
    func mergeFailures() throws {
        let directory = try TemporaryDirectory()
        for name in ["a", "b"] {
            var writer = try BundleWriter(directory(name))
            try writer.add("same", Tensor(Int32(1)))
            try writer.finish()
        }
        let before = try directory.names
        func merge(_ names: String..., allowingMissing: Bool = false) throws {
            try BundleMerge.merge(names.map { directory($0) }, into: directory("c"), allowingMissing: allowingMissing)
        }
        #expect(code { try merge("a", "b") } == .invalidArgument)
        #expect(code { try merge("a", "x") } == .invalidArgument)
        #expect(code { try merge("x", allowingMissing: true) } == .invalidArgument)
        #expect(try directory.names == before)
        try merge("a", "x", allowingMissing: true)
        #expect(try BundleReader(directory("c")).tensor("same") == Tensor(Int32(1)))
    }

    @Test("a damaged index or shard is a status, and never another tensor")
    func damage() throws {
        let directory = try TemporaryDirectory()
        let tensors: [ByteString: Tensor] = ["ints": Tensor([Int32(1), 2]), "words": Tensor([ByteString("x"), "yz"])]
        func check() {
            let failure = code {
                let reader = try BundleReader(directory("c"))
                for (name, tensor) in tensors { #expect(try reader.tensor(name) == tensor) }
                _ = try reader.tensors()
            }
            #expect(failure == nil || [.dataLoss, .notFound, .invalidArgument].contains(failure))
        }
        try directory.write("c.data-00000-of-00001", Self.goldenData)
        for bytes in damaged(Self.goldenIndex) {
            try directory.write("c.index", bytes)
            check()
        }
        try directory.write("c.index", Self.goldenIndex)
        for bytes in damaged(Self.goldenData) {
            try directory.write("c.data-00000-of-00001", bytes)
            check()
        }
    }

    @Test("damage behind a right checksum is a status too")
    func forgery() throws {
        // The entries' block, with every bit flipped in turn and its checksum made right again.
        let directory = try TemporaryDirectory()
        try directory.write("c.data-00000-of-00001", Self.goldenData)
        for contents in damaged(Array(Self.goldenIndex.prefix(Self.blockSize))) where contents.count == Self.blockSize {
            var bytes = contents + [0]
            bytes.appendLittleEndian(CRC32C.mask(CRC32C.checksum(bytes)))
            try directory.write("c.index", bytes + Self.goldenIndex.dropFirst(bytes.count))
            _ = code {
                let reader = try BundleReader(directory("c"))
                for (name, _) in try reader.tensors() { _ = code { _ = try reader.tensor(name) } }
            }
        }
    }

    @Test("blocks compressed with snappy are read")
    func snappyBlock() throws {
        let directory = try TemporaryDirectory()
        // The golden table, its first block as one snappy literal; the blocks behind it move by the few bytes more.
        let size = Self.blockSize
        var first: [UInt8] = [UInt8(size), 60 << 2, UInt8(size - 1)] + Self.goldenIndex.prefix(size) + [1]
        first.appendLittleEndian(CRC32C.mask(CRC32C.checksum(first)))
        var table = BlockBuilder(restartInterval: 1)
        table.add([0x78], [0x00, UInt8(first.count - 5)])
        var index = table.finish() + [0]
        index.appendLittleEndian(CRC32C.mask(CRC32C.checksum(index)))
        var footer: [UInt8] = [0, 0]
        BlockTable.Handle(offset: first.count, size: index.count - 5).append(to: &footer)
        footer += [UInt8](repeating: 0, count: 40 - footer.count)
        footer.appendLittleEndian(BlockTable.magic)
        try directory.write("c.index", first + index + footer)
        try directory.write("c.data-00000-of-00001", Self.goldenData)
        #expect(try BundleReader(directory("c")).tensor("ints") == Tensor([Int32(1), 2]))
    }

    /// The part of a 7 by 6 matrix.
    private func cut(_ whole: Tensor, _ slice: TensorSlice) throws -> Tensor {
        let ranges = try slice.ranges(in: whole.shape)
        let values = try whole.array(of: Float.self)
        let rows = ranges[0].flatMap { row in ranges[1].map { values[row * whole.dimension(1) + $0] } }
        return Tensor(rows, ofShape: Shape(ranges.map(\.count)))
    }
}

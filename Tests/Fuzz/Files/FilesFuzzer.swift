import Weir
import WeirWire

/// Mutated files of every format that Weir reads.
struct FilesFuzzer: FuzzKind {
    static let name = "files"
    static let abstract = "Mutated checkpoints, records, event files, NumPy arrays, graphs and texts."
    private enum Format: String, CaseIterable { case bundle, table, records, events, numpy, graph, graphText, snappy, slice, cluster, state, tensor, received }
    private let session: FuzzSession
    private let bundle: (index: [UInt8], data: [UInt8])
    private let entries: [(key: [UInt8], value: [UInt8])]
    private let event: [UInt8]
    private let graph: (bytes: [UInt8], text: [UInt8])

    init(_ session: FuzzSession) async throws {
        self.session = session
        var writer = try BundleWriter("seed")
        try writer.add("a", Tensor([Float(1), 2, 3, 4, 5, 6], ofShape: [2, 3]))
        try writer.add("b/Adam", Tensor([Int64(7)]))
        try writer.add("s", Tensor([ByteString("one"), ByteString("three")]))
        try writer.add("parted", ShapeAndSlice(parsing: "4 2 0,2:0,2"), Tensor([Float(1), 2, 3, 4], ofShape: [2, 2]))
        try writer.add("parted", ShapeAndSlice(parsing: "4 2 2,2:0,2"), Tensor([Float(5), 6, 7, 8], ofShape: [2, 2]))
        try writer.finish()
        bundle = (try InputFile.contents(of: "seed.index"), try InputFile.contents(of: BundleFiles.data("seed", shard: 0, of: 1)))
        entries = FilesFuzzer.entries()
        event = try Event(step: 3, .summary(Summary([Summary.Value("loss", .scalar(0.5)), Summary.Value("h", .histogram(Histogram(of: [1, 2, 3])))]))).encoded()
        let builder = GraphBuilder(registry: .standard)
        let x = builder.add("Placeholder", name: "x", attributes: ["dtype": .type(.float32), "shape": .shape([nil, 3])])
        _ = builder.add("MatMul", [x[0], builder.constant(Tensor([Float(1), 2, 3], ofShape: [3, 1]))], name: "y")
        let definition = try builder.graph().definition
        graph = (try definition.serialized(), Array(try definition.text.utf8))
    }

    /// The encoded entries of a checkpoint's table, built by hand so that each can be mutated alone.
    private static func entries() -> [(key: [UInt8], value: [UInt8])] {
        func entry(_ type: UInt8, _ dimensions: [UInt8], _ offset: UInt8, _ size: UInt8) -> [UInt8] {
            let shape = dimensions.flatMap { [0x12, 2, 8, $0] as [UInt8] }
            return [8, type, 0x12, UInt8(shape.count)] + shape + [0x20, offset, 0x28, size, 0x35, 1, 2, 3, 4]
        }
        let slice: [UInt8] = [0x3A, 8, 0x0A, 4, 8, 0, 0x10, 2, 0x0A, 0]
        return [
            ([], [8, 1, 0x1A, 2, 8, 1]), (Array("a".utf8), entry(1, [2, 3], 0, 24)), (Array("b".utf8), entry(9, [1], 24, 8)),
            (Array("p".utf8), entry(1, [4, 2], 0, 0) + slice), (Array("s".utf8), entry(7, [2], 32, 20)), (Array("z".utf8), entry(1, [0, 3], 0, 0)),
        ]
    }

    private struct Case {
        var format: Format
        var files: [[UInt8]]
    }

    private func make(_ random: inout SplitMix64) -> Case {
        var mutator = Mutator(SplitMix64(seed: random.next()))
        func several(_ bytes: [UInt8]) -> [UInt8] { (0..<mutator.random.int(1...4)).reduce(bytes) { bytes, _ in mutator.raw(bytes) } }
        func framed(_ record: [UInt8]) -> [UInt8] {
            var frame: [UInt8] = []
            frame.appendLittleEndian(random.chance(92) ? UInt64(record.count) : random.pick(Mutator.extremes))
            frame.appendLittleEndian(CRC32C.mask(CRC32C.checksum(frame)))
            frame += record
            frame.appendLittleEndian(CRC32C.mask(CRC32C.checksum(record)))
            return frame
        }
        let format = random.pick(Format.allCases)
        switch format {
        case .bundle:
            return Case(
                format: format, files: [random.chance(70) ? several(bundle.index) : bundle.index, random.chance(50) ? several(bundle.data) : bundle.data])
        case .table:
            var tables = TableMaker(random: SplitMix64(seed: random.next()))
            mutator.donors = entries.map(\.value)
            let changed = entries.map { key, value in
                (random.chance(92) ? key : mutator.raw(key), random.chance(55) ? value : mutator.message(value))
            }
            return Case(format: format, files: [tables.table(changed, mutator: &mutator), bundle.data])
        case .records:
            let records = (0..<random.int(1...3)).flatMap { _ in framed((0..<random.below(30)).map { _ in UInt8(truncatingIfNeeded: random.next()) }) }
            return Case(format: format, files: [random.chance(50) ? records : several(records)])
        case .events: return Case(format: format, files: [framed(mutator.message(event)) + framed(event)])
        case .numpy:
            let dtype = random.pick([DType.float32, .int64, .bool, .complex128, .float16])
            var maker = TensorMaker(SplitMix64(seed: random.next()))
            let whole = (try? NumpyFile.bytes(of: maker.tensor(dtype, Shape(maker.dimensions(rank: random.int(0...3)))))) ?? []
            var bytes = random.chance(40) ? several(whole) : whole
            if random.chance(60), let open = bytes.firstIndex(of: 0x28), let shut = bytes.firstIndex(of: 0x29), open < shut {
                let shape = random.pick(TensorMaker.hugeEmpty + [[-1], [.max, .max], [1 << 62, 2], [.min]]).map { "\($0)" }.joined(separator: ", ")
                bytes.replaceSubrange(open...shut, with: Array("(\(shape),)".utf8))
                // Keeps the header's length right, so that the reader gets to the shape.
                let end = bytes.firstIndex(of: 10) ?? 10
                let length = max(0, end + 1 - 10)
                if bytes.count > 10 { (bytes[8], bytes[9]) = (UInt8(length & 255), UInt8(length >> 8 & 255)) }
                if random.chance(60) { bytes.removeSubrange((end + 1)...) }
            }
            return Case(format: format, files: [bytes])
        case .graph:
            mutator.donors = [graph.bytes]
            return Case(format: format, files: [mutator.message(graph.bytes)])
        case .graphText: return Case(format: format, files: [several(graph.text)])
        case .snappy:
            let seed: [UInt8] = [20, 12] + Array("abcd".utf8) + [0x0D, 4, 0x3E, 4, 0, 0x0F, 1, 0, 0, 0]
            return Case(
                format: format, files: [random.chance(80) ? several(seed) : (0..<random.below(40)).map { _ in UInt8(truncatingIfNeeded: random.next()) }])
        case .slice:
            return Case(
                format: format,
                files: [
                    several(
                        Array(
                            random.pick([
                                "4 2 0,2:0,2", "3 3 -:0,1", "", "9223372036854775807 2 0,9223372036854775807:-", "0 4 0,0:-", "5 4,9223372036854775807",
                            ]).utf8))
                ])
        case .cluster:
            return Case(
                format: format,
                files: [
                    several(
                        Array(
                            random.pick([
                                "{\"cluster\":{\"ps\":[\"h:1\"],\"worker\":[\"a:2\",\"b:3\"]},\"task\":{\"type\":\"ps\",\"index\":0}}", "ps|a:1,b:2;worker|c:3",
                                "{\"worker\":{\"0\":\"a:70000\",\"99999999999\":\"b\"}}",
                                "{\"cluster\":{\"w\":{\"-1\":\"x\"}},\"task\":{\"type\":\"w\",\"index\":9223372036854775807}}",
                            ]).utf8))
                ])
        case .state:
            return Case(
                format: format,
                files: [several(Array("model_checkpoint_path: \"m-5\"\nall_model_checkpoint_paths: \"m-4\"\nall_model_checkpoint_timestamps: 1e300\n".utf8))])
        case .tensor, .received:
            var maker = TensorMaker(SplitMix64(seed: random.next()))
            let tensor = maker.tensor(random.pick([.float32, .int32, .string, .bool, .complex64, .float16, .int8, .uint64]))
            let bytes = format == .tensor ? (try? tensor.serialized()) : (try? ReceiveTensorCoder.encode(tensor).contiguous)
            return Case(format: format, files: [mutator.message(bytes ?? [])])
        }
    }

    func describe(_ number: Int, _ random: inout SplitMix64) async throws -> String {
        let made = make(&random)
        return "\(made.format.rawValue) "
            + made.files.map { "\($0.count) bytes \($0.prefix(300).map { String($0, radix: 16) }.joined(separator: " "))" }.joined(separator: "; ")
    }

    func run(_ number: Int, _ random: inout SplitMix64) async throws -> Bool {
        let made = make(&random)
        do { return try read(made) } catch { return false }
    }

    /// - Returns: whether anything was read successfully.
    private func read(_ made: Case) throws -> Bool {
        let bytes = made.files[0]
        let text = String(decoding: bytes, as: UTF8.self)
        switch made.format {
        case .bundle, .table:
            try write(bytes, "case.index")
            try write(made.files[1], BundleFiles.data("case", shard: 0, of: 1))
            let reader = try BundleReader("case")
            var read = 0
            for (name, entry) in (try? reader.tensors()) ?? [] {
                if (try? reader.tensor(name)) != nil { read += 1 }
                if let part = try? ShapeAndSlice(parsing: "\(entry.shape.dimensions.map(String.init).joined(separator: " ")) -") {
                    _ = try? reader.tensor(name, part)
                }
            }
            for key in ["a", "p", "parted", "s", "z", "none"] { if (try? reader.tensor(ByteString(key))) != nil { read += 1 } }
            try? reader.forEachEntry { _, _ in }
            // Only sometimes, because it writes to the disk.
            if bytes.reduce(0, &+) % 32 == 0 { _ = try? BundleMerge.merge(["case"], into: "merged/x", deletingDirectories: false) }
            return read > 0
        case .records:
            try write(bytes, "case.records")
            let reader = try RecordReader("case.records")
            var count = 0
            while try reader.next() != nil { count += 1 }
            return count > 0
        case .events:
            try write(bytes, "case.events")
            let reader = try EventFileReader("case.events")
            var count = 0
            while try reader.next() != nil { count += 1 }
            return count > 0
        case .numpy: return try NumpyFile.tensor(from: bytes).rank >= 0
        case .graph: return try Graph(GraphDefinition(serialized: bytes), registry: .standard).nodes.count >= 0
        case .graphText: return try GraphDefinition(text: text).nodes.count >= 0
        case .snappy: return try Snappy.decompress(bytes[...]).count >= 0
        case .slice:
            let part = try ShapeAndSlice(parsing: text)
            _ = try? part.slice.ranges(in: part.fullShape)
            return try part.slice.shape(in: part.fullShape).rank >= 0
        case .cluster:
            _ = try? ServerDefinition(.configuration(text), job: nil, task: nil)
            return try ClusterSpec(argument: text.hasPrefix("@") ? String(text.dropFirst()) : text).tasks.count >= 0
        case .state: return try CheckpointState(text: text).latest.isEmpty
        case .tensor: return try Tensor(serialized: bytes).rank >= 0
        case .received: return try ReceiveTensorCoder.decode(bytes).tensor.rank >= 0
        }
    }

    private func write(_ bytes: [UInt8], _ path: String) throws {
        let file = try OutputFile(path)
        try file.append(bytes)
        try file.close()
    }
}

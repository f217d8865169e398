import Foundation
import Testing
import Weir
import WeirWire

@testable import WeirTrain

@Suite("What summaries hold", .timeLimit(.minutes(2)))
struct SummaryTests {
    private let scratch = FileSystemScratch()

    /// The events of the only file in a folder.
    private func events(_ folder: String) throws -> [Event] {
        let names = try FileSystem.contents(of: folder).filter { $0.hasPrefix("events.out.tfevents.") }
        #expect(names.count == 1)
        let reader = try EventFileReader("\(folder)/\(try #require(names.first))")
        var events: [Event] = []
        while let event = try reader.next() { events.append(event) }
        return events
    }
    private func values(_ events: [Event]) -> [(step: Int64, value: Summary.Value)] {
        events.flatMap { event -> [(step: Int64, value: Summary.Value)] in
            if case .summary(let summary)? = event.content { summary.values.map { (event.step, $0) } } else { [] }
        }
    }

    /// The pixels of a PNG file: its rows without their filters, which must be none.
    private func pixels(_ png: [UInt8], rowSize: Int) throws -> [UInt8] {
        #expect(png.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]))
        var data: [UInt8] = []
        var types: [String] = []
        var cursor = ByteCursor(png[8...], "PNG")
        while !cursor.isAtEnd {
            func big(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }
            let count = Int(big(try cursor.bytes(4)))
            let type = Array(try cursor.bytes(4)), body = Array(try cursor.bytes(count))
            #expect(big(try cursor.bytes(4)) == Inflater.checksum(type + body))
            types.append(String(decoding: type, as: UTF8.self))
            if types.last == "IDAT" { data += body }
        }
        #expect(types == ["IHDR", "IDAT", "IEND"])
        let lines = try Inflater.inflate(data, .gzip, "PNG")
        #expect(lines.count % (rowSize + 1) == 0)
        return stride(from: 0, to: lines.count, by: rowSize + 1).flatMap { start -> ArraySlice<UInt8> in
            #expect(lines[start] == 0)
            return lines[start + 1..<start + 1 + rowSize]
        }
    }

    @Test("each kind of value is written as TensorBoard reads it")
    func kinds() throws {
        let writer = try SummaryWriter(directory: scratch.path)
        try writer.scalar("loss", 0.5, step: 1)
        try writer.histogram("weights", Tensor([1, 2, 2] as [Float]), step: 2)
        let image = try Tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] as [UInt8], shape: Shape(2, 2, 3))
        try writer.image("picture", image, step: 3)
        try writer.text("note", "*hello*", step: 4)
        let builder = GraphBuilder()
        _ = builder.constant(1.0, name: "one")
        try writer.graph(try builder.graph())
        try writer.runMetadata(RunMetadata(), tag: "step 5", step: 5)
        for tensor in [Tensor("a"), try Tensor.zeros(.resource, .scalar)] { #expect(throws: Status.self) { try writer.histogram("h", tensor, step: 1) } }
        #expect(throws: Status.self) { try writer.histogram("h", [1, .nan], step: 1) }
        for wrong in [Tensor([UInt8(1)]), Tensor([Float(1)])] { #expect(throws: Status.self) { try writer.image("i", wrong, step: 1) } }
        try writer.close()

        let events = try events(scratch.path)
        if case .fileVersion(let version)? = events.first?.content { #expect(version == "brain.Event:2") } else { Issue.record("no version") }
        let found = values(events)
        #expect(found.map(\.value.tag) == ["loss", "weights", "picture", "note"] && found.map(\.step) == [1, 2, 3, 4])
        #expect(found[0].value.scalar == 0.5)
        if case .histogram(let histogram)? = found[1].value.content {
            #expect(histogram.count == 3 && histogram.minimum == 1 && histogram.maximum == 2 && histogram.sum == 5 && histogram.sumOfSquares == 9)
            #expect(histogram.buckets.reduce(0, +) == 3)
        } else {
            Issue.record("no histogram")
        }
        if case .image(let image)? = found[2].value.content {
            #expect(image.height == 2 && image.width == 2 && image.channelCount == 3)
            #expect(try pixels(image.encoded, rowSize: 6) == Array(1...12))
        } else {
            Issue.record("no image")
        }
        #expect(found[3].value.metadata?.plugin == "text")
        let graphs = events.compactMap { event -> [UInt8]? in if case .graph(let bytes)? = event.content { bytes } else { nil } }
        #expect(try GraphDefinition(serialized: try #require(graphs.first)).nodes.map(\.name) == ["one"])
        #expect(events.contains { if case .runMetadata(let tag, _)? = $0.content { tag == "step 5" && $0.step == 5 } else { false } })
    }

    @Test("hyper-parameters are messages of the plugin hparams, in the metadata")
    func hyperparameters() throws {
        let writer = try SummaryWriter(directory: scratch.path)
        try writer.hyperparameters(["rate": 0.5, "name": "adam", "fast": true], metrics: ["loss"], group: "g")
        try writer.end(succeeded: false)
        try writer.close()
        let found = values(try events(scratch.path))
        #expect(found.map(\.value.tag) == ["_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info"])
        #expect(found.allSatisfy { $0.value.metadata?.plugin == "hparams" && $0.step == 0 })
        // The start: a map from names to values, then the group.
        var content = WireReader(try #require(found[1].value.metadata?.pluginContent))
        guard let field = try content.next(), field.number == 3, case .bytes(let start) = field.value else {
            Issue.record("no start")
            return
        }
        var names: [String] = [], group = ""
        var reader = WireReader(start)
        while let field = try reader.next() {
            guard case .bytes(let bytes) = field.value else { continue }
            if field.number == 4 { group = String(decoding: bytes, as: UTF8.self) }
            guard field.number == 1 else { continue }
            var entry = WireReader(bytes)
            while let part = try entry.next() {
                if part.number == 1, case .bytes(let name) = part.value { names.append(String(decoding: name, as: UTF8.self)) }
            }
        }
        #expect(names == ["fast", "name", "rate"] && group == "g")
    }

    /// TensorFlow 2.21's pixels.
    @Test(
        "images of a batch become the pixels that TensorFlow makes",
        arguments: [
            ([0, 1, 2, 0.5, 0.25, 1.75], [0, 127, 255, 63, 31, 223]), ([0, -1, 2, 0.5, 0.25, 1.75], [128, 64, 255, 159, 143, 239]),
            ([-4, -1, 2, 0.5, 0.25, 1.75], [1, 96, 191, 143, 135, 183]), ([0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]),
            ([-1e-9, 0, 0, 0, 0, 0], [128, 128, 128, 128, 128, 128]), ([.nan, 1, 2, .infinity, 1, 2], [255, 127, 255, 255, 127, 255]),
        ] as [([Float], [UInt8])])
    func imagePixels(_ values: [Float], _ expected: [UInt8]) async throws {
        let builder = GraphBuilder()
        let tensor = builder.constant(try Tensor(values, shape: Shape(1, 2, 3, 1)))
        let summary = builder.add("ImageSummary", [builder.constant("t"), tensor])[0]
        let bytes = try await Session(builder.graph()).run(summary).scalar(of: ByteString.self).bytes
        let decoded = try Summary(bytes[...])
        #expect(decoded.values.map(\.tag) == ["t/image/0"])
        guard case .image(let image)? = decoded.values.first?.content else {
            Issue.record("no image")
            return
        }
        #expect(image.height == 2 && image.width == 3 && image.channelCount == 1)
        #expect(try pixels(image.encoded, rowSize: 3) == expected)
    }

    @Test("of a batch at most so many images are taken, half floats are scaled in their own arithmetic, and colors replace what is not finite")
    func imageBatches() async throws {
        let builder = GraphBuilder()
        let bytes = builder.constant(try Tensor(Array(1...18) as [UInt8], shape: Shape(3, 1, 2, 3)))
        let halves = builder.constant(try Tensor([1, 2, 3, 250, 0, 9] as [Float16], shape: Shape(1, 1, 2, 3)))
        let bad = builder.constant(try Tensor([.nan, 1, 1, 1, 1, 2, 3, 4] as [Float], shape: Shape(1, 1, 2, 4)))
        let tag = builder.constant("t")
        let color: AttributeValue = .tensor(Tensor([1, 2, 3, 4] as [UInt8]))
        let summaries = [
            builder.add("ImageSummary", [tag, bytes], attributes: ["max_images": 2])[0],
            builder.add("ImageSummary", [tag, halves], attributes: ["max_images": 1])[0],
            builder.add("ImageSummary", [tag, bad], attributes: ["bad_color": color])[0],
        ]
        let found = try await Session(builder.graph()).run(summaries).map { try Summary($0.scalar(of: ByteString.self).bytes[...]) }
        #expect(found.map { $0.values.map(\.tag) } == [["t/image/0", "t/image/1"], ["t/image"], ["t/image/0"]])
        let images = found.flatMap(\.values).compactMap { value -> Summary.Image? in if case .image(let image)? = value.content { image } else { nil } }
        let expected: [[UInt8]] = [Array(1...6), Array(7...12), [1, 2, 3, 254, 0, 9], [1, 2, 3, 4, 63, 127, 191, 255]]
        #expect(try zip(images, [6, 6, 6, 8]).map { try pixels($0.encoded, rowSize: $1) } == expected)
    }

    @Test("a training leaves a run for each fold, with hyper-parameters, graph, curves and distributions")
    func training() async throws {
        let table = try Table.iris()
        var options = try TrainingOptions(DenseNetwork(inputCount: 4, hidden: [4], classCount: 3), table: table, stepCount: 6)
        options.foldCount = 2
        options.evaluationInterval = 3
        options.reportsDetails = true
        options.checkpoint = TrainingCheckpoint("\(scratch.path)/saved/m")
        let summaries = TrainingSummaries(directory: "\(scratch.path)/logs", hyperparameters: ["batch": 32])
        _ = try await CrossValidation(options) { summaries.record($0) }.run()
        try summaries.close()
        #expect(try FileSystem.contents(of: "\(scratch.path)/logs") == ["fold-1", "fold-2"])
        for fold in ["fold-1", "fold-2"] {
            let events = try events("\(scratch.path)/logs/\(fold)")
            let found = values(events)
            func steps(_ tag: String) -> [Int64] { found.filter { $0.value.tag == tag }.map(\.step) }
            #expect(steps("loss") == [1, 2, 3, 4, 5, 6] && steps("steps_per_second") == steps("loss"))
            #expect(steps("test_loss") == [3, 6] && steps("test_accuracy") == [3, 6])
            #expect(steps("hidden1/kernel") == [3, 6] && steps("output/bias") == [3, 6])
            #expect(steps("_hparams_/session_start_info").count == 1 && steps("_hparams_/session_end_info").count == 1)
            #expect(events.count { if case .graph? = $0.content { true } else { false } } == 1)
            #expect(events.contains { if case .session(let log)? = $0.content { log.state == .checkpoint && $0.step == 6 } else { false } })
        }
    }

    @Test("a folder that cannot be written is the error of close, and training goes on")
    func unwritable() throws {
        try AtomicFile.write([1], to: "\(scratch.path)/file")
        let summaries = TrainingSummaries(directory: "\(scratch.path)/file")
        summaries.record(.fold(0))
        summaries.record(.notice("hello"))
        #expect(summaries.failure != nil)
        #expect(throws: Status.self) { try summaries.close() }
    }
}

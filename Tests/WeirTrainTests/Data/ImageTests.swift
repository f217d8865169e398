import Testing
import Weir
import WeirTensor
import WeirWire

@testable import WeirTrain

@Suite("Pictures")
struct ImageTests {
    private let scratch = FileSystemScratch()

    /// The greatest difference of two pictures.
    private func distance(_ image: Tensor, _ values: [UInt8]) throws -> Int {
        let found = try image.array(of: UInt8.self)
        try #require(found.count == values.count)
        return zip(found, values).reduce(0) { max($0, abs(Int($1.0) - Int($1.1))) }
    }

    @Test("PNG pictures of TensorFlow are decoded exactly, whatever they are made of")
    func png() throws {
        #expect(try ImageFile.decode(Samples.png) == Samples.picture)
        #expect(try ImageFile.decode(Samples.transparentPNG) == Samples.picture)
        let grey = Tensor((0..<20).map { UInt8($0 * 12) }, ofShape: [4, 5, 1])
        #expect(try ImageFile.decode(Samples.greyPNG) == grey)
        #expect(try ImageFile.decode(Samples.deepPNG) == Tensor([UInt8(0), 35, 70, 105, 140, 175], ofShape: [2, 3, 1]))
        // Grey becomes colours, and colours grey: of 0, 4, 8 it is 0.587 · 4 + 0.114 · 8.
        #expect(try ImageFile.decode(Samples.greyPNG, channels: 3) == Tensor((0..<60).map { UInt8($0 / 3 * 12) }, ofShape: [4, 5, 3]))
        #expect(try ImageFile.decode(Samples.png, channels: 1).array(of: UInt8.self).prefix(2) == [3, 15])
        #expect(thrownStatus { _ = try ImageFile.decode(Samples.png, channels: 2) }?.code == .invalidArgument)
    }

    @Test("JPEG pictures of TensorFlow are decoded as it does, but for its faster transform")
    func jpeg() throws {
        let image = try ImageFile.decode(Samples.jpeg)
        #expect(image.shape == [4, 5, 3])
        #expect(try distance(image, Samples.jpegValues) <= 2)
        #expect(try distance(ImageFile.decode(Samples.jpeg, channels: 1), Samples.jpegGreys) <= 2)
    }

    @Test("pictures are resized as TensorFlow does")
    func resized() throws {
        #expect(try distance(Samples.picture.resized(height: 3, width: 7), Samples.resized) == 0)
        #expect(try Samples.picture.resized(height: 4, width: 5) == Samples.picture)
        #expect(try Samples.picture.resized(height: 1, width: 1).shape == [1, 1, 3])
    }

    @Test("PNG pictures that are encoded are decoded again", arguments: [1, 2, 3, 4])
    func encoded(_ channels: Int) throws {
        let image = Tensor((0..<6 * channels).map { UInt8(truncatingIfNeeded: $0 * 37) }, ofShape: [2, 3, channels])
        let decoded = try ImageFile.decode(ImageFile.png(of: image))
        let kept = channels <= 2 ? 1 : 3
        let expected = try image.array(of: UInt8.self).enumerated().filter { $0.offset % channels < kept }.map(\.element)
        #expect(decoded == Tensor(expected, ofShape: [2, 3, kept]))
        #expect(thrownStatus { _ = try ImageFile.png(of: Tensor([UInt8(1)])) }?.code == .invalidArgument)
    }

    @Test("damaged pictures are refused, or decoded to the size that they say")
    func damagedPictures() {
        for whole in [Samples.png, Samples.greyPNG, Samples.deepPNG, Samples.jpeg] {
            for (number, bytes) in damaged(whole).enumerated() {
                let status = thrownStatus { _ = try ImageFile.decode(bytes, "x.png") }
                if let status { #expect(status.message.hasPrefix("x.png"), "\(status)") }
                // The last chunk of a PNG file has nothing that is needed, and what ends a JPEG file may be missing by a byte.
                if number < whole.count - 20 {
                    #expect(status?.code == .dataLoss, "a prefix of \(number) of \(whole.count) bytes: \(String(describing: status))")
                }
            }
        }
    }

    @Test("a PNG picture cannot claim more pixels than its bytes become")
    func bomb() {
        var bytes = Samples.png
        // A width and a height of a million in the first chunk, with its checksum.
        bytes.replaceSubrange(16..<24, with: [0, 15, 66, 64, 0, 15, 66, 64])
        let checksum = Inflater.checksum(Array(bytes[12..<29]))
        bytes.replaceSubrange(29..<33, with: (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (24 - 8 * $0)) })
        let status = thrownStatus { _ = try ImageFile.decode(bytes) }
        #expect(status?.code == .dataLoss && status?.message.contains("cannot have 1000000 × 1000000 pixels") == true, "\(String(describing: status))")
    }

    @Test("a folder for each class is a dataset, decoded when batches are made")
    func folder() async throws {
        for (name, values) in [("cat", [1, 2, 3]), ("ant", [4, 5])] {
            try FileSystem.createDirectory("\(scratch.path)/\(name)")
            for value in values {
                let image = Tensor([UInt8](repeating: UInt8(value), count: 12), ofShape: [2, 2, 3])
                try AtomicFile.write(ImageFile.png(of: image), to: "\(scratch.path)/\(name)/\(value).PNG")
            }
        }
        try AtomicFile.write(Array("no picture".utf8), to: "\(scratch.path)/cat/notes.txt")
        let dataset = try Dataset(imageFolder: scratch.path)
        #expect(dataset.rowCount == 5 && !dataset.isInMemory)
        #expect(try dataset.column("features") == DatasetColumn("features", .uint8, [2, 2, 3]))
        #expect(try dataset.column("labels") == DatasetColumn("labels", .int32, classes: ["ant", "cat"]))
        var found: [(UInt8, Int32)] = []
        for try await batch in try dataset.batch(2).prefetch(2, threads: 2) {
            let features = try #require(batch["features"]).array(of: UInt8.self), labels = try #require(batch["labels"]).array(of: Int32.self)
            for row in labels.indices { found.append((features[row * 12], labels[row])) }
        }
        #expect(found.map(\.0) == [4, 5, 1, 2, 3] && found.map(\.1) == [0, 0, 1, 1, 1])
        // Each fold has its share, which no picture is read for.
        let fold = try dataset.fold(0, of: 2, seed: 1)
        #expect(fold.train.rowCount + fold.test.rowCount == 5)
        #expect(try Dataset(imageFolder: scratch.path, size: (5, 4), channels: 1).column("features").shape == [5, 4, 1])
        #expect(
            try Dataset(imageFolder: scratch.path, size: (5, 4), channels: 1).rows([0])["features"]
                == Tensor([UInt8](repeating: 4, count: 20), ofShape: [1, 5, 4, 1]))
        let table = try Table(dataset.rescaled("features", scale: 1 / 127.5, offset: -1))
        #expect(table.featureShape == [2, 2, 3] && table.featureCount == 12 && table.classes == ["ant", "cat"])
    }

    @Test("a picture of another size or none is told with its file")
    func wrongPicture() throws {
        try FileSystem.createDirectory("\(scratch.path)/a")
        #expect(thrownStatus { _ = try Dataset(imageFolder: scratch.path) }?.message.contains("a folder for each class") == true)
        try AtomicFile.write(ImageFile.png(of: Samples.picture), to: "\(scratch.path)/a/1.png")
        try AtomicFile.write(ImageFile.png(of: Tensor([UInt8](repeating: 0, count: 12), ofShape: [2, 2, 3])), to: "\(scratch.path)/a/2.png")
        try AtomicFile.write(Array("text".utf8), to: "\(scratch.path)/a/3.png")
        let dataset = try Dataset(imageFolder: scratch.path)
        let size = thrownStatus { _ = try dataset.rows([1]) }
        #expect(size?.message.hasPrefix("\(scratch.path)/a/2.png: expected a picture of shape [4,5,3]") == true, "\(String(describing: size))")
        #expect(thrownStatus { _ = try dataset.rows([2]) }?.message.hasPrefix("\(scratch.path)/a/3.png: expected a PNG or JPEG picture") == true)
        #expect(thrownStatus { _ = try Dataset(imageFolder: scratch.path, size: (0, 4)) }?.code == .invalidArgument)
        #expect(thrownStatus { _ = try Dataset(imageFolder: "\(scratch.path)/none") }?.code == .notFound)
    }
}

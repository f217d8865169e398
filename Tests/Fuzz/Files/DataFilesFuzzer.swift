import Weir
import WeirTrain
import WeirWire

/// Mutated files of every format that rows to train on come in.
struct DataFilesFuzzer: FuzzKind {
    static let name = "data"
    static let abstract = "Mutated CSV files, TFRecord files of examples, .npz archives, safetensors, IDX files and pictures."
    private enum Format: String, CaseIterable { case csv, records, example, archive, arrays, safetensors, idx, png, jpeg }
    private let session: FuzzSession
    private let archive: [UInt8]
    private let safetensors: [UInt8]
    private let png: [UInt8]
    private let array: [UInt8]

    init(_ session: FuzzSession) async throws {
        self.session = session
        let tensors = ["features": Tensor([Float(1), 2, 3, 4, 5, 6], ofShape: [3, 2]), "labels": Tensor([Int64(2), 0, 1])]
        try NumpyArchive.write(tensors, to: "seed.npz")
        archive = try InputFile.contents(of: "seed.npz")
        try SafetensorsFile.write(tensors, to: "seed.safetensors")
        safetensors = try InputFile.contents(of: "seed.safetensors")
        png = try ImageFile.png(of: Tensor((0..<60).map { UInt8(truncatingIfNeeded: $0 * 5) }, ofShape: [4, 5, 3]))
        array = try NumpyFile.bytes(of: Tensor([Int16(1), 2, 3, 4], ofShape: [2, 2]))
    }

    /// A grey JPEG picture of 8 × 8 pixels.
    private static let jpeg: [UInt8] = [
        255, 216, 255, 224, 0, 16, 74, 70, 73, 70, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 255, 219, 0, 67, 0, 6, 4, 5, 6, 5, 4,
        6, 6, 5, 6, 7, 7, 6, 8, 10, 16, 10, 10, 9, 9, 10, 20, 14, 15, 12, 16, 23, 20, 24, 24, 23, 20, 22, 22, 26, 29,
        37, 31, 26, 27, 35, 28, 22, 22, 32, 44, 32, 35, 38, 39, 41, 42, 41, 25, 31, 45, 48, 45, 40, 48, 37, 40, 41, 40,
        255, 194, 0, 11, 8, 0, 8, 0, 8, 1, 1, 17, 0, 255, 196, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        5, 255, 218, 0, 8, 1, 1, 0, 0, 0, 1, 35, 255, 196, 0, 22, 16, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        2, 5, 255, 218, 0, 8, 1, 1, 0, 1, 5, 2, 73, 39, 255, 196, 0, 21, 16, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 50, 255, 218, 0, 8, 1, 1, 0, 6, 63, 2, 151, 255, 196, 0, 20, 16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 255, 218, 0, 8, 1, 1, 0, 1, 63, 33, 79, 255, 218, 0, 8, 1, 1, 0, 0, 0, 16, 255, 0, 255, 196, 0, 22,
        16, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 49, 193, 255, 218, 0, 8, 1, 1, 0, 1, 63, 16, 68, 31, 255,
        217,
    ]
    /// An archive of one deflated array.
    private static let deflated: [UInt8] = [
        80, 75, 3, 4, 20, 0, 0, 0, 8, 0, 0, 0, 33, 0, 76, 34, 141, 130, 72, 0, 0, 0, 75, 0, 0, 0, 5, 0, 0, 0, 97, 46,
        110, 112, 121, 155, 236, 23, 234, 27, 16, 201, 200, 96, 205, 80, 173, 158, 146, 90, 156, 92, 164, 110, 165, 160,
        94, 83, 106, 168, 174, 163, 160, 158, 150, 95, 84, 82, 148, 152, 23, 159, 95, 148, 146, 10, 18, 15, 41, 42, 77,
        5, 10, 23, 103, 36, 22, 164, 2, 185, 26, 70, 58, 10, 198, 154, 58, 10, 181, 92, 12, 140, 76, 204, 44, 172, 0,
        80, 75, 1, 2, 20, 3, 20, 0, 0, 0, 8, 0, 0, 0, 33, 0, 76, 34, 141, 130, 72, 0, 0, 0, 75, 0, 0, 0, 5, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 128, 1, 0, 0, 0, 0, 97, 46, 110, 112, 121, 80, 75, 5, 6, 0, 0, 0, 0, 1, 0, 1, 0, 51, 0, 0,
        0, 107, 0, 0, 0, 0, 0,
    ]

    private struct Case {
        var format: Format
        var bytes: [UInt8]
    }

    private func make(_ random: inout SplitMix64) -> Case {
        var mutator = Mutator(SplitMix64(seed: random.next()))
        func several(_ bytes: [UInt8]) -> [UInt8] { (0..<mutator.random.int(1...4)).reduce(bytes) { bytes, _ in mutator.raw(bytes) } }
        let format = random.pick(Format.allCases)
        switch format {
        case .csv:
            let text = random.pick([
                "a,b,k\n1,2.5,x\n3,,y\n", "\"a \"\"q\"\"\",k\r\n\"1\",\"two\nlines\"\r\n", "k\n1e400\nnan\n0x1p3\n", "1;2\n", "\u{feff}a,a\n1,2",
            ])
            return Case(format: format, bytes: random.chance(90) ? several(Array(text.utf8)) : several(several(Array(text.utf8))))
        case .records:
            // Right checksums, so that readers get to the examples.
            var file: [UInt8] = []
            for _ in 0..<random.int(1...3) {
                let record = random.chance(50) ? mutator.message(DataFilesFuzzer.example) : DataFilesFuzzer.example
                var frame: [UInt8] = []
                frame.appendLittleEndian(random.chance(95) ? UInt64(record.count) : random.pick(Mutator.extremes))
                frame.appendLittleEndian(CRC32C.mask(CRC32C.checksum(frame)))
                frame += record
                frame.appendLittleEndian(CRC32C.mask(CRC32C.checksum(record)))
                file += frame
            }
            return Case(format: format, bytes: random.chance(85) ? file : several(file))
        case .example: return Case(format: format, bytes: mutator.message(DataFilesFuzzer.example))
        case .archive: return Case(format: format, bytes: several(random.chance(50) ? archive : DataFilesFuzzer.deflated))
        // The archive is made of the array when the case runs, with the right checksum.
        case .arrays: return Case(format: format, bytes: several(array))
        case .safetensors:
            var bytes = several(safetensors)
            // Keeps the header's length right, so that the reader gets to what it says.
            if random.chance(60), let end = bytes.lastIndex(of: UInt8(ascii: "}")), end >= 8 {
                let length = UInt64(end - 7)
                for offset in 0..<8 { bytes[offset] = UInt8(truncatingIfNeeded: length >> UInt64(8 * offset)) }
            }
            return Case(format: format, bytes: bytes)
        case .idx:
            let count = random.pick([4, 8, 16, 32])
            var seed: [UInt8] = [0, 0, random.pick([8, 9, 11, 12, 13, 14]), 2, 0, 0, 0, 2, 0, 0, 0, 2]
            for value in 0..<count { seed.append(UInt8(value)) }
            return Case(format: format, bytes: random.chance(70) ? several(seed) : seed)
        case .png:
            var bytes = several(png)
            if random.chance(70) { DataFilesFuzzer.correctChecksums(&bytes) }
            return Case(format: format, bytes: bytes)
        case .jpeg: return Case(format: format, bytes: several(DataFilesFuzzer.jpeg))
        }
    }

    /// The message of an example with a feature of each kind.
    private static let example = Example(["x": .floats([1.5, -2]), "y": .integers([-3, 1 << 40]), "s": .bytes(["ab", ""])]).serialized

    /// Sets the checksums of a PNG file's chunks, as far as they can be told apart.
    private static func correctChecksums(_ bytes: inout [UInt8]) {
        var position = 8
        while position + 12 <= bytes.count {
            let count = (0..<4).reduce(0) { $0 << 8 | Int(bytes[position + $1]) }
            guard count <= bytes.count - position - 12 else { return }
            let end = position + 8 + count
            let checksum = Inflater.checksum(Array(bytes[position + 4..<end]))
            for offset in 0..<4 { bytes[end + offset] = UInt8(truncatingIfNeeded: checksum >> UInt32(24 - 8 * offset)) }
            position = end + 4
        }
    }

    func describe(_ number: Int, _ random: inout SplitMix64) async throws -> String {
        let made = make(&random)
        return "\(made.format.rawValue) \(made.bytes.count) bytes \(made.bytes.prefix(300).map { String($0, radix: 16) }.joined(separator: " "))"
    }

    func run(_ number: Int, _ random: inout SplitMix64) async throws -> Bool {
        let made = make(&random)
        do { return try read(made) } catch { return false }
    }

    /// - Returns: whether anything was read successfully.
    private func read(_ made: Case) throws -> Bool {
        let bytes = made.bytes
        switch made.format {
        case .csv:
            var options = CSVOptions(classes: bytes.count % 3 == 0 ? ["k"] : [])
            let choices: [CSVOptions.MissingValues] = [.refuse, .replace(0), .mean, .dropRow]
            options.missing = choices[bytes.count % 4]
            options.hasHeader = bytes.count % 5 > 0
            _ = try? Table(csv: String(decoding: bytes, as: UTF8.self), source: "case.csv")
            return try readAll(Dataset(csv: bytes, source: "case.csv", options))
        case .records:
            try write(bytes, "case.tfrecord")
            return try readAll(Dataset(recordFiles: ["case.tfrecord"]))
        case .example: return try Example(serialized: bytes).features.count >= 0
        case .archive:
            try write(bytes, "case.npz")
            _ = try? Dataset(numpyFile: "case.npz")
            return try NumpyArchive.read("case.npz").count >= 0
        case .arrays:
            var archive = try ZipWriter("case.npz")
            try archive.append("a.npy", bytes)
            try archive.finish()
            return try NumpyArchive.read("case.npz").count == 1
        case .safetensors:
            try write(bytes, "case.safetensors")
            _ = try? Dataset(safetensorsFile: "case.safetensors")
            return try SafetensorsFile.read("case.safetensors").count >= 0
        case .idx: return try IDXFile.tensor(from: bytes, "case").rank > 0
        case .png, .jpeg:
            let choices: [Int?] = [nil, 1, 3]
            return try ImageFile.decode(bytes, channels: choices[bytes.count % 3]).rank == 3
        }
    }

    private func readAll(_ dataset: Dataset) throws -> Bool {
        _ = try? dataset.joined(dataset.columns.filter { $0.dtype != .string }.map(\.name), as: "all").rows(0..<dataset.rowCount)
        return try !dataset.rows(0..<dataset.rowCount).isEmpty
    }

    private func write(_ bytes: [UInt8], _ path: String) throws {
        let file = try OutputFile(path)
        try file.append(bytes)
        try file.close()
    }
}

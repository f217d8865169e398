public import WeirTensor
import WeirWire

extension Dataset {
    /// The pictures of a folder that has a folder for each class: `features`, of `uint8` and shape `[height, width, channels]`, and
    /// `labels`, of `int32`, the classes in order of the folders' names. The files `.png`, `.jpg` and `.jpeg` are taken, in order of their names;
    /// they are decoded when batches are made.
    /// - Parameters:
    ///   - size: the height and width to which pictures are resized; nil takes those of the first, which all must have.
    ///   - channels: 1 for grey, 3 for colours; nil takes what the first picture has.
    /// - Throws: `notFound` when the folder does not exist; `invalidArgument` when it has no folders with pictures; the error of the first
    ///   picture. Errors of other pictures come with their batch, and name the file.
    public init(imageFolder path: String, size: (height: Int, width: Int)? = nil, channels: Int? = nil) throws(Status) {
        self.init(checked: try ImageFolder(path, size, channels))
    }
}

/// Rows that are pictures in folders.
struct ImageFolder: RowSource {
    private let files: [String]
    private let labels: Tensor
    private let size: (height: Int, width: Int)?
    let columns: [DatasetColumn]

    init(_ path: String, _ size: (height: Int, width: Int)?, _ channels: Int?) throws(Status) {
        if let size, !(1...65_536).contains(size.height) || !(1...65_536).contains(size.width) {
            throw .invalidArgument("\(path): expected a size from 1 to 65536, found \(size.height) × \(size.width)")
        }
        var files: [String] = []
        var labels: [Int32] = []
        var classes: [String] = []
        for name in try FileSystem.contents(of: path) where FileSystem.isDirectory(FileSystem.join(path, name)) {
            let folder = FileSystem.join(path, name)
            let pictures = try FileSystem.contents(of: folder).filter(ImageFolder.isPicture)
            guard !pictures.isEmpty else { continue }
            files += pictures.map { FileSystem.join(folder, $0) }
            labels += [Int32](repeating: Int32(clamping: classes.count), count: pictures.count)
            classes.append(name)
        }
        guard let first = files.first else {
            throw .invalidArgument("\(path): expected a folder for each class, with pictures .png, .jpg or .jpeg; found none")
        }
        self.files = files
        self.labels = Tensor(labels)
        self.size = size
        let picture = try ImageFile.read(first, channels: channels)
        let shape = Shape(size?.height ?? picture.dimension(0), size?.width ?? picture.dimension(1), picture.dimension(2))
        columns = [DatasetColumn("features", .uint8, try shape.validated()), DatasetColumn("labels", .int32, classes: classes)]
    }

    var rowCount: Int { files.count }
    var isInMemory: Bool { false }
    func known(_ column: String) -> Tensor? { column == "labels" ? labels : nil }

    func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] {
        let features = columns[0]
        var stack = try RowStack([features], rowCount: numbers.count)
        for number in numbers {
            var picture = try ImageFile.read(files[number], channels: features.shape[2])
            if let size { picture = try picture.resized(height: size.height, width: size.width) }
            guard picture.shape == features.shape else {
                throw .invalidArgument(
                    "\(files[number]): expected a picture of shape \(features.shape), as the first one is, found \(picture.shape); "
                        + "say a size to which all are resized"
                )
            }
            try stack.append(["features": picture], files[number])
        }
        var rows = stack.rows
        rows["labels"] = try labels.gathered(numbers)
        return rows
    }

    private static func isPicture(_ name: String) -> Bool {
        let name = name.lowercased()
        return !name.hasPrefix(".") && [".png", ".jpg", ".jpeg"].contains(where: name.hasSuffix)
    }
}

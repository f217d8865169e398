import WeirWire

/// What holds the rows at a path, by its name; of a folder, by what is in it.
package enum DataFormat: String, Sendable {
    case csv = "a CSV file"
    case numpy = "a .npz archive"
    case safetensors = "a safetensors file"
    case records = "TFRecord files"
    case text = "a text"
    case idxFolder = "a folder of IDX files"
    case imageFolder = "a folder of pictures"

    /// The format of a file, a folder, or the files of a pattern such as `train-*.tfrecord`. Any other name is a CSV file's.
    package init(path: String) {
        if FileSystem.isDirectory(path) {
            self = Dataset.isIDXFolder(path) ? .idxFolder : .imageFolder
            return
        }
        let name = path.lowercased()
        if name.hasSuffix(".npz") {
            self = .numpy
        } else if name.hasSuffix(".safetensors") {
            self = .safetensors
        } else if name.firstRange(of: ".tfrecord") != nil {
            self = .records
        } else if name.hasSuffix(".txt") {
            self = .text
        } else {
            self = .csv
        }
    }
}

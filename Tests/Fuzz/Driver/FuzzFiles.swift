import Glibc

/// A failure of the fuzzer itself.
struct FuzzFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The folders in which cases write.
enum FuzzFiles {
    static var temporary: String { getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp" }

    /// Creates a new temporary folder.
    static func makeFolder() throws -> String {
        var path = Array("\(temporary)/weir-fuzz-XXXXXX".utf8CString)
        guard mkdtemp(&path) != nil else { throw FuzzFailure("no temporary folder in \(temporary): \(String(cString: strerror(errno)))") }
        return String(decoding: path.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Removes a folder with its contents.
    static func remove(_ path: String) {
        guard let directory = opendir(path) else { return }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
            guard name != ".", name != ".." else { continue }
            let full = "\(path)/\(name)"
            if unlink(full) != 0 { remove(full) }
        }
        closedir(directory)
        rmdir(path)
    }
}

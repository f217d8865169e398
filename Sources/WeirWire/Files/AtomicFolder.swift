package import WeirTensor

/// A folder that appears under its name with all its files, or not at all.
///
/// Its files are written to a temporary folder beside it, which `commit` renames. Without `commit` the temporary folder is removed.
package final class AtomicFolder {
    /// The folder to write to.
    package let path: String
    private let destination: String
    private let isReplaceable: ([String]) -> Bool
    private var isPending = true

    /// - Parameter isReplaceable: whether a folder of that name with these files may be replaced.
    /// - Throws: `alreadyExists` when there is something else of that name.
    package init(_ destination: String, isReplaceable: @escaping ([String]) -> Bool) throws(Status) {
        var trimmed = destination[...]
        while trimmed.count > 1, trimmed.last == "/" { trimmed = trimmed.dropLast() }
        guard !trimmed.isEmpty, trimmed != "/" else { throw .invalidArgument("Expected the path of a folder, found '\(destination)'") }
        self.destination = String(trimmed)
        self.isReplaceable = isReplaceable
        path = "\(trimmed).tempstate\(UInt64.random(in: 0 ... .max))"
        try AtomicFolder.check(self.destination, isReplaceable)
        try FileSystem.createDirectory(path)
    }

    deinit { if isPending { try? FileSystem.removeTree(path) } }

    private static func check(_ destination: String, _ isReplaceable: ([String]) -> Bool) throws(Status) {
        guard FileSystem.exists(destination) else { return }
        guard FileSystem.isDirectory(destination), isReplaceable(try FileSystem.contents(of: destination)) else {
            throw .alreadyExists("\(destination) exists and is something else; expected a new folder, or one that may be replaced")
        }
    }

    /// Renames the folder to its destination. A folder that is replaced is away for the moment between two renames.
    package func commit() throws(Status) {
        try FileSystem.sync(path)
        try AtomicFolder.check(destination, isReplaceable)
        var old: String?
        if FileSystem.exists(destination) {
            let away = "\(path).old"
            try FileSystem.rename(destination, to: away)
            old = away
        }
        do { try FileSystem.rename(path, to: destination) } catch {
            if let old { try? FileSystem.rename(old, to: destination) }
            throw error
        }
        isPending = false
        try FileSystem.sync(FileSystem.directory(of: destination))
        if let old { try FileSystem.removeTree(old) }
    }
}

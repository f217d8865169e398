import Glibc
package import WeirTensor

/// A file that appears under its name completely or not at all.
///
/// It is written to a temporary file in the same directory, which `commit` renames. Without `commit` the temporary file is
/// removed. When the destination is a symbolic link, the link's target is replaced; permissions are kept. A destination that
/// is not a regular file (a device, a pipe) or has several hard links is written in place.
package final class AtomicFile {
    package let destination: String
    private let file: OutputFile
    private var isPending: Bool

    package init(_ destination: String) throws(Status) {
        let present = AtomicFile.present(destination)
        if let present, !present.canBeReplaced {
            self.destination = destination
            file = try OutputFile(destination, .replace)
            isPending = false
            return
        }
        self.destination = present?.path ?? destination
        file = try OutputFile("\(self.destination).tempstate\(UInt64.random(in: 0 ... .max))", .create)
        isPending = true
        if let present { _ = chmod(file.path, present.permissions) }
    }

    /// The file at a path, with links resolved; nil when there is none.
    private static func present(_ path: String) -> (path: String, permissions: mode_t, canBeReplaced: Bool)? {
        var facts = stat()
        guard stat(path, &facts) == 0, let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        let isPlain = facts.st_mode & S_IFMT == S_IFREG && facts.st_nlink == 1
        return (String(cString: resolved), facts.st_mode & 0o7777, isPlain)
    }

    deinit { if isPending { try? FileSystem.remove(file.path) } }

    package var byteCount: Int { file.byteCount }
    package func append(_ bytes: [UInt8]) throws(Status) { try file.append(bytes) }
    package func append(_ bytes: UnsafeRawBufferPointer) throws(Status) { try file.append(bytes) }

    /// Closes the file and renames it to its destination.
    /// - Parameter durably: waits for the disk first, so that after a power failure either the old or the new contents exist.
    package func commit(durably: Bool = false) throws(Status) {
        if durably { try file.sync() }
        try file.close()
        guard isPending else { return }
        try FileSystem.rename(file.path, to: destination)
        isPending = false
        if durably { try FileSystem.sync(FileSystem.directory(of: destination)) }
    }

    /// Writes a whole file atomically.
    /// - Parameter durably: as for `commit`.
    package static func write(_ bytes: [UInt8], to path: String, durably: Bool = false) throws(Status) {
        let file = try AtomicFile(path)
        try file.append(bytes)
        try file.commit(durably: durably)
    }
}

import Glibc
import WeirTensor
import WeirWire

/// Keeps other processes from working in a folder, until it is released or this process ends.
final class FolderLock {
    private let descriptor: Int32

    /// - Throws: `failedPrecondition` when another process, or another lock of this one, has the folder.
    init(_ directory: String) throws(Status) {
        let path = FileSystem.join(directory, "lock")
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .system(path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            // `deinit` closes the file.
            if errno == EWOULDBLOCK { throw .failedPrecondition("\(directory): expected a folder for this sweep alone, found a sweep that runs in it") }
            throw .system(path)
        }
    }

    deinit { if descriptor >= 0 { _ = close(descriptor) } }
}

import Glibc
import Weir

/// Files that a command writes when its work is done.
enum OutputFile {
    /// Checks that a file can be written, before the work. A file that did not exist does not exist afterwards.
    /// - Parameter option: the option that names the file, for the error.
    /// - Throws: `permissionDenied` when it cannot be written.
    static func check(_ path: String, option: String) throws(Status) {
        let isThere = access(path, F_OK) == 0
        guard let file = fopen(path, "a") else {
            throw Status(.permissionDenied, "\(option) must be a file that can be written; cannot write \(path): \(String(cString: strerror(errno)))")
        }
        fclose(file)
        if !isThere { unlink(path) }
    }

    /// Creates a folder for a command's files, and checks that these and others can be written in it.
    /// - Parameter option: the option that names the folder, for the error.
    /// - Throws: an error that names the option when they cannot.
    static func prepare(_ directory: String, option: String = "--out", files: [String] = []) throws(Status) {
        do throws(Status) {
            try FileSystem.createDirectory(directory)
        } catch {
            throw Status(error.code, "\(option) must be a folder that exists or can be created; found \(error.message)")
        }
        for name in files + ["weir-\(getpid()).tempstate"] { try check(FileSystem.join(directory, name), option: option) }
    }
}

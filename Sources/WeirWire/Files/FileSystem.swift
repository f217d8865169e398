import Glibc
package import WeirTensor

/// Operations on paths and directories. Each error names the path and contains the system's message.
package enum FileSystem {
    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    package static func isDirectory(_ path: String) -> Bool {
        var facts = stat()
        return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
    }

    /// Everything before the last slash; empty when there is none.
    package static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Joins a directory and a name. An absolute name is returned unchanged.
    package static func join(_ directory: String, _ name: String) -> String {
        if directory.isEmpty || name.hasPrefix("/") { return name }
        return directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
    }

    /// Creates a directory and its missing parents. An existing directory is left unchanged.
    package static func createDirectory(_ path: String) throws(Status) {
        if path.isEmpty || isDirectory(path) { return }
        try createDirectory(directory(of: path))
        // Another task of the cluster may create it at the same time.
        guard mkdir(path, 0o777) == 0 || errno == EEXIST && isDirectory(path) else { throw .system(path) }
    }

    package static func rename(_ source: String, to destination: String) throws(Status) {
        try FileFaults.step()
        guard systemRename(source, destination) == 0 else { throw .system(source) }
    }

    package static func remove(_ path: String) throws(Status) {
        try FileFaults.step()
        guard unlink(path) == 0 else { throw .system(path) }
    }

    /// Removes an empty directory.
    package static func removeDirectory(_ path: String) throws(Status) {
        guard rmdir(path) == 0 else { throw .system(path) }
    }

    /// Removes a directory with all that it has. Symbolic links are removed, not followed.
    package static func removeTree(_ path: String) throws(Status) {
        var facts = stat()
        guard lstat(path, &facts) == 0 else { throw .system(path) }
        guard facts.st_mode & S_IFMT == S_IFDIR else { return try remove(path) }
        for name in try contents(of: path) { try removeTree(join(path, name)) }
        try removeDirectory(path)
    }

    /// Waits until the names in a directory are on the disk: a file that was renamed has its new name after a power failure.
    package static func sync(_ directory: String) throws(Status) {
        if try FileFaults.stepWithoutDisk() { return }
        let path = directory.isEmpty ? "." : directory
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(path) }
        defer { _ = close(descriptor) }
        // Some file systems, of networks for example, do not sync directories.
        guard fsync(descriptor) == 0 || errno == EINVAL || errno == EOPNOTSUPP else { throw .system(path) }
    }

    /// The time of a file's last change, in seconds since 1970.
    package static func modificationTime(of path: String) throws(Status) -> Double {
        var facts = stat()
        guard stat(path, &facts) == 0 else { throw .system(path) }
        return Double(facts.st_mtim.tv_sec) + Double(facts.st_mtim.tv_nsec) * 1e-9
    }

    /// The names in a directory, sorted, without `.` and `..`.
    package static func contents(of directory: String) throws(Status) -> [String] {
        guard let stream = opendir(directory.isEmpty ? "." : directory) else { throw .system(directory) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The paths that match a pattern, sorted by their bytes. `*`, `?` and `[…]` match any characters except a slash. A pattern
    /// without such a character matches that path, if it exists.
    package static func matching(_ pattern: String) -> [String] {
        guard let wild = pattern.firstIndex(where: isWild) else { return exists(pattern) ? [pattern] : [] }
        let start = pattern[..<wild].lastIndex(of: "/").map(pattern.index(after:)) ?? pattern.startIndex
        var found = [String(pattern[..<start])]
        for part in pattern[start...].split(separator: "/").map(String.init) {
            guard part.contains(where: isWild) else {
                found = found.map { join($0, part) }.filter(exists)
                continue
            }
            found = found.flatMap { directory in
                // A directory that cannot be read has no matches.
                ((try? contents(of: directory)) ?? []).filter { fnmatch(part, $0, 0) == 0 }.map { join(directory, $0) }
            }
        }
        return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func isWild(_ character: Character) -> Bool { "*?[\\".contains(character) }
}

// Within the enum, `rename` would refer to the method.
private func systemRename(_ source: String, _ destination: String) -> Int32 { rename(source, destination) }

extension Status {
    /// The status for `errno` of an operation on `path`, with TensorFlow's code and message.
    package static func system(_ path: String) -> Status {
        let number = errno
        let code: Code =
            switch number {
            case ENOENT: .notFound
            case EEXIST: .alreadyExists
            case EACCES, EPERM, EROFS: .permissionDenied
            case ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM: .resourceExhausted
            case EINVAL, ENAMETOOLONG: .invalidArgument
            case ENOTDIR, EISDIR, ENOTEMPTY, EBUSY, EXDEV, ELOOP: .failedPrecondition
            default: .unknown
            }
        return Status(code, "\(path); \(String(cString: strerror(number)))")
    }
}

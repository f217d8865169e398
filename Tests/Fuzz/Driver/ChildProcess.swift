import Glibc

/// A process of this program that runs cases, and what it has said so far.
final class ChildProcess {
    let process: pid_t
    let counter: CaseCounter
    private let log: Int32
    private var position = 0
    private var partial: [UInt8] = []
    /// The end of what it wrote, findings aside: where a fatal error says what it is.
    private(set) var lastWords: [String] = []
    private(set) var folder: String?
    private(set) var explanations: [String] = []
    /// What part of a case it was at last, where kinds say that.
    private(set) var phase = ""

    init(_ arguments: [String], backtrace: Bool) throws {
        counter = try CaseCounter()
        counter.begun = -1
        var path = Array("\(FuzzFiles.temporary)/weir-fuzz-XXXXXX".utf8CString)
        let opened = mkstemp(&path)
        guard opened >= 0, unlink(path) == 0 else { throw FuzzFailure("no file for a process's output") }
        _ = fcntl(opened, F_SETFL, O_APPEND)
        log = opened
        // Away from the numbers that the process will know them by.
        let (high, shared) = (fcntl(opened, F_DUPFD_CLOEXEC, 32), fcntl(counter.descriptor, F_DUPFD_CLOEXEC, 32))
        defer {
            Glibc.close(high)
            Glibc.close(shared)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, high, 1)
        posix_spawn_file_actions_adddup2(&actions, high, 2)
        posix_spawn_file_actions_adddup2(&actions, shared, FuzzChild.counterDescriptor)
        var variables: [String] = []
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            if !text.hasPrefix("SWIFT_BACKTRACE=") { variables.append(text) }
            next += 1
        }
        variables.append("SWIFT_BACKTRACE=" + (backtrace ? "enable=yes,color=no,threads=crashed,images=none,interactive=no" : "enable=no"))
        var words = (["weir-fuzz"] + arguments).map { strdup($0) } + [nil]
        var environment = variables.map { strdup($0) } + [nil]
        defer {
            for word in words + environment { free(word) }
        }
        var made = pid_t()
        let failure = posix_spawn(&made, "/proc/self/exe", &actions, nil, &words, &environment)
        guard failure == 0 else { throw FuzzFailure("cannot start a process: \(String(cString: strerror(failure)))") }
        process = made
    }

    /// How it ended, once it has: nil for success, else a few words.
    enum End: Equatable {
        case success
        case failure(String)
    }
    func poll() -> End? {
        var status: Int32 = 0
        guard waitpid(process, &status, WNOHANG) == process else { return nil }
        return ChildProcess.end(status)
    }
    func kill() -> End {
        Glibc.kill(process, SIGKILL)
        var status: Int32 = 0
        waitpid(process, &status, 0)
        return ChildProcess.end(status)
    }
    private static func end(_ status: Int32) -> End {
        let signal = status & 0x7F
        if signal != 0 { return .failure("signal \(signal) (\(String(cString: strsignal(signal))))") }
        let code = (status >> 8) & 0xFF
        return code == 0 ? .success : .failure("exit status \(code)")
    }

    /// What it has found since the last call.
    func findings() -> [Finding] {
        var found: [Finding] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = pread(log, &buffer, buffer.count, position)
            guard count > 0 else { break }
            position += count
            partial += buffer[..<count]
            while let end = partial.firstIndex(of: 10) {
                take(String(decoding: partial[..<end], as: UTF8.self), &found)
                partial.removeFirst(end + 1)
            }
            // A server's log is as long as the run.
            if position > 8 << 20 {
                ftruncate(log, 0)
                position = 0
            }
        }
        return found
    }
    private func take(_ line: String, _ found: inout [Finding]) {
        if let finding = Finding(line: line) { return found.append(finding) }
        if line.hasPrefix("FOLDER\t") { return folder = String(line.dropFirst(7)) }
        if line.hasPrefix("PHASE\t") { return phase = String(line.dropFirst(6)) }
        if line.hasPrefix("NOTE\t") { return Console.line(String(line.dropFirst(5))) }
        if line.hasPrefix("CASE\t") { return explanations.append(line) }
        lastWords.append(line)
        if lastWords.count > 400 { lastWords.removeFirst(200) }
    }

    /// Frees what it leaves behind.
    func close() {
        counter.close()
        Glibc.close(log)
        if let folder { ChildProcess.remove(folder) }
    }
    /// Removes a folder that cases have written to.
    private static func remove(_ path: String) {
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

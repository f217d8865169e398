import Glibc

/// A child process that runs cases, and its output so far.
final class ChildProcess {
    let process: pid_t
    let counter: CaseCounter
    /// Its output. Also becomes readable when it ends.
    private let output: Int32
    /// Closes when this process ends in any way; the child then ends, too.
    private let lifeline: Int32
    private let explains: Bool
    private var partial: [UInt8] = []
    /// The last lines of its output without findings: a fatal error's message is there.
    private(set) var lastWords: [String] = []
    private(set) var folder: String?
    private(set) var explanations: [String] = []
    /// The last reported phase of a case, for kinds that report phases.
    private(set) var phase = ""

    /// - Parameter explains: whether to print its descriptions of cases.
    init(_ arguments: [String], backtrace: Bool, explains: Bool = false) throws {
        self.explains = explains
        counter = try CaseCounter()
        counter.begun = -1
        let (written, life) = try (Pipe(), Pipe())
        (output, lifeline) = (written.reading, life.writing)
        _ = fcntl(output, F_SETFL, O_NONBLOCK)
        // Duplicates with numbers of 32 or more, to avoid the fixed numbers in the child.
        let inherited = [written.writing, counter.descriptor, life.reading].map { fcntl($0, F_DUPFD_CLOEXEC, 32) }
        defer { for descriptor in inherited + [written.writing, life.reading] { Glibc.close(descriptor) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, inherited[0], 1)
        posix_spawn_file_actions_adddup2(&actions, inherited[0], 2)
        posix_spawn_file_actions_adddup2(&actions, inherited[1], FuzzChild.counterDescriptor)
        posix_spawn_file_actions_adddup2(&actions, inherited[2], FuzzChild.lifelineDescriptor)
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

    /// How a process ended: success, or a short description of the failure.
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

    /// Waits until one of these has output or ends, but at most a tenth of a second, so that the watcher can look for stalls.
    static func wait(for processes: [ChildProcess]) {
        var waited = processes.map { pollfd(fd: $0.output, events: Int16(POLLIN), revents: 0) }
        _ = Glibc.poll(&waited, nfds_t(waited.count), 100)
    }

    /// Its findings since the last call.
    func findings() -> [Finding] {
        var found: [Finding] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(output, &buffer, buffer.count)
            guard count > 0 else { break }
            partial += buffer[..<count]
            while let end = partial.firstIndex(of: 10) {
                take(String(decoding: partial[..<end], as: UTF8.self), &found)
                partial.removeFirst(end + 1)
            }
        }
        return found
    }
    private func take(_ line: String, _ found: inout [Finding]) {
        if let finding = Finding(line: line) { return found.append(finding) }
        if line.hasPrefix("FOLDER\t") { return folder = String(line.dropFirst(7)) }
        if line.hasPrefix("PHASE\t") { return phase = String(line.dropFirst(6)) }
        if line.hasPrefix("NOTE\t") { return Console.line(String(line.dropFirst(5))) }
        if line.hasPrefix("CASE\t") {
            let words = String(line.map { $0 == Console.lineBreak ? "\n" : $0 })
            if explains { Console.line(words) }
            return explanations.append(words)
        }
        lastWords.append(line)
        if lastWords.count > 400 { lastWords.removeFirst(200) }
    }

    /// Releases its resources, including its folder.
    func close() {
        counter.close()
        Glibc.close(output)
        Glibc.close(lifeline)
        if let folder { FuzzFiles.remove(folder) }
    }
}

/// A pipe whose descriptors are closed on exec.
private struct Pipe {
    let reading: Int32
    let writing: Int32

    init() throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0, ends.allSatisfy({ fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }) else {
            throw FuzzFailure("no pipe to a process: \(String(cString: strerror(errno)))")
        }
        (reading, writing) = (ends[0], ends[1])
    }
}

import Glibc
import Weir

/// A child process that ends when this process ends: its standard input is a pipe from this process, and the child exits when
/// the pipe closes.
final class ChildProcess: @unchecked Sendable {  // set once at start; `wait` is called by one task
    let pid: pid_t
    let name: String
    private let input: Int32
    private let output: Int32

    /// Runs this program as a child process with other arguments.
    init(_ arguments: [String], name: String) throws {
        var toChild: [Int32] = [0, 0]
        var fromChild: [Int32] = [0, 0]
        guard pipe(&toChild) == 0, pipe(&fromChild) == 0 else {
            throw Status.resourceExhausted("cannot start \(name): \(String(cString: strerror(errno)))")
        }
        for descriptor in [toChild[1], fromChild[0]] { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toChild[0], STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], STDOUT_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The child has its own process group, so that Ctrl-C in the terminal reaches only this process, which then ends its
        // children.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        var argv: [UnsafeMutablePointer<CChar>?] = (["weir"] + arguments).map { strdup($0) } + [nil]
        defer { for argument in argv { free(argument) } }
        var child = pid_t()
        let failure = posix_spawn(&child, "/proc/self/exe", &actions, &attributes, &argv, environ)
        close(toChild[0])
        close(fromChild[1])
        guard failure == 0 else {
            throw Status.internalError("cannot start \(name): \(String(cString: strerror(failure)))")
        }
        pid = child
        self.name = name
        input = toChild[1]
        output = fromChild[0]
    }

    /// Waits for the child's first line of output. Blocks the thread.
    /// - Throws: `unavailable` when the child ends without one.
    func firstLine() throws -> String {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(output, &byte, 1) == 1 {
            if byte == 10 { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        throw Status.unavailable("\(name) ended before it was ready")
    }

    /// Calls `report` on another thread when the child ends, with how it ended: `exited with status 1` or `was killed by signal 9 (Killed)`.
    /// - Throws: `resourceExhausted` when the system has no thread for it.
    func whenEnded(_ report: @escaping @Sendable (String) -> Void) throws {
        try SystemThread.run { [pid] in
            var info = siginfo_t()
            // WNOWAIT: the pid stays taken until `end`, which sends signals to it.
            while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) != 0 {
                guard errno == EINTR else { return }
            }
            let status = info._sifields._sigchld.si_status
            report(info.si_code == CLD_EXITED ? "exited with status \(status)" : "was killed by signal \(status) (\(String(cString: strsignal(status))))")
        }
    }

    /// How long a child may take to end after SIGTERM.
    static let grace = Duration.seconds(3)

    /// Sends SIGTERM to all at once, waits until they have ended or the time is over, then sends SIGKILL to those that are left. A process
    /// that is stopped ends only then.
    static func end(_ children: [ChildProcess], within grace: Duration = grace) {
        for child in children {
            close(child.input)
            kill(child.pid, SIGTERM)
        }
        let end = ContinuousClock.now + grace
        var left = children.filter { !$0.hasEnded() }
        while !left.isEmpty, .now < end {
            usleep(10_000)
            left = left.filter { !$0.hasEnded() }
        }
        for child in left { kill(child.pid, SIGKILL) }
        for child in left {
            var status: Int32 = 0
            waitpid(child.pid, &status, 0)
        }
    }
    private func hasEnded() -> Bool {
        var status: Int32 = 0
        return waitpid(pid, &status, WNOHANG) != 0
    }
}

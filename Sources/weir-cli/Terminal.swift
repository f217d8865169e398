import Glibc

/// Prints a one-line message to standard error and exits with code 1.
func fail(_ message: String) -> Never {
    Terminal.error("\(WeirCommand._errorPrefix)\(message)")
    exit(1)
}

/// Writes lines for people and programs.
enum Terminal {
    /// Whether standard output is a terminal, where a progress bar may be drawn.
    static var isInteractive: Bool { isatty(STDOUT_FILENO) == 1 }

    static func line(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }
    static func error(_ text: String) { write(text + "\n", to: STDERR_FILENO) }
    /// Replaces the current line on a terminal.
    static func overwrite(_ text: String) { write("\r\u{1B}[K" + text, to: STDOUT_FILENO) }

    /// Writes a text, normally in one call, so that lines of several threads do not mix.
    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // The reader has closed its end, so the error cannot be reported.
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}

import Glibc

/// Writes whole lines to standard output without buffering, so that they are not lost in a crash.
enum Console {
    /// Replaces line breaks in multi-line text that is sent as one line.
    static let lineBreak: Character = "\u{1E}"

    static func line(_ text: String) {
        var bytes = Array(text.utf8) + [10]
        bytes.withUnsafeMutableBytes { buffer in
            var position = 0
            while position < buffer.count {
                let count = write(1, buffer.baseAddress.map { $0 + position }, buffer.count - position)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                position += count
            }
        }
    }
}

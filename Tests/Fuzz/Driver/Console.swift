import Glibc

/// Whole lines to standard output, at once: whoever watches must see them even if the next instruction is the last.
enum Console {
    /// Stands for a line's end in what one process tells another in a line.
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

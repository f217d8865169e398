import Glibc

/// The clock that traces read.
enum HostClock {
    /// Identifies the clock: the id that the kernel draws when the machine boots. Processes with the same id read one clock, also
    /// in different containers. Empty when the system does not tell it; then no clock is taken to be the same as this one.
    static let identity: String = {
        let file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(file, &bytes, bytes.count)
        // A UUID and a line feed.
        let text = bytes.prefix(max(count, 0)).prefix { $0 != UInt8(ascii: "\n") }
        guard text.count == 36, text.allSatisfy({ $0 > 32 && $0 < 127 }) else { return "" }
        return String(decoding: text, as: UTF8.self)
    }()
}

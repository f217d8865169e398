import Glibc
import Weir

/// The memory of a process, as Linux counts it.
enum ProcessMemory: String {
    /// What it has in memory now.
    case resident = "VmRSS"
    /// The most that it had in memory at once.
    case peak = "VmHWM"

    /// The size in bytes.
    /// - Throws: `notFound` when the process does not exist, or its `status` file does not have it.
    func byteCount(of pid: pid_t) throws(Status) -> Int {
        let path = "/proc/\(pid)/status"
        guard let file = fopen(path, "r") else { throw .notFound("cannot read \(path): \(String(cString: strerror(errno)))") }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 14)
        let count = fread(&bytes, 1, bytes.count, file)
        let lines = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n")
        guard let line = lines.first(where: { $0.hasPrefix("\(rawValue):") }),
            let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) })
        else { throw .notFound("expected a line \(rawValue) in \(path), found \(lines.count) lines without it") }
        return kilobytes.multipliedReportingOverflow(by: 1024).partialValue
    }

    /// Lets the peak of this process begin anew, with what it has in memory now.
    /// - Throws: `unimplemented` when the system does not let it.
    static func resetPeak() throws(Status) {
        let path = "/proc/self/clear_refs"
        guard let file = fopen(path, "w") else { throw .unimplemented("cannot write \(path): \(String(cString: strerror(errno)))") }
        let isWritten = fputs("5", file) >= 0
        guard fclose(file) == 0, isWritten else { throw .unimplemented("cannot write \(path): \(String(cString: strerror(errno)))") }
    }
}

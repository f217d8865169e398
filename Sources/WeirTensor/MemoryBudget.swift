#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif
import Synchronization

/// Keeps the process from taking the last of the machine's memory: Linux hands out more than there is and ends whoever
/// then uses it.
///
/// Whoever takes memory says so beforehand. Small amounts add up until they are worth a look at what is left, so that the
/// common case is one addition; what a thread takes again from its cache is not counted at all.
public enum MemoryBudget {
    /// From this many bytes on what is left is looked at: some microseconds, where to fill so much takes a hundred times that.
    private static let interval = 8 << 20
    private static let taken = Atomic<Int>(0)
    private static let limit = Atomic<Int>(.max)

    /// Lets the process take so many bytes at most, all of its memory counted.
    public static func setLimit(_ byteCount: Int) { limit.store(byteCount, ordering: .relaxed) }

    /// Says that the process is about to take so many bytes more.
    /// - Throws: `resourceExhausted` when so much is not to be had and leave something for the rest of the machine.
    @inlinable
    public static func take(_ byteCount: Int) throws(Status) {
        if isDue(byteCount) { try check(byteCount) }
    }

    @usableFromInline static func isDue(_ byteCount: Int) -> Bool {
        // What is as much by itself is looked at by itself: any number may be asked for, and the sum must not overflow.
        guard byteCount < interval else { return true }
        let sum = taken.wrappingAdd(byteCount, ordering: .relaxed).newValue
        guard sum >= interval else { return false }
        taken.store(0, ordering: .relaxed)
        return true
    }

    @usableFromInline static func check(_ byteCount: Int) throws(Status) {
        let limit = limit.load(ordering: .relaxed)
        if limit < .max, let used = number(in: "/proc/self/statm", after: " "), byteCount > limit - used * pageSize {
            HostAllocator.shared.trim()
            if let used = number(in: "/proc/self/statm", after: " "), byteCount > limit - used * pageSize {
                throw .resourceExhausted(
                    "Out of memory: \(byteCount) bytes more are asked for, \(used * pageSize) of the \(limit) bytes that this process may take are in use")
            }
        }
        guard let left = available(), byteCount > left - reserve else { return }
        // What is kept for reuse is given back first.
        HostAllocator.shared.trim()
        guard let left = available(), byteCount > left - reserve else { return }
        throw .resourceExhausted(
            "Out of memory: \(byteCount) bytes more are asked for, \(left) are left on this machine, of which \(reserve) are kept free")
    }

    private static let pageSize = sysconf(Int32(_SC_PAGESIZE))
    /// Left for the rest of the machine: a thirty-second part of it, 256 MB at most.
    private static let reserve: Int = {
        min(256 << 20, max(0, sysconf(Int32(_SC_PHYS_PAGES)) * pageSize / 32))
    }()

    /// Bytes that may still be taken: of the machine, or of the control group that the process is in; nil where the system
    /// does not say.
    private static func available() -> Int? {
        let machine = number(in: "/proc/meminfo", after: "MemAvailable:").map { $0 << 10 }
        guard let group = groupPath, let limit = number(in: group + "/memory.max", after: ""),
            let used = number(in: group + "/memory.current", after: "")
        else { return machine }
        // Of what the group uses, files that were read can be given up.
        let files = number(in: group + "/memory.stat", after: "inactive_file ") ?? 0
        return min(machine ?? .max, limit - used + files)
    }

    /// The folder of the process's control group (version 2), if it has one.
    private static let groupPath: String? = {
        for path in ["/sys/fs/cgroup"] where access(path + "/memory.max", R_OK) == 0 { return path }
        return nil
    }()

    /// The number that follows a word in a file of the system; nil when it says something else, such as `max`.
    private static func number(in path: String, after word: String) -> Int? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 8192, alignment: 1) { buffer -> Int? in
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            guard count > 0 else { return nil }
            let text = String(decoding: buffer[0..<count], as: UTF8.self)
            guard let found = word.isEmpty ? text.startIndex : text.firstRange(of: word)?.upperBound else { return nil }
            return Int(text[found...].drop { $0 == " " }.prefix { $0.isNumber })
        }
    }
}

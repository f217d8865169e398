import Glibc
import Synchronization

/// Fails allocations before the machine runs out of memory. Linux overcommits, and kills a process that uses more than there
/// is.
///
/// Callers announce each allocation with `take`. Small sizes are summed, and the system is asked only when the sum reaches
/// `interval`, so the common case is one atomic addition. Blocks that a thread reuses from its cache are not counted.
package enum MemoryBudget {
    /// The number of bytes after which the system is asked. This takes some microseconds; to fill as many bytes takes a hundred
    /// times as long.
    private static let interval = 8 << 20
    private static let taken = Atomic<Int>(0)
    private static let limit = Atomic<Int>(.max)

    /// Limits the memory of the whole process, in bytes. A negative limit counts as 0.
    package static func setLimit(_ byteCount: Int) { limit.store(max(0, byteCount), ordering: .relaxed) }

    /// Announces that the process is about to allocate `byteCount` more bytes.
    /// - Throws: `resourceExhausted` when they would exceed the process's limit, or leave less than a reserve for the machine.
    @inlinable
    package static func take(_ byteCount: Int) throws(Status) {
        if isDue(byteCount) { try check(byteCount) }
    }

    @usableFromInline static func isDue(_ byteCount: Int) -> Bool {
        // A size of at least the interval is always checked and never added: sizes are arbitrary, and the sum must not overflow.
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
        // First free the blocks that are kept for reuse.
        HostAllocator.shared.trim()
        guard let left = available(), byteCount > left - reserve else { return }
        throw .resourceExhausted(
            "Out of memory: \(byteCount) bytes more are asked for, \(left) are left on this machine, of which \(reserve) are kept free")
    }

    private static let pageSize = sysconf(Int32(_SC_PAGESIZE))
    /// Bytes left for the rest of the machine: one thirty-second of its memory, 256 MB at most.
    private static let reserve: Int = {
        min(256 << 20, max(0, sysconf(Int32(_SC_PHYS_PAGES)) * pageSize / 32))
    }()

    /// Bytes that the process may still allocate, limited by the machine and by the process's control group; nil when the system
    /// does not say.
    private static func available() -> Int? {
        let machine = number(in: "/proc/meminfo", after: "MemAvailable:").map { $0 << 10 }
        guard let group = groupPath, let limit = number(in: group + "/memory.max", after: ""),
            let used = number(in: group + "/memory.current", after: "")
        else { return machine }
        // The group's usage includes cached files, which the system can drop.
        let files = number(in: group + "/memory.stat", after: "inactive_file ") ?? 0
        return min(machine ?? .max, limit - used + files)
    }

    /// The directory of the process's control group (version 2); nil when it has none.
    private static let groupPath: String? = {
        for path in ["/sys/fs/cgroup"] where access(path + "/memory.max", R_OK) == 0 { return path }
        return nil
    }()

    /// The number that follows a word in a system file; nil when no number follows, as with `max`.
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

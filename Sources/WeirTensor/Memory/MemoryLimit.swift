/// The limit of the memory of this process.
///
/// There is one limit for the process: all its sessions, servers and tensors share it. An allocation that would exceed it throws
/// `resourceExhausted`, before the machine runs out of memory. Without a limit, only the free memory of the machine or of the
/// process's control group counts.
public enum MemoryLimit {
    /// The smallest limit, in bytes: 64 MB.
    public static let minimum = 64 << 20

    /// Limits the memory of the process. Applies to allocations from now on; memory in use stays.
    /// - Parameter byteCount: the limit in bytes; nil removes the limit.
    /// - Throws: `invalidArgument` for a limit below `minimum`.
    public static func set(_ byteCount: Int?) throws(Status) {
        if let byteCount, byteCount < minimum {
            throw .invalidArgument("Expected a memory limit of at least \(minimum) bytes (\(minimum >> 20)MB), found \(byteCount) bytes")
        }
        MemoryBudget.setLimit(byteCount ?? .max)
    }
}

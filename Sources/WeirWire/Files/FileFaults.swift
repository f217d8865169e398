import Synchronization
package import WeirTensor

/// Ends the changes of files at a given one, as a crash would: what came before is done, nothing after it is. For tests.
///
/// A change is a byte that is written, or a file that is opened, renamed, removed or synced. Nothing is really synced, so that a test
/// can crash at each change.
package final class FileFaults: Sendable {
    @TaskLocal package static var current: FileFaults?

    private let state: Mutex<Int>
    private let failure: Status
    private let countsOnlyBytes: Bool

    /// - Parameters:
    ///   - count: the number of changes that are made.
    ///   - failure: the error of each change after these.
    ///   - countsOnlyBytes: whether only bytes count, as on a disk that is full.
    package init(after count: Int, failure: Status = FileFaults.crash, countsOnlyBytes: Bool = false) {
        state = Mutex(count)
        self.failure = failure
        self.countsOnlyBytes = countsOnlyBytes
    }

    /// The number of changes that may still be made.
    package var left: Int {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }

    package static let crash = Status.unknown("the process crashed here")

    /// How many of `count` bytes may be written now: at least one.
    static func allowed(_ count: Int) throws(Status) -> Int {
        guard let current else { return count }
        let allowed = current.state.withLock { left in
            let allowed = min(left, count)
            left -= allowed
            return allowed
        }
        guard allowed > 0 else { throw current.failure }
        return allowed
    }

    /// Counts a change.
    static func step() throws(Status) { if let current, !current.countsOnlyBytes { _ = try allowed(1) } }

    /// Counts a change that need not be made.
    /// - Returns: whether it is left out.
    static func stepWithoutDisk() throws(Status) -> Bool {
        try step()
        return current != nil
    }
}

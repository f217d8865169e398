import WeirTensor

/// Waits until nothing is missing, asking again and again. The client that makes it ready is another one, which does not tell this one.
struct ReadinessWait: Sendable {
    var clock = MonitorClock.continuous
    /// The time from one question to the next.
    var pause = Duration.milliseconds(50)
    /// The time from one notice to the next.
    var noticePause = Duration.seconds(1)
    /// The time after which it gives up; nil waits without an end.
    var limit: Duration?

    /// - Parameters:
    ///   - text: what is waited for when this is missing.
    ///   - missing: what is missing now.
    ///   - notice: is called at most once in `noticePause`.
    /// - Returns: false when something is missing after `limit`.
    /// - Throws: what `missing` throws; `cancelled` with what was waited for, when the Swift task is cancelled.
    @discardableResult
    func wait(
        for text: @Sendable (_ missing: [String]) -> String, until missing: @Sendable () async throws(Status) -> [String],
        notice: @Sendable (_ text: String, _ waited: Duration) -> Void
    ) async throws(Status) -> Bool {
        let start = clock.now()
        var noticed = start
        var last: [String] = []
        while true {
            do throws(Status) {
                let found = try await missing()
                if found.isEmpty { return true }
                last = found
            } catch {
                throw Task.isCancelled && !last.isEmpty ? .cancelled("waited for \(text(last))") : error
            }
            let now = clock.now()
            if let limit, now - start >= limit { return false }
            if now - noticed >= noticePause {
                notice(text(last), now - start)
                noticed = now
            }
            do { try await clock.sleep(pause) } catch { throw .cancelled("waited for \(text(last))") }
        }
    }

    /// The first of some names, and how many more there are.
    static func list(_ names: [String], limit: Int = 5) -> String {
        names.prefix(limit).joined(separator: ", ") + (names.count > limit ? " and \(names.count - limit) more" : "")
    }
}

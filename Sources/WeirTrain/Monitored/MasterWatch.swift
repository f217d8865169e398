import Synchronization
import WeirCluster
import WeirTensor

/// Ends a client's work when its master has not answered for too long.
///
/// A call to a master that cannot be reached waits until it can, which is right for one that is restarted, and would be for ever for one
/// that is not. A master that answers may take as long as it likes: steps have no limit of their own. Nobody asks it while steps are short.
final class MasterWatch: Sendable {
    private struct State {
        /// What ends the work that is running; nil between works.
        var cancel: (@Sendable () -> Void)?
        /// The number of works that have begun.
        var count = 0
        /// Why the work was ended.
        var failure: Status?
        var loop: Task<Void, Never>?
    }
    private let state = Mutex(State())
    private let target: String
    private let limit: Duration
    private let clock: MonitorClock
    private let onNotice: @Sendable (String) -> Void
    /// Asks the master.
    private let probe: @Sendable () async -> Status?

    /// - Parameters:
    ///   - limit: how long the master may be away.
    ///   - probe: asks the master; nil if it answers.
    init(
        target: String, limit: Duration, clock: MonitorClock, onNotice: @escaping @Sendable (String) -> Void, probe: (@Sendable () async -> Status?)? = nil
    ) {
        self.target = target
        self.limit = limit
        self.clock = clock
        self.onNotice = onNotice
        let address = target.firstRange(of: "://").map { String(target[$0.upperBound...]) } ?? target
        self.probe =
            probe
            ?? {
                do throws(Status) { _ = try await ServerProbe.devices(address: address, timeout: .seconds(1)) } catch { return error }
                return nil
            }
    }

    /// Runs work, one at a time.
    /// - Throws: what it throws; `deadlineExceeded` when the master has been away for too long.
    func run<T: Sendable>(_ work: @escaping @Sendable () async throws(Status) -> T) async throws(Status) -> T {
        let task = Task { () -> Result<T, Status> in
            do throws(Status) { return .success(try await work()) } catch { return .failure(error) }
        }
        state.withLock { state in
            state.cancel = { task.cancel() }
            state.count &+= 1
            if state.loop == nil { state.loop = Task { await watch() } }
        }
        let result = await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
        let failure = state.withLock { state -> Status? in
            state.cancel = nil
            return state.failure
        }
        do throws(Status) { return try result.get() } catch { throw failure ?? error }
    }

    /// Ends the asking. It must be called, because the asking keeps this object alive.
    func stop() { state.withLock { $0.loop?.cancel() } }

    private func watch() async {
        let period = max(min(.seconds(1), limit / 4), .milliseconds(10))
        var seen = 0
        var silentSince: Duration?
        while (try? await clock.sleep(period)) != nil {
            let running = state.withLock { $0.cancel == nil ? 0 : $0.count }
            // Work that began within this period is not asked about.
            guard running != 0, running == seen else {
                (seen, silentSince) = (running, nil)
                continue
            }
            let asked = clock.now()
            guard let problem = await probe() else {
                silentSince = nil
                continue
            }
            if Task.isCancelled { return }
            let since = silentSince ?? asked
            silentSince = since
            onNotice("waiting for the master at \(target), which does not answer: \(problem.message)")
            guard clock.now() - since >= limit else { continue }
            end(running, .deadlineExceeded("The master at \(target) has not answered for \((clock.now() - since).text): \(problem.message)"))
        }
    }

    private func end(_ work: Int, _ failure: Status) {
        let cancel = state.withLock { state -> (@Sendable () -> Void)? in
            guard state.count == work, let cancel = state.cancel else { return nil }
            state.failure = failure
            return cancel
        }
        cancel?()
    }
}

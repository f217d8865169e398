import Synchronization

@testable import WeirTrain

/// A clock of which the short waits are steps: they end at once and move its time on. Long waits end when the time has come. So what asks
/// again and again, with a short wait between, drives the clock, and what waits for a limit sees it pass.
final class ManualClock: Sendable {
    private struct Sleeper {
        let id: Int
        let end: Duration
        let continuation: CheckedContinuation<Void, any Error>
    }
    private struct State {
        var time = Duration.zero
        var sleepers: [Sleeper] = []
        var nextID = 0
    }
    private let state = Mutex(State())
    /// The longest wait that moves the time on.
    private let step: Duration

    init(step: Duration = .milliseconds(500)) { self.step = step }

    var clock: MonitorClock { MonitorClock(now: { self.state.withLock { $0.time } }, sleep: { try await self.sleep($0) }) }

    /// Moves the time on and ends the waits whose time has come.
    func advance(by duration: Duration) {
        let due = state.withLock { state -> [Sleeper] in
            state.time += duration
            let due = state.sleepers.filter { $0.end <= state.time }
            state.sleepers.removeAll { $0.end <= state.time }
            return due
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    /// Runs something while the time passes, however long it waits.
    func passing<T: Sendable>(_ work: @escaping @Sendable () async throws -> T) async -> Result<T, any Error> {
        let isOver = SharedFlag()
        let task = Task {
            defer { isOver.set() }
            return try await work()
        }
        while !isOver.isSet {
            advance(by: .seconds(1))
            await Task.yield()
        }
        return await task.result
    }

    private func sleep(_ duration: Duration) async throws {
        try Task.checkCancellation()
        if duration <= step {
            advance(by: duration)
            return await Task.yield()
        }
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let isCancelled = state.withLock { state in
                    if Task.isCancelled { return true }
                    state.sleepers.append(Sleeper(id: id, end: state.time + duration, continuation: continuation))
                    return false
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let sleeper = state.withLock { state in
                state.sleepers.firstIndex { $0.id == id }.map { state.sleepers.remove(at: $0) }
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }
}

package import WeirGraph
package import WeirTensor
import Synchronization

/// A rendezvous within one process. TensorFlow's `LocalRendezvous`. Each key has a queue either of tensors or of waiting
/// receivers, served in order of arrival.
package final class LocalRendezvous: Rendezvous {
    private enum Entry {
        case values([RendezvousItem])
        case waiters([Completion<RendezvousItem>])
    }
    private struct State {
        var entries: [RendezvousKey: Entry] = [:]
        var aborted: Status?
    }
    private let state = Mutex(State())

    /// Makes an empty rendezvous.
    package init() {}

    /// Passes a tensor to the first waiting receiver of the key, or stores it. Never blocks.
    /// - Throws: the status that the rendezvous was aborted with.
    package func send(_ key: RendezvousKey, _ delivery: RendezvousItem) throws(Status) {
        let outcome = state.withLock { state -> Result<Completion<RendezvousItem>?, Status> in
            if let aborted = state.aborted { return .failure(aborted) }
            switch state.entries[key] {
            case .waiters(var waiters)?:
                let first = waiters.removeFirst()
                state.entries[key] = waiters.isEmpty ? nil : .waiters(waiters)
                return .success(first)
            case .values(let values)?:
                state.entries[key] = .values(values + [delivery])
            case nil:
                state.entries[key] = .values([delivery])
            }
            return .success(nil)
        }
        try outcome.get()?(.success(delivery))
    }

    /// Calls `done` with the first tensor of the key, now or when it is sent. Fails if the rendezvous is aborted.
    package func receive(_ key: RendezvousKey, _ done: @escaping Completion<RendezvousItem>) {
        let result = state.withLock { state -> Result<RendezvousItem, Status>? in
            if let aborted = state.aborted { return .failure(aborted) }
            switch state.entries[key] {
            case .values(var values)?:
                let first = values.removeFirst()
                state.entries[key] = values.isEmpty ? nil : .values(values)
                return .success(first)
            case .waiters(let waiters)?:
                state.entries[key] = .waiters(waiters + [done])
            case nil:
                state.entries[key] = .waiters([done])
            }
            return nil
        }
        if let result { done(result) }
    }

    /// Removes and returns the first tensor of the key; nil if there is none yet.
    package func take(_ key: RendezvousKey) -> RendezvousItem? {
        state.withLock { state in
            guard case .values(var values)? = state.entries[key] else { return nil }
            let first = values.removeFirst()
            state.entries[key] = values.isEmpty ? nil : .values(values)
            return first
        }
    }

    /// Fails all waiting and all later sends and receives, and drops the stored tensors. Only the first call counts.
    package func abort(_ status: Status) {
        let waiters = state.withLock { state -> [Completion<RendezvousItem>] in
            guard state.aborted == nil else { return [] }
            state.aborted = status
            defer { state.entries = [:] }
            return state.entries.values.flatMap { entry -> [Completion<RendezvousItem>] in
                if case .waiters(let waiters) = entry { waiters } else { [] }
            }
        }
        for waiter in waiters { waiter(.failure(status)) }
    }

    /// The keys with waiting receivers. Error messages show them to explain what a step waits for.
    package var awaitedKeys: [RendezvousKey] {
        state.withLock { state in
            state.entries.compactMap { key, entry in if case .waiters = entry { key } else { nil } }
        }
    }
}

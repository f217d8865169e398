import Synchronization
package import WeirGraph
package import WeirTensor

/// Passes tensors between the devices of one process. A receiver gets the sender's tensor itself; nothing is copied.
package final class LocalCollectiveTransport: CollectiveTransport {
    private struct Waiter {
        var number: Int
        var byteCount: Int
        var done: Completion<Tensor>
        var cancellation: Cancellation
        var token: Cancellation.Token?
    }
    private enum Entry {
        case tensor(Tensor, sent: @Sendable (Status?) -> Void)
        case waiter(Waiter)
    }
    private struct State {
        var entries: [CollectiveKey: Entry] = [:]
        /// For each group, the latest generation that has ended, and why.
        var ended: [Int: (generation: UInt64, status: Status)] = [:]
        var waiterCount = 0

        func end(of run: CollectiveRun) -> Status? {
            guard let end = ended[run.group], run.generation <= end.generation else { return nil }
            return end.status
        }
    }
    private let state = Mutex(State())
    /// The most groups whose last failure is remembered.
    private static let maximumEndedCount = 4096

    /// A transport on which nothing has been sent.
    package init() {}

    package func send(_ tensor: Tensor, _ key: CollectiveKey, to member: CollectiveGroup.Member, _ sent: @escaping @Sendable (Status?) -> Void) {
        enum Outcome {
            case stored
            case failed(Status)
            case met(Waiter)
        }
        let outcome = state.withLock { state -> Outcome in
            if let end = state.end(of: key.run) { return .failed(end) }
            switch state.entries[key] {
            case .waiter(let waiter)?:
                state.entries[key] = nil
                return .met(waiter)
            case .tensor?: return .failed(.internalError("The tensor of \(key) was sent twice"))
            case nil:
                state.entries[key] = .tensor(tensor, sent: sent)
                return .stored
            }
        }
        switch outcome {
        case .stored: break
        case .failed(let status): sent(status)
        case .met(let waiter): deliver(tensor, key, to: waiter, sent)
        }
    }

    package func receive(
        _ key: CollectiveKey, from member: CollectiveGroup.Member, byteCount: Int, cancellation: Cancellation, _ done: @escaping Completion<Tensor>
    ) {
        enum Outcome {
            case waits(Int)
            case failed(Status)
            case met(Tensor, @Sendable (Status?) -> Void)
        }
        let outcome = state.withLock { state -> Outcome in
            if let end = state.end(of: key.run) { return .failed(end) }
            switch state.entries[key] {
            case .tensor(let tensor, let sent)?:
                state.entries[key] = nil
                return .met(tensor, sent)
            case .waiter?: return .failed(.internalError("The tensor of \(key) was asked for twice"))
            case nil:
                state.waiterCount += 1
                let waiter = Waiter(number: state.waiterCount, byteCount: byteCount, done: done, cancellation: cancellation)
                state.entries[key] = .waiter(waiter)
                return .waits(waiter.number)
            }
        }
        switch outcome {
        case .failed(let status): done(.failure(status))
        case .met(let tensor, let sent):
            deliver(tensor, key, to: Waiter(number: 0, byteCount: byteCount, done: done, cancellation: cancellation), sent)
        case .waits(let number): watch(cancellation, key, number)
        }
    }

    /// Ends the waiter's receive when the cancellation comes.
    private func watch(_ cancellation: Cancellation, _ key: CollectiveKey, _ number: Int) {
        @Sendable func withdraw() {
            let waiter = state.withLock { state -> Waiter? in
                guard case .waiter(let waiter)? = state.entries[key], waiter.number == number else { return nil }
                state.entries[key] = nil
                return waiter
            }
            waiter?.done(.failure(.cancelled("The receive of a collective operation was cancelled").derived))
        }
        guard let token = cancellation.register(withdraw) else { return withdraw() }
        let isWaiting = state.withLock { state -> Bool in
            guard case .waiter(var waiter)? = state.entries[key], waiter.number == number else { return false }
            waiter.token = token
            state.entries[key] = .waiter(waiter)
            return true
        }
        if !isWaiting { cancellation.deregister(token) }
    }

    private func deliver(_ tensor: Tensor, _ key: CollectiveKey, to waiter: Waiter, _ sent: @Sendable (Status?) -> Void) {
        if let token = waiter.token { waiter.cancellation.deregister(token) }
        guard tensor.byteCount == waiter.byteCount else {
            let status = Status.invalidArgument(
                "The members of a collective operation must have tensors of one size: rank \(key.destination) expects \(waiter.byteCount) bytes, "
                    + "rank \(key.source) sends \(tensor.byteCount) (group_key=\(key.run.group), instance_key=\(key.run.instance))")
            waiter.done(.failure(status))
            return sent(status)
        }
        waiter.done(.success(tensor))
        sent(nil)
    }

    package func abort(_ run: CollectiveRun, _ group: CollectiveGroup, _ status: Status) {
        let gone = state.withLock { state -> [Entry] in
            guard state.end(of: run) == nil else { return [] }
            state.ended[run.group] = (run.generation, status)
            if state.ended.count > LocalCollectiveTransport.maximumEndedCount,
                let oldest = state.ended.min(by: { $0.value.generation < $1.value.generation })
            {
                state.ended[oldest.key] = nil
            }
            let keys = state.entries.keys.filter { $0.run.group == run.group && $0.run.generation <= run.generation }
            return keys.compactMap { state.entries.removeValue(forKey: $0) }
        }
        for entry in gone {
            switch entry {
            case .tensor(_, let sent): sent(status)
            case .waiter(let waiter):
                if let token = waiter.token { waiter.cancellation.deregister(token) }
                waiter.done(.failure(status))
            }
        }
    }

    /// Does nothing: what a run has sent was received, and is not kept.
    package func end(_ run: CollectiveRun) {}

    /// The number of tensors and of receivers that wait.
    package var waitingCount: Int { state.withLock { $0.entries.count } }
}

extension CollectiveKey: CustomStringConvertible {
    /// The key for error messages.
    package var description: String {
        "part \(part) from rank \(source) to rank \(destination) (group_key=\(run.group), instance_key=\(run.instance), run \(run.number))"
    }
}

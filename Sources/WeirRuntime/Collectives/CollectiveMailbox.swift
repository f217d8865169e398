import Synchronization
package import WeirGraph
package import WeirTensor

/// A tensor of a collective operation on its way to the member that receives it.
package struct CollectiveBuffer: Sendable {
    /// The tensor, in host memory.
    package var tensor: Tensor
    /// Called once with nil when the receiver has the elements, or with the reason why it does not get them; nil for a tensor
    /// that came from another task.
    package var sent: (@Sendable (Status?) -> Void)?
    /// A tensor with the callback of its sender.
    package init(_ tensor: Tensor, sent: (@Sendable (Status?) -> Void)? = nil) {
        self.tensor = tensor
        self.sent = sent
    }
}

/// The tensors that members on this task send, until they are received. TensorFlow's `BufRendezvous`.
///
/// A tensor waits for its receiver, and a receiver for its tensor: until the group ends at the latest, and a receiver no longer
/// than its cancellation. So what waits is what running steps hold.
package final class CollectiveMailbox: Sendable {
    /// A receive that waits for its tensor.
    private final class Receiver: Sendable {
        let byteCount: Int
        let cancellation: Cancellation
        let token: Cancellation.Token
        let done: Completion<CollectiveBuffer>

        init(byteCount: Int, _ cancellation: Cancellation, _ token: Cancellation.Token, _ done: @escaping Completion<CollectiveBuffer>) {
            self.byteCount = byteCount
            self.cancellation = cancellation
            self.token = token
            self.done = done
        }
        func finish(_ result: Result<CollectiveBuffer, Status>) {
            cancellation.deregister(token)
            done(result)
        }
    }
    private enum Slot {
        case tensor(CollectiveBuffer)
        case receiver(Receiver)
    }
    private struct Generation: Hashable {
        var group: Int
        var number: UInt64
    }
    private struct State {
        var slots: [CollectiveKey: Slot] = [:]
        /// Why the latest groups have ended. Members that are late get this status.
        var ended = LRUCache<Generation, Status>(capacity: 4096)

        func end(_ group: Int, _ generation: UInt64) -> Status? { ended.peek(Generation(group: group, number: generation)) }
    }
    /// The most tensors and receivers that wait, which no real step reaches. Further ones fail.
    private static let capacity = 1_000_000
    private let state = Mutex(State())

    /// A mailbox without tensors.
    package init() {}

    /// The number of tensors and receivers that wait.
    package var count: Int { state.withLock { $0.slots.count } }

    /// Whether a tensor or its receiver waits between two ranks, for tests.
    package func waits(from source: Int, to destination: Int) -> Bool {
        state.withLock { $0.slots.keys.contains { $0.source == source && $0.destination == destination } }
    }

    /// Why a generation of a group has ended; nil if it has not.
    package func end(of group: Int, _ generation: UInt64) -> Status? { state.withLock { $0.end(group, generation) } }

    /// Adds a tensor that a member on this task sends.
    package func send(_ buffer: CollectiveBuffer, _ key: CollectiveKey) {
        let (receiver, failure) = state.withLock { state -> (Receiver?, Status?) in
            if let status = state.end(key.run.group, key.run.generation) { return (nil, status) }
            switch state.slots[key] {
            case .receiver(let receiver)?:
                state.slots[key] = nil
                return (receiver, nil)
            case .tensor?: return (nil, .internalError("The tensor of \(key) was sent twice"))
            case nil:
                guard state.slots.count < CollectiveMailbox.capacity else { return (nil, CollectiveMailbox.full) }
                state.slots[key] = .tensor(buffer)
                return (nil, nil)
            }
        }
        if let receiver { CollectiveMailbox.deliver(buffer, key, to: receiver.byteCount, receiver.finish) }
        if let failure { buffer.sent?(failure) }
    }

    /// Returns a tensor when it is sent. It may be asked for before the sender's step has begun. The caller calls `sent`.
    /// - Parameter byteCount: the number of bytes that the receiver expects.
    package func receive(
        _ key: CollectiveKey, byteCount: Int, cancellation: Cancellation, _ done: @escaping Completion<CollectiveBuffer>
    ) {
        guard let token = cancellation.register({ [weak self] in self?.withdraw(key) }) else {
            return done(.failure(CollectiveMailbox.cancelled))
        }
        let receiver = Receiver(byteCount: byteCount, cancellation, token, done)
        let found = state.withLock { state -> Result<CollectiveBuffer, Status>? in
            if let status = state.end(key.run.group, key.run.generation) { return .failure(status) }
            switch state.slots[key] {
            case .tensor(let buffer)?:
                state.slots[key] = nil
                return .success(buffer)
            case .receiver?: return .failure(.internalError("The tensor of \(key) was asked for twice"))
            case nil:
                guard state.slots.count < CollectiveMailbox.capacity else { return .failure(CollectiveMailbox.full) }
                state.slots[key] = .receiver(receiver)
                return nil
            }
        }
        switch found {
        case .success(let buffer)?: CollectiveMailbox.deliver(buffer, key, to: byteCount, receiver.finish)
        case .failure(let status)?: receiver.finish(.failure(status))
        // A cancellation that fired before the receiver was added found nothing to withdraw.
        case nil: if cancellation.isCancelled { withdraw(key) }
        }
    }

    /// Returns a tensor to a member on this task, which gets the sender's tensor itself.
    package func take(_ key: CollectiveKey, byteCount: Int, cancellation: Cancellation, _ done: @escaping Completion<Tensor>) {
        receive(key, byteCount: byteCount, cancellation: cancellation) { result in
            done(result.map(\.tensor))
            if case .success(let buffer) = result { buffer.sent?(nil) }
        }
    }

    /// Hands a tensor to its receiver if it has the expected size. Otherwise both sides fail.
    private static func deliver(
        _ buffer: CollectiveBuffer, _ key: CollectiveKey, to byteCount: Int, _ done: Completion<CollectiveBuffer>
    ) {
        guard buffer.tensor.byteCount == byteCount else {
            let status = Status.invalidArgument(
                "The members of a collective operation must have tensors of one size: rank \(key.destination) expects \(byteCount) bytes, "
                    + "rank \(key.source) sends \(buffer.tensor.byteCount) (group_key=\(key.run.group), instance_key=\(key.run.instance))")
            done(.failure(status))
            buffer.sent?(status)
            return
        }
        done(.success(buffer))
    }

    /// Ends a receive whose cancellation has fired.
    private func withdraw(_ key: CollectiveKey) {
        let receiver = state.withLock { state -> Receiver? in
            guard case .receiver(let receiver)? = state.slots[key], receiver.cancellation.isCancelled else { return nil }
            state.slots[key] = nil
            return receiver
        }
        receiver?.finish(.failure(CollectiveMailbox.cancelled))
    }

    /// Fails everything that waits, and that will be sent or received, in a generation of a group.
    /// - Returns: false if the generation has ended before.
    @discardableResult package func fail(_ group: Int, _ generation: UInt64, _ status: Status) -> Bool {
        let slots = state.withLock { state -> [Slot]? in
            guard state.end(group, generation) == nil else { return nil }
            _ = state.ended.insert(Generation(group: group, number: generation), status)
            let keys = state.slots.keys.filter { $0.run.group == group && $0.run.generation == generation }
            return keys.compactMap { state.slots.removeValue(forKey: $0) }
        }
        guard let slots else { return false }
        for slot in slots {
            switch slot {
            case .tensor(let buffer): buffer.sent?(status)
            case .receiver(let receiver): receiver.finish(.failure(status))
            }
        }
        return true
    }

    private static let cancelled = Status.cancelled("The receive of a collective operation was cancelled").derived
    private static let full = Status.resourceExhausted("\(capacity) tensors of collective operations wait on one task; that is the limit")
}

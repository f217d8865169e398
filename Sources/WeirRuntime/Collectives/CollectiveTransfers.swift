import Synchronization
import WeirDevice
import WeirGraph
import WeirTensor

/// One member's part of one run: does the steps of a schedule over a transport.
///
/// All pieces begin at once, so a receive is posted before its tensor comes. What the transport reports becomes an event; the
/// thread that reports it also handles it, unless another thread is handling events. So the steps run on one thread at a time,
/// and tensors that come at once do not nest calls. Larger tensors are added on the compute pool, so that the thread that reads a
/// link goes on reading. A transport that takes elements to their destination adds them itself as they arrive.
///
/// **Passes over memory**, for a sum of B bytes over two members: each sends B/2 of its input and receives B/2, which is added to its
/// own into the result on the way (reads B/2, writes B/2); then it sends that half of the result and receives the other half in
/// place (writes B/2). With what is sent, B is read and B written, as much as one copy of the tensor does, and B passes through
/// the transport's buffer both ways. The input is never copied, nor are the parts joined: they are views of one result.
///
/// In a traced step the run records what it passed to each other member and got from it, and each piece of arithmetic as work, while the
/// node itself counts as waiting.
final class CollectiveTransfers: @unchecked Sendable {  // all but constants and `mailbox` belongs to the thread that handles events
    /// Who takes part, as which rank.
    struct Membership: Sendable {
        var group: CollectiveGroup
        var rank: Int
        var run: CollectiveRun
    }
    private enum Event {
        case begin
        /// `time` is 0 if the step is not traced.
        case received(piece: Int, Result<Tensor, Status>, time: Int)
        case signature(Result<Tensor, Status>)
        case sent(Status?)
    }
    private struct Mailbox {
        var events: [Event] = []
        var isHandling = false
        var isStopped = false
    }
    /// What has happened to a piece.
    private struct Progress {
        var step = 0
        /// The value, if it has memory of its own.
        var value: Tensor?
        /// Whether the result has the value.
        var isInResult = false
        /// Where the transport may have taken the tensor that is being received.
        var destination: Tensor?
    }

    /// Tensors up to this size are added by the thread that reports them: that takes less time than to wake another one.
    private static let inlineByteCount = 64 << 10
    /// The fewest elements that are worth another thread.
    private static let grain = 64 << 10

    private let operation: CollectiveOperation
    private let membership: Membership
    private let schedule: CollectiveSchedule
    private let signature: CollectiveSignature
    private let resultShape: Shape
    private let input: Tensor?
    private let transport: any CollectiveTransport
    private let pool: ComputePool
    private let trace: (any StepTrace)?
    private let done: Completion<Tensor>
    /// Ends the receives that wait, when the run fails.
    private let receives = Cancellation()
    private let mailbox = Mutex(Mailbox())

    private let flatInput: Tensor?
    private var result: Tensor?
    private var flatResult: Tensor?
    private var progress: [Progress]
    /// Empty if the step is not traced.
    private var times = CollectiveTimes()
    /// The number of pieces, sends and signatures that the run waits for.
    private var pendingCount: Int

    init(
        _ operation: CollectiveOperation, _ membership: Membership, input: Tensor?, inputShape: Shape, resultShape: Shape, source: Int,
        transport: any CollectiveTransport, pool: ComputePool, trace: (any StepTrace)?, _ done: @escaping Completion<Tensor>
    ) {
        self.operation = operation
        self.membership = membership
        self.input = input
        self.resultShape = resultShape
        self.transport = transport
        self.pool = pool
        self.trace = trace
        self.done = done
        let extent = CollectiveExtent(
            rank: membership.rank, memberCount: membership.group.members.count, elementCount: inputShape.elementCount,
            elementByteCount: operation.dtype.byteCount)
        let algorithm = CollectiveAlgorithm(operation, extent)
        schedule = algorithm.schedule(operation.kind, extent, source: source)
        signature = CollectiveSignature(operation, inputShape, algorithm)
        flatInput = input?.reshaped(Shape(inputShape.elementCount))
        progress = [Progress](repeating: Progress(), count: schedule.pieces.count)
        pendingCount = schedule.pieces.count
    }

    /// Begins. `done` is called once, unless `stop` comes first.
    func start() { post(.begin) }

    /// Ends the run: nothing is sent or received from now on, and `done` is not called.
    func stop() {
        mailbox.withLock { mailbox in
            mailbox.isStopped = true
            mailbox.events = []
        }
        receives.cancel()
    }

    // MARK: Events

    private func post(_ event: Event) {
        let handles = mailbox.withLock { mailbox -> Bool in
            guard !mailbox.isStopped else { return false }
            mailbox.events.append(event)
            defer { mailbox.isHandling = true }
            return !mailbox.isHandling
        }
        if handles { handleEvents(isOnPool: false) }
    }

    /// Whether a tensor that was received is large and not yet where it belongs, or is to be divided.
    private func isWork(_ received: Tensor, _ piece: Int) -> Bool {
        guard received.byteCount > CollectiveTransfers.inlineByteCount else { return false }
        guard let destination = progress[piece].destination, received.sharesMemory(with: destination) else { return true }
        let next = progress[piece].step + 1, steps = schedule.pieces[piece].steps
        return operation.arithmetic?.divide != nil && next < steps.count && steps[next] == .divide
    }

    /// Handles events until there are none. A large tensor is left to a thread of the pool.
    private func handleEvents(isOnPool: Bool) {
        while true {
            let events = mailbox.withLock { mailbox -> [Event] in
                defer { mailbox.events = [] }
                mailbox.isHandling = !mailbox.events.isEmpty
                return mailbox.events
            }
            if events.isEmpty { return }
            for (index, event) in events.enumerated() {
                if !isOnPool, case .received(let piece, .success(let tensor), _) = event, isWork(tensor, piece) {
                    mailbox.withLock { mailbox in
                        if !mailbox.isStopped { mailbox.events.insert(contentsOf: events[index...], at: 0) }
                    }
                    return pool.submit { [self] in handleEvents(isOnPool: true) }
                }
                guard !mailbox.withLock({ $0.isStopped }) else { return }
                do throws(Status) { try handle(event) } catch { return finish(.failure(error)) }
                if pendingCount == 0 { return complete() }
            }
        }
    }

    private func finish(_ outcome: Result<Tensor, Status>) {
        let isFirst = mailbox.withLock { mailbox in
            defer { (mailbox.isStopped, mailbox.events) = (true, []) }
            return !mailbox.isStopped
        }
        guard isFirst else { return }
        receives.cancel()
        done(outcome)
    }

    private func complete() {
        let made = result
        if let trace { times.record(operation, membership, in: trace) }
        // The graph may change the result in place if nobody else holds it.
        (result, flatResult, progress) = (nil, nil, [])
        do throws(Status) {
            if let made { return finish(.success(made)) }
            // Nothing was written: a source's tensor, or that of an only member, is the result.
            if let input, input.shape == resultShape || input.elementCount == resultShape.elementCount {
                return finish(.success(input.shape == resultShape ? input : input.reshaped(resultShape)))
            }
            finish(.success(try Tensor(operation.dtype, resultShape)))
        } catch {
            finish(.failure(error))
        }
    }

    private func handle(_ event: Event) throws(Status) {
        switch event {
        case .begin:
            exchangeSignatures()
            for piece in schedule.pieces.indices { try advance(piece) }
        case .sent(let status):
            if let status { throw status }
            pendingCount -= 1
        case .signature(let result):
            let other = try result.get()
            guard CollectiveSignature(other) == signature else { throw disagreement(other) }
            pendingCount -= 1
        case .received(let piece, let result, let time):
            let received = try result.get()
            try use(received, piece, time)
            progress[piece].step += 1
            try advance(piece)
        }
    }

    // MARK: Steps

    private func member(_ rank: Int) -> CollectiveGroup.Member { membership.group.members[rank] }

    /// Sends the signature to the next rank and expects that of the one before.
    private func exchangeSignatures() {
        let (rank, count) = (membership.rank, membership.group.members.count)
        guard count > 1 else { return }
        pendingCount += 1
        let (next, previous) = ((rank + 1) % count, (rank + count - 1) % count)
        send(signature.tensor, to: next, part: 0)
        transport.receive(
            CollectiveKey(run: membership.run, source: previous, destination: rank, part: 0), from: member(previous),
            byteCount: CollectiveSignature.byteCount, cancellation: receives
        ) { [self] in post(.signature($0)) }
    }

    private func send(_ tensor: Tensor, to rank: Int, part: Int) {
        pendingCount += 1
        transport.send(tensor, CollectiveKey(run: membership.run, source: membership.rank, destination: rank, part: part), to: member(rank)) {
            [self] status in post(.sent(status))
        }
    }

    /// Does the steps of a piece up to the next receive.
    private func advance(_ piece: Int) throws(Status) {
        let plan = schedule.pieces[piece]
        while progress[piece].step < plan.steps.count {
            switch plan.steps[progress[piece].step] {
            case .send(let rank, let part):
                let value = try value(piece), start = traceTime
                send(value, to: rank, part: part)
                if trace != nil { times.send(to: rank, elementCount: value.elementCount, start: start, end: traceTime) }
            case .place:
                let target = try resultView(plan)
                target.copyElements(from: try value(piece))
                progress[piece].isInResult = true
            case .divide: try divide(piece)
            case .receive(let rank, let part, let use):
                let key = CollectiveKey(run: membership.run, source: rank, destination: membership.rank, part: part)
                let done: Completion<Tensor> = { [self] in post(.received(piece: piece, $0, time: traceTime)) }
                if trace != nil { times.expect(from: rank, at: traceTime) }
                if let destination = try self.destination(piece, use) {
                    progress[piece].destination = destination.target
                    transport.receive(key, from: member(rank), into: destination, cancellation: receives, done)
                } else {
                    transport.receive(
                        key, from: member(rank), byteCount: plan.input.count * operation.dtype.byteCount, cancellation: receives, done)
                }
                return
            }
            progress[piece].step += 1
        }
        try settle(piece)
        pendingCount -= 1
    }

    /// The piece's value, as a view.
    private func value(_ piece: Int) throws(Status) -> Tensor {
        if let value = progress[piece].value { return value }
        if progress[piece].isInResult { return try resultView(schedule.pieces[piece]) }
        guard let flatInput else { throw .internalError("Collective '\(operation.name)' has no input to send") }
        return flatInput.rows(schedule.pieces[piece].input)
    }

    /// The elements of the result that a piece's value is written to.
    private func resultView(_ plan: CollectiveSchedule.Piece) throws(Status) -> Tensor {
        guard let range = plan.output else { throw .internalError("Collective '\(operation.name)' gives no result here") }
        if let flatResult { return flatResult.rows(range) }
        let made = try Tensor(operation.dtype, resultShape)
        let flat = made.reshaped(Shape(resultShape.elementCount))
        (result, flatResult) = (made, flat)
        return flat.rows(range)
    }

    /// Where a piece's next value belongs; nil if it needs memory of its own, which it gets when it comes.
    private func destination(_ piece: Int, _ use: CollectiveSchedule.Use) throws(Status) -> CollectiveDestination? {
        let plan = schedule.pieces[piece]
        switch use {
        case .copy: return CollectiveDestination(try resultView(plan))
        case .combine(let receivedIsLower):
            guard isInPlace(plan) else { return nil }
            let combination = CollectiveDestination.Combination(
                own: try value(piece), receivedIsLower: receivedIsLower, try arithmetic().combine)
            return CollectiveDestination(try resultView(plan), combination: combination)
        }
    }

    /// Whether a piece's next value may be written to the result.
    private func isInPlace(_ plan: CollectiveSchedule.Piece) -> Bool { plan.output != nil && schedule.overwritesSent }

    /// Takes a tensor that has been received.
    /// - Parameter time: when it was received, in a traced step.
    private func use(_ received: Tensor, _ piece: Int, _ time: Int) throws(Status) {
        let plan = schedule.pieces[piece]
        guard case .receive(let rank, _, let use) = plan.steps[progress[piece].step] else { return }
        let byteCount = plan.input.count * operation.dtype.byteCount
        guard received.byteCount == byteCount else {
            throw .internalError("Collective '\(operation.name)' expects \(byteCount) bytes from rank \(rank), found \(received.byteCount)")
        }
        if trace != nil { times.receive(from: rank, elementCount: plan.input.count, at: time) }
        switch use {
        case .copy:
            let target = try resultView(plan)
            if !received.sharesMemory(with: target), byteCount > 0 { target.mutableBytes.copyMemory(from: received.bytes) }
            progress[piece].isInResult = true
        case .combine(let receivedIsLower):
            let isInPlace = isInPlace(plan)
            let isCombined = progress[piece].destination.map { received.sharesMemory(with: $0) } ?? false
            let target = isInPlace ? try resultView(plan) : try Tensor(operation.dtype, Shape(plan.input.count))
            if !isCombined {
                let own = try value(piece)
                try combine(receivedIsLower ? received : own, receivedIsLower ? own : received, into: target)
            }
            if isInPlace { progress[piece].isInResult = true } else { progress[piece].value = target }
        }
        progress[piece].destination = nil
        withExtendedLifetime(received) {}
    }

    private func arithmetic() throws(Status) -> CollectiveArithmetic {
        guard let arithmetic = operation.arithmetic else { throw .internalError("Collective '\(operation.name)' has no way to combine tensors") }
        return arithmetic
    }

    private func combine(_ a: Tensor, _ b: Tensor, into target: Tensor) throws(Status) {
        let combine = try arithmetic().combine, size = operation.dtype.byteCount
        // The addresses cross to other threads only inside `parallelFor`, and the tensors outlive it.
        nonisolated(unsafe) let (left, right, sum) = (a.address, b.address, target.address)
        let start = traceTime
        pool.parallelFor(target.elementCount, grain: CollectiveTransfers.grain) { range in
            let offset = range.lowerBound * size
            combine(left + offset, right + offset, sum + offset, range.count)
        }
        withExtendedLifetime((a, b, target)) {}
        recordWork("_combine", from: start, target) { $0.merge.rawValue }
    }

    private func divide(_ piece: Int) throws(Status) {
        guard let divide = try arithmetic().divide else { return }
        let target = try value(piece), size = operation.dtype.byteCount, count = membership.group.members.count
        nonisolated(unsafe) let values = target.address
        let start = traceTime
        pool.parallelFor(target.elementCount, grain: CollectiveTransfers.grain) { range in divide(values + range.lowerBound * size, range.count, count) }
        withExtendedLifetime(target) {}
        recordWork("_divide", from: start, target) { $0.final.rawValue }
    }

    // MARK: Traces

    /// The time now in a traced step; 0 in others.
    private var traceTime: Int { trace == nil ? 0 : StepClock.now() }

    /// Records arithmetic that has ended, in a traced step.
    private func recordWork(_ name: String, from start: Int, _ target: Tensor, op: (CollectiveReduction) -> String) {
        guard let trace, let reduction = operation.kind.reduction else { return }
        trace.record(
            node: "\(operation.node)/\(name)", op: op(reduction), device: operation.device.description, start: start, end: traceTime,
            outputs: [.value(target)])
    }

    /// Puts the last value of a piece into the result, if it has memory of its own: as the result if it is all of it.
    private func settle(_ piece: Int) throws(Status) {
        guard let value = progress[piece].value else { return }
        progress[piece].value = nil
        guard schedule.pieces[piece].output != nil else { return }
        if schedule.pieces.count == 1, value.elementCount == resultShape.elementCount {
            result = value.reshaped(resultShape)
        } else {
            try resultView(schedule.pieces[piece]).copyElements(from: value)
        }
    }

    private func disagreement(_ other: Tensor) -> Status {
        let (rank, count) = (membership.rank, membership.group.members.count)
        return .invalidArgument(
            "The members of a collective operation must agree: rank \(rank) ('\(operation.name)') calls \(signature.text), rank "
                + "\((rank + count - 1) % count) \(CollectiveSignature(other)?.text ?? "something else") (group_key=\(operation.groupKey), "
                + "instance_key=\(operation.instanceKey))")
    }
}

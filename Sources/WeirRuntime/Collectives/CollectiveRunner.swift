import Synchronization
package import WeirDevice
package import WeirGraph
package import WeirTensor

/// Runs the collective operations of the devices of one process. TensorFlow's `BaseCollectiveExecutor`.
///
/// A call first finds its group: the first call of each device asks the resolver. All members count the runs of each operation, so
/// that the tensors of two runs are kept apart. Therefore the steps of a member must call an operation in the order in which
/// the others call it: two steps that run at the same time and call one operation are not kept apart.
///
/// If a call fails, its group ends: all its running calls fail, here and in other tasks, and so does a call that comes late, from
/// a step that ran at the time. The calls of later steps find the group anew.
package final class CollectiveRunner: CollectiveExecutor {
    private let resolver: any CollectiveResolver
    private let transport: any CollectiveTransport
    private let pool: ComputePool
    private let incarnation: @Sendable (DeviceName) -> UInt64
    private let state = Mutex(CollectiveRunTable())
    private let failures = Atomic<Int>(0)

    /// A runner without groups.
    /// - Parameters:
    ///   - incarnation: the incarnation of a device of this process.
    ///   - pool: the threads that combine tensors.
    package init(
        resolver: any CollectiveResolver, transport: any CollectiveTransport, pool: ComputePool = .shared,
        incarnation: @escaping @Sendable (DeviceName) -> UInt64
    ) {
        self.resolver = resolver
        self.transport = transport
        self.pool = pool
        self.incarnation = incarnation
    }

    /// A runner for groups of these devices alone.
    package convenience init(devices: LocalDevices) {
        self.init(resolver: LocalCollectiveResolver(), transport: LocalCollectiveTransport()) { devices[$0]?.device.incarnation ?? 0 }
    }

    package var failureCount: Int { failures.load(ordering: .acquiring) }

    package func start(_ operation: CollectiveOperation, input: Tensor?, step: StepContext, _ done: @escaping Completion<Tensor>) {
        do throws(Status) { try operation.check(input) } catch { return done(.failure(error)) }
        let call = CollectiveCall(operation, input: input, step: step, done)
        call.watch { [self] call, status in fail(call, status) }
        guard !call.isFinished else { return }
        let (left, entry) = state.withLock { table in noted(&table) { ($0.makeRoom(for: operation.groupKey), $0.enter(call)) } }
        conclude(left)
        switch entry {
        case .fail(let status): call.finish(.failure(status))
        case .ask: ask(for: call)
        case .wait: break
        case .start(let start): begin(start)
        }
        // The step may have been cancelled before the call was in the table.
        if call.isFinished { conclude(drop(call, .cancelled("op cancelled \(operation.name)"))) }
    }

    /// Ends a generation of a group, and all before it, because another task has told that one of its runs has failed there.
    /// Has no effect if a device of this process is in a later one.
    package func end(_ generation: UInt64, ofGroup key: Int, _ status: Status) {
        conclude(state.withLock { table in noted(&table) { $0.end(key, generation, status) } })
    }

    private func ask(for call: CollectiveCall) {
        let operation = call.operation
        let member = CollectiveGroup.Member(device: operation.device, incarnation: incarnation(operation.device))
        resolver.group(of: member, operation) { [self] answer in
            let resolution = state.withLock { table in noted(&table) { $0.resolve(operation.groupKey, operation.device, answer) } }
            conclude(resolution.ended)
            for failure in resolution.failures { failure.call.finish(.failure(failure.status)) }
            for start in resolution.starts { begin(start) }
            if let again = resolution.asksAgain {
                // The thread that has ended the group may not have told the resolver yet.
                resolver.leave(again.instead, .aborted("The group has ended (group_key=\(operation.groupKey))").derived)
                ask(for: again.call)
            }
        }
    }

    /// Begins a run, when the source of a broadcast is known.
    private func begin(_ start: CollectiveRunTable.Start) {
        let call = start.call, membership = start.membership
        guard case .broadcast = call.operation.kind else { return run(call, membership, source: membership.rank) }
        switch state.withLock({ $0.awaitSource(start) }) {
        case .known(let source): return run(call, membership, source: source)
        case .wait: return
        case .ask: break
        }
        resolver.sourceRank(call.operation, in: membership.group, rank: membership.rank) { [self] answer in
            switch answer {
            case .failure(let status): fail(call, status)
            case .success(let source):
                for start in state.withLock({ $0.keepSource(source, membership) }) { run(start.call, start.membership, source: source) }
            }
        }
    }

    private func run(_ call: CollectiveCall, _ membership: CollectiveTransfers.Membership, source: Int) {
        let operation = call.operation
        if case .join = operation.kind {
            state.withLock { $0.leave(call) }
            return call.finish(.success(call.input ?? Tensor([Float]())))
        }
        if case .broadcast(let isSource) = operation.kind, isSource != (source == membership.rank) {
            return fail(
                call,
                .invalidArgument(
                    "Rank \(source) was the source of this broadcast before; rank \(membership.rank) ('\(operation.name)') \(isSource ? "is one, too" : "was it") "
                        + "(group_key=\(operation.groupKey), instance_key=\(operation.instanceKey))"))
        }
        do throws(Status) {
            let shapes = try operation.shapes(call.input)
            let transfers = CollectiveTransfers(
                operation, membership, input: call.input, inputShape: shapes.input, resultShape: shapes.result, source: source,
                transport: transport, pool: pool, trace: call.step.trace
            ) { [self] result in
                switch result {
                case .failure(let status): fail(call, status)
                case .success:
                    state.withLock { $0.leave(call) }
                    transport.end(membership.run)
                    call.finish(result)
                }
            }
            call.start(transfers)
        } catch {
            fail(call, error)
        }
    }

    /// Fails a call, and with it the group that it runs in. The others are told before the call's completion is called.
    private func fail(_ call: CollectiveCall, _ status: Status) {
        // Telling the others ends this call's transfers, too, whose error is a consequence.
        let done = call.claim()
        conclude(drop(call, status))
        done?(.failure(status))
    }

    private func drop(_ call: CollectiveCall, _ status: Status) -> CollectiveRunTable.Ended? {
        state.withLock { table in noted(&table) { $0.fail(call, status) } }
    }

    /// Publishes the number of failures after a change of the table.
    private func noted<R>(_ table: inout CollectiveRunTable, _ change: (inout CollectiveRunTable) -> R) -> R {
        defer { failures.store(table.failureCount, ordering: .releasing) }
        return change(&table)
    }

    private func conclude(_ ended: CollectiveRunTable.Ended?) {
        guard let ended else { return }
        transport.abort(ended.run, ended.group, ended.status)
        resolver.leave(ended.group, ended.status)
        for call in ended.calls { call.finish(.failure(ended.status)) }
    }
}

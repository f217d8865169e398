import Synchronization
import WeirDevice
import WeirGraph
import WeirTensor

/// One step of one executor in parallel mode. TensorFlow's `ExecutorState`.
final class ParallelRun: @unchecked Sendable {  // see the fields
    struct Ready {
        var node: Int32
        var isDead: Bool
        unowned(unsafe) var iteration: Iteration
    }

    let executor: Executor
    let table: NodeTable
    let step: StepContext
    let call: CallFrame?
    private let done: Completion<Void>
    private let measures: Bool
    /// The number of threads that work on this step, jobs submitted to the pool, and asynchronous kernels. The step ends when
    /// it is 0. Ready nodes are not counted, because each belongs to a thread that is counted.
    private let activities = Atomic<Int>(1)
    private let failure = Mutex<Status?>(nil)
    private let hasFailed = Atomic<Bool>(false)
    let root: Frame
    /// Guards frames and iterations in graphs with loops.
    let loopLock = SpinLock()

    /// In microseconds. A node that takes at least this long is worth waking another thread for.
    static let expensive: UInt32 = 40

    init(_ executor: Executor, _ step: StepContext, _ call: CallFrame?, measures: Bool, _ done: @escaping Completion<Void>) {
        self.executor = executor
        table = executor.table
        self.step = step
        self.call = call
        self.measures = measures
        self.done = done
        root = executor.takeRoot()
    }

    func start() {
        guard !table.roots.isEmpty, let iteration = root.iterations[0] else { return finish() }
        var ready: [Ready] = []
        ready.reserveCapacity(table.roots.count + 16)
        for node in table.roots { ready.append(Ready(node: node, isDead: false, iteration: iteration)) }
        iteration.outstanding = ready.count
        share(&ready, from: 0)
        process(&ready)
    }

    /// Runs the ready nodes, and those that become ready, until this thread has none left.
    private func process(_ ready: inout [Ready]) {
        let capacity = table.maximumOutputCount
        withUnsafeTemporaryAllocation(of: EdgeValue.self, capacity: capacity) { buffer in
            guard let outputs = buffer.baseAddress else { return }
            outputs.initialize(repeating: .empty, count: capacity)
            defer { outputs.deinitialize(count: capacity) }
            while let next = ready.popLast() {
                let before = ready.count
                execute(next, outputs, &ready)
                if ready.count > before + 1 || before > 0 { share(&ready, from: before) }
            }
        }
        endActivity()
    }

    private func beginActivity() { activities.wrappingAdd(1, ordering: .relaxed) }
    private func endActivity() {
        if activities.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 { finish() }
    }

    /// Submits slow nodes to other threads, but keeps at least one node for this thread.
    private func share(_ ready: inout [Ready], from start: Int) {
        guard executor.place.pool.threadCount > 1, !executor.place.pool.isSaturated else { return }
        var index = start
        while index < ready.count, ready.count > 1 {
            guard table.costs[Int(ready[index].node)].load(ordering: .relaxed) >= ParallelRun.expensive else {
                index += 1
                continue
            }
            let item = ready.remove(at: index)
            let holder = item.iteration
            beginActivity()
            executor.place.pool.submit {
                var one = [Ready(node: item.node, isDead: item.isDead, iteration: holder)]
                self.process(&one)
            }
        }
    }

    /// Runs one node. Clears its inputs before it propagates its outputs, because propagation may end and free the iteration.
    private func execute(_ item: Ready, _ outputs: UnsafeMutablePointer<EdgeValue>, _ ready: inout [Ready]) {
        let entry = table.entries + Int(item.node)
        let inputs = item.iteration.slots + Int(entry.pointee.inputStart)
        let inputCount = Int(entry.pointee.inputCount)
        let outputCount = Int(entry.pointee.outputCount)
        func clearInputs() { for index in 0..<inputCount { inputs[index] = .empty } }

        if hasFailed.load(ordering: .relaxed) { return clearInputs() }
        // Without this check, a loop that never ends could not be cancelled.
        if step.cancellation.isCancelled {
            clearInputs()
            return fail(item.node, .cancelled("Step was cancelled"))
        }
        if item.isDead, entry.pointee.kind != .transfer, entry.pointee.kind != .controlTrigger {
            clearInputs()
            for index in 0..<outputCount { outputs[index] = .dead }
            return propagate(item, entry, outputs, isDead: true, &ready)
        }
        // A dead send tells the receiver that the tensor is dead.
        if item.isDead, inputCount > 0, entry.pointee.kind == .transfer { inputs[0] = .dead }
        if entry.pointee.dereferences, let status = table.dereference(item.node, inputs, inputCount) {
            clearInputs()
            return fail(item.node, status)
        }
        switch entry.pointee.kind {
        case .argument:
            guard let call, Int(entry.pointee.position) < call.arguments.count else {
                return fail(item.node, .internalError("no argument \(entry.pointee.position) was given"))
            }
            outputs[0] = .value(call.arguments[Int(entry.pointee.position)])
        case .result:
            call?.set(Int(entry.pointee.position), inputs[0])
        default:
            let frame = table.hasLoops ? FrameIteration(frame: item.iteration.frame.id, iteration: item.iteration.number) : .root
            let context = KernelContext(
                inputs: inputs, inputCount: inputCount, outputs: outputs, outputCount: outputCount, step: step,
                place: executor.place, frame: frame)
            let start = measures || step.trace != nil ? StepClock.now() : 0
            switch entry.pointee.kernel {
            case .sync(let body):
                do {
                    try body(context)
                } catch {
                    clearInputs()
                    for index in 0..<outputCount { outputs[index] = .empty }
                    return fail(item.node, Status(error))
                }
            case .async(let body):
                let pending = AsyncKernelState()
                beginActivity()
                body(context) { result in pending.complete(result) { self.resume(item, $0, start) } }
                guard let result = pending.finishedBeforeReturn() else { return }
                endInlineActivity()
                guard accept(result, item.node, outputs, outputCount) else { return clearInputs() }
            case .enqueued(let body):
                beginActivity()
                do {
                    guard try body(context, { self.finish(item, $0, start) }) else { return }
                } catch {
                    endInlineActivity()
                    clearInputs()
                    for index in 0..<outputCount { outputs[index] = .empty }
                    return fail(item.node, Status(error))
                }
                clearInputs()
                return propagate(item, entry, outputs, isDead: false, &ready)
            }
            if start != 0 { record(item.node, start, outputs, outputCount) }
        }
        clearInputs()
        if let status = table.check(item.node, outputs, outputCount) {
            for index in 0..<outputCount { outputs[index] = .empty }
            return fail(item.node, status)
        }
        propagate(item, entry, outputs, isDead: isDead(entry, outputs), &ready)
    }

    /// Whether a receive got a dead tensor. Then the nodes that wait for it by a control edge are dead too, as are those that
    /// take its value.
    private func isDead(_ entry: UnsafeMutablePointer<NodeTable.Entry>, _ outputs: UnsafeMutablePointer<EdgeValue>) -> Bool {
        entry.pointee.kind == .transfer && entry.pointee.outputCount == 1 && outputs[0].isDead
    }

    /// Ends an activity on the current thread. The thread is itself an activity, so the count cannot reach 0 here.
    private func endInlineActivity() { activities.wrappingSubtract(1, ordering: .relaxed) }

    /// Stores the outputs of an asynchronous kernel, or fails the step.
    private func accept(_ result: Result<[EdgeValue], Status>, _ node: Int32, _ outputs: UnsafeMutablePointer<EdgeValue>, _ count: Int) -> Bool {
        switch result {
        case .success(let slots):
            for index in 0..<count { outputs[index] = index < slots.count ? slots[index] : .empty }
            return true
        case .failure(let status):
            fail(node, status)
            return false
        }
    }

    /// Continues after an asynchronous kernel that completed after it had returned. Any thread may call this. The rest runs on
    /// the pool, so that the nodes of one step do not run inside the send of another.
    private func resume(_ item: Ready, _ result: Result<[EdgeValue], Status>, _ start: Int) {
        let holder = item.iteration
        executor.place.pool.submit { [self] in
            let item = Ready(node: item.node, isDead: false, iteration: holder)
            var ready: [Ready] = []
            let entry = table.entries + Int(item.node)
            let count = Int(entry.pointee.outputCount)
            withUnsafeTemporaryAllocation(of: EdgeValue.self, capacity: max(count, 1)) { buffer in
                guard let outputs = buffer.baseAddress else { return }
                outputs.initialize(repeating: .empty, count: count)
                defer { outputs.deinitialize(count: count) }
                let inputs = item.iteration.slots + Int(entry.pointee.inputStart)
                for index in 0..<Int(entry.pointee.inputCount) { inputs[index] = .empty }
                guard accept(result, item.node, outputs, count), !hasFailed.load(ordering: .relaxed) else { return }
                if let status = table.check(item.node, outputs, count) { return fail(item.node, status) }
                if start != 0 { record(item.node, start, outputs, count) }
                propagate(item, entry, outputs, isDead: isDead(entry, outputs), &ready)
            }
            process(&ready)
        }
    }

    /// Completes a kernel that was enqueued on the device's stream. The stream's thread calls this, so the work goes to the
    /// pool.
    private func finish(_ item: Ready, _ result: EnqueuedResult, _ start: Int) {
        switch result {
        case .outputs(let result): resume(item, result, start)
        case .outputsAlreadySet(nil):
            // The last activity ends the step; that is for the pool too.
            guard activities.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
            executor.place.pool.submit { [self] in finish() }
        case .outputsAlreadySet(let failure?):
            executor.place.pool.submit { [self] in
                fail(item.node, failure)
                endActivity()
            }
        }
    }

    /// Sends a node's outputs along its edges. Appends the nodes that become ready to `ready`.
    private func propagate(
        _ item: Ready, _ entry: UnsafeMutablePointer<NodeTable.Entry>, _ outputs: UnsafeMutablePointer<EdgeValue>, isDead: Bool,
        _ ready: inout [Ready]
    ) {
        if table.hasLoops {
            loopLock.lock()
            propagateInLoops(item, entry, outputs, isDead: isDead, &ready)
            loopLock.unlock()
        } else {
            deliver(entry, outputs, isDead: isDead, to: item.iteration, &ready)
        }
        for index in 0..<Int(entry.pointee.outputCount) { outputs[index] = .empty }
    }

    /// Delivers outputs to their consumers in one iteration.
    @inline(__always)
    func deliver(
        _ entry: UnsafeMutablePointer<NodeTable.Entry>, _ outputs: UnsafeMutablePointer<EdgeValue>, isDead: Bool,
        to iteration: Iteration, _ ready: inout [Ready]
    ) {
        let edges = table.edges + Int(entry.pointee.edgeStart)
        for index in 0..<Int(entry.pointee.edgeCount) {
            let edge = edges[index]
            let target = table.entries + Int(edge.node)
            let result: (ready: Bool, dead: Bool)
            if edge.output < 0 {
                result = iteration.deliver(isDead ? .dead : .empty, edge, target)
            } else if edge.isLast {
                let value = outputs[Int(edge.output)]
                outputs[Int(edge.output)] = .empty
                result = iteration.deliver(value, edge, target)
            } else {
                result = iteration.deliver(outputs[Int(edge.output)], edge, target)
            }
            if result.ready { ready.append(Ready(node: edge.node, isDead: result.dead, iteration: iteration)) }
        }
    }

    /// Records a failure and ends the step. The first failure counts, but one that is not derived replaces a derived one: a
    /// cancelled node may report before the failure that caused the cancellation, when that failure comes from a function's
    /// body or from a kernel that has not returned yet.
    private func fail(_ node: Int32, _ status: Status) {
        var status = table.naming(node, status)
        if step.cancellation.isCancelled, status.code == .cancelled || status.code == .aborted { status.isDerived = true }
        let isFirst = failure.withLock { failure -> Bool in
            if let known = failure {
                if known.isDerived, !status.isDerived { failure = status }
                return false
            }
            failure = status
            return true
        }
        guard isFirst else { return }
        hasFailed.store(true, ordering: .releasing)
        step.rendezvous.abort(status.derived)
        step.cancellation.cancel()
    }

    /// Ends the step, once the device has done what was enqueued on its stream.
    private func finish() {
        guard let event = executor.place.device.stream?.record() else { return end() }
        event.whenReached { [self] in executor.place.pool.submit { [self] in end() } }
    }
    private func end() {
        if let status = executor.place.device.failure { failure.withLock { $0 = $0 ?? status } }
        let status = failure.withLock { $0 }
        executor.recycleRoot(root)
        if let status { done(.failure(status)) } else { done(.success(())) }
    }

    private func record(_ node: Int32, _ start: Int, _ outputs: UnsafeMutablePointer<EdgeValue>, _ count: Int) {
        if measures { table.costs[Int(node)].store(UInt32(clamping: max(0, StepClock.now() - start) / 1000), ordering: .relaxed) }
        table.record(node, start, outputs, count, step, executor.place)
    }
}

/// Synchronizes the return of an asynchronous kernel with its completion. Either may come first.
private final class AsyncKernelState: @unchecked Sendable {  // `result` is written before the state that publishes it
    private let state = Atomic<UInt8>(0)
    @exclusivity(unchecked) private var result: Result<[EdgeValue], Status>?

    /// The completion of the kernel. Calls `late` when the kernel has already returned.
    func complete(_ result: Result<[EdgeValue], Status>, late: (Result<[EdgeValue], Status>) -> Void) {
        self.result = result
        if state.exchange(1, ordering: .acquiringAndReleasing) == 2 { late(result) }
    }
    /// Called when the kernel has returned. Returns its result, or nil when it has not completed yet.
    func finishedBeforeReturn() -> Result<[EdgeValue], Status>? {
        if state.exchange(2, ordering: .acquiringAndReleasing) == 1 { return result }
        return nil
    }
}

import Synchronization
import WeirDevice
package import WeirGraph
package import WeirTensor

/// Runs one partition of a graph, the nodes of one device, step after step. Several steps may run at once. TensorFlow's
/// `Executor`.
///
/// A step runs in one of two ways, with the same results:
/// - `ParallelRun` starts each node when its inputs have arrived and spreads the nodes over threads. It supports kernels that wait: for
///   queues, messages and functions.
/// - `SequentialRun` runs the nodes on one thread in an order decided in advance, with almost no cost between kernels. Large
///   kernels still use several threads.
///
/// Where both are possible, the first steps time each, and the faster one is kept.
package final class Executor: Sendable {
    let table: NodeTable
    let place: KernelEnvironment
    private let sequential: SequentialPlan?
    private let memories = Mutex<[SequentialState]>([])
    private let choice: SchedulingChooser
    private let spares = Mutex<[Frame]>([])
    /// How many more steps measure the time of each node, to find the slow nodes.
    private let measurements = Atomic<Int>(4)

    /// Prepares the graph for execution.
    /// - Parameter kernels: one for each node of the graph, in its order.
    /// - Throws: `invalidArgument` when a loop is malformed.
    package init(
        _ graph: Graph, kernels: [Kernel], place: KernelEnvironment, scheduling: ExecutionOptions.Scheduling = .measured
    ) throws {
        let frames = try FrameAssignment(graph)
        table = NodeTable(graph, frames, kernels: kernels)
        self.place = place
        // A device with a stream gets its work in the order in which inputs arrive, so it always runs in parallel mode.
        sequential = scheduling == .parallel || place.device.stream != nil ? nil : SequentialPlan(graph, table, frames, isHost: place.device.isHost)
        choice = SchedulingChooser(isOpen: scheduling == .measured && sequential != nil && place.pool.threadCount > 1)
    }

    /// Runs one step. Part of it runs on the calling thread.
    ///
    /// - Parameters:
    ///   - call: the arguments and results, for the body of a function or an in-process session.
    ///   - done: called once, from any thread, when every node has run or the step has failed.
    package func run(_ step: StepContext, call: CallFrame? = nil, _ done: @escaping Completion<Void>) {
        guard let sequential else { return runInParallel(step, call, done) }
        switch choice.next() {
        case .decided(isSequential: true):
            let failure = run(sequential, step, call)
            if let failure { done(.failure(failure)) } else { done(.success(())) }
        case .decided(isSequential: false): runInParallel(step, call, done)
        case .trial(isSequential: true):
            let start = StepClock.now()
            let failure = run(sequential, step, call)
            if failure == nil { choice.note(isSequential: true, StepClock.now() - start) }
            if let failure { done(.failure(failure)) } else { done(.success(())) }
        case .trial(isSequential: false):
            let start = StepClock.now()
            runInParallel(step, call) { [choice] result in
                if case .success = result { choice.note(isSequential: false, StepClock.now() - start) }
                done(result)
            }
        }
    }

    private func run(_ plan: SequentialPlan, _ step: StepContext, _ call: CallFrame?) -> Status? {
        let memory = memories.withLock { $0.popLast() } ?? SequentialState(plan, nodeCount: table.count)
        var run = SequentialRun(plan, table, place, step, call, memory)
        let failure = run.run()
        memories.withLock { if $0.count < 8 { $0.append(memory) } }
        return failure
    }

    private func runInParallel(_ step: StepContext, _ call: CallFrame?, _ done: @escaping Completion<Void>) {
        let measures =
            measurements.load(ordering: .relaxed) > 0
            && measurements.wrappingSubtract(1, ordering: .relaxed).oldValue > 0
        ParallelRun(self, step, call, measures: measures, done).start()
    }

    func takeRoot() -> Frame {
        if let spare = spares.withLock({ $0.popLast() }) { return spare }
        let frame = Frame(layoutIndex: 0, id: 0, parent: nil, parentIteration: nil, enterCount: 0)
        frame.iterations[0] = Iteration(table.frames[0], number: 0, frame: frame)
        return frame
    }
    func recycleRoot(_ frame: Frame) {
        frame.iterations[0]?.reset(table.frames[0])
        frame.children = [:]
        spares.withLock { if $0.count < 8 { $0.append(frame) } }
    }
}

/// The arguments of one call of a graph, and storage for its results. TensorFlow's `CallFrameInterface`.
package final class CallFrame: @unchecked Sendable {  // one node writes each result; it is read after the step
    /// The values of the `_Arg` nodes, by their `index`.
    package let arguments: [Tensor]
    private let slots: UnsafeMutablePointer<EdgeValue>
    /// How many `_Retval` nodes the graph has.
    package let resultCount: Int

    /// Makes a call frame without results.
    package init(arguments: [Tensor], resultCount: Int) {
        self.arguments = arguments
        self.resultCount = resultCount
        slots = .allocate(capacity: max(resultCount, 1))
        slots.initialize(repeating: .empty, count: resultCount)
    }
    deinit {
        slots.deinitialize(count: resultCount)
        slots.deallocate()
    }
    func set(_ index: Int, _ slot: EdgeValue) { if index < resultCount { slots[index] = slot } }

    /// Returns the results. Call it after the step has ended.
    ///
    /// - Parameter areSnapshots: whether to copy values that a variable may later update in place.
    /// - Throws: `invalidArgument` when a result was not produced or is dead; `resourceExhausted` when the memory for a copy is
    ///   not available.
    package func results(areSnapshots: Bool = false) throws(Status) -> [Tensor] {
        var tensors: [Tensor] = []
        tensors.reserveCapacity(resultCount)
        for index in 0..<resultCount {
            guard case .value(let tensor) = slots[index] else {
                throw .invalidArgument("Retval[\(index)] does not have value")
            }
            tensors.append(areSnapshots ? try tensor.snapshot() : tensor)
        }
        return tensors
    }
}

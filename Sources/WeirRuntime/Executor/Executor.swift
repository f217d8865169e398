import Synchronization
import WeirDevice
public import WeirGraph
public import WeirTensor

/// Runs one device's part of a graph, step after step; several steps may run at once.
///
/// There are two ways. A `Run` starts each node when its inputs have arrived and spreads nodes over threads; it can wait
/// for queues, messages and functions. A `SequentialRun` goes through the nodes in an order decided beforehand, on one
/// thread, with next to nothing between one kernel and the next; large kernels still divide their own work. Where both
/// are possible the first steps try each, and the faster one is kept. Results are the same either way.
public final class Executor: Sendable {
    let table: NodeTable
    let place: KernelPlace
    private let sequential: SequentialPlan?
    private let memories = Mutex<[SequentialMemory]>([])
    private let choice: EngineChoice
    private let spares = Mutex<[Frame]>([])
    /// Steps still to be measured, to learn which nodes take long.
    private let measurements = Atomic<Int>(4)

    /// - Parameter kernels: one for each node of the graph.
    /// - Throws: `invalidArgument` when loops are not well formed.
    public init(
        _ graph: Graph, kernels: [Kernel], place: KernelPlace, scheduling: ExecutionOptions.Scheduling = .measured
    ) throws {
        let frames = try FrameAssignment(graph)
        table = NodeTable(graph, frames, kernels: kernels)
        self.place = place
        // A device with a stream is given its work in whatever order its inputs come.
        sequential = scheduling == .parallel || place.device.stream != nil ? nil : SequentialPlan(graph, table, frames, isHost: place.device.isHost)
        choice = EngineChoice(isOpen: scheduling == .measured && sequential != nil && place.pool.threadCount > 1)
    }

    /// Runs one step, part of it on the calling thread.
    ///
    /// - Parameters:
    ///   - call: arguments and results, for the body of a function or an in-process session.
    ///   - done: called once, when every node has run or the step has failed, from any thread.
    public func run(_ step: StepContext, call: CallFrame? = nil, _ done: @escaping Completion<Void>) {
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
        let memory = memories.withLock { $0.popLast() } ?? SequentialMemory(plan, nodeCount: table.count)
        var run = SequentialRun(plan, table, place, step, call, memory)
        let failure = run.run()
        memories.withLock { if $0.count < 8 { $0.append(memory) } }
        return failure
    }

    private func runInParallel(_ step: StepContext, _ call: CallFrame?, _ done: @escaping Completion<Void>) {
        let measures =
            measurements.load(ordering: .relaxed) > 0
            && measurements.wrappingSubtract(1, ordering: .relaxed).oldValue > 0
        Run(self, step, call, measures: measures, done).start()
    }

    func takeRoot() -> Frame {
        if let spare = spares.withLock({ $0.popLast() }) { return spare }
        let frame = Frame(layoutIndex: 0, id: 0, parent: nil, parentIteration: nil, enterCount: 0)
        frame.iterations[0] = Iteration(table.frames[0], number: 0, frame: frame)
        return frame
    }
    func giveBack(_ frame: Frame) {
        frame.iterations[0]?.reset(table.frames[0])
        frame.children = [:]
        spares.withLock { if $0.count < 8 { $0.append(frame) } }
    }
}

/// The arguments of one call of a graph, and room for its results.
public final class CallFrame: @unchecked Sendable {  // each result is written by one node, and read after the step
    public let arguments: [Tensor]
    private let slots: UnsafeMutablePointer<Slot>
    public let resultCount: Int

    public init(arguments: [Tensor], resultCount: Int) {
        self.arguments = arguments
        self.resultCount = resultCount
        slots = .allocate(capacity: max(resultCount, 1))
        slots.initialize(repeating: .empty, count: resultCount)
    }
    deinit {
        slots.deinitialize(count: resultCount)
        slots.deallocate()
    }
    func set(_ index: Int, _ slot: Slot) { if index < resultCount { slots[index] = slot } }

    /// The results, after the step.
    ///
    /// - Parameter areSnapshots: whether later updates of reference variables must not show in them.
    /// - Throws: `invalidArgument` when one was never produced or comes from a branch that was not taken.
    public func results(areSnapshots: Bool = false) throws(Status) -> [Tensor] {
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

import Synchronization
import WeirCluster
public import WeirGraph
public import WeirTensor

/// Ends the training at a number of updates. TensorFlow's `StopAtStepHook`.
///
/// Of several workers that do not wait for each other each has such a hook. A worker learns from its own steps what the others have
/// done, so each may make up to two updates more, as in TensorFlow.
public final class StopAtStepHook: SessionRunHook {
    private struct State {
        var globalStep: GlobalStepReader?
        var lastStep: Int?
    }
    private let count: Int
    private let state: Mutex<State>

    /// Ends after so many updates from the first session's beginning on. A session that is made anew does not change where that is.
    public init(numSteps: Int) {
        count = numSteps
        state = Mutex(State())
    }

    /// Ends when there are so many updates, those before the beginning too.
    public init(lastStep: Int) {
        count = lastStep
        state = Mutex(State(lastStep: lastStep))
    }

    /// Finds the number of updates.
    /// - Throws: `failedPrecondition` when the graph has none; `invalidArgument` when the hook's number is less than 1.
    public func begin(_ builder: GraphBuilder) throws(Status) {
        if count < 1 { throw .invalidArgument("\(typeName): expected at least 1 step, found \(count)") }
        let reader = try GlobalStepReader(builder, for: typeName)
        state.withLock { $0.globalStep = reader }
    }

    /// Finds the last step.
    public func afterCreateSession(_ creation: SessionCreation) async throws(Status) {
        guard let reader = state.withLock({ $0.lastStep == nil ? $0.globalStep : nil }) else { return }
        let first = try await reader.read(creation.session)
        state.withLock { $0.lastStep = first.addingReportingOverflow(count).overflow ? .max : first + count }
    }

    /// Fetches the number of updates.
    public func beforeRun(_ context: SessionRunContext) async throws(Status) -> SessionRunArgs {
        state.withLock { $0.globalStep }?.arguments ?? SessionRunArgs()
    }

    /// Asks for the end if the last step is reached.
    public func afterRun(_ context: SessionRunContext, _ values: SessionRunValues) async throws(Status) {
        let (globalStep, last) = state.withLock { ($0.globalStep, $0.lastStep ?? .max) }
        guard let globalStep, try globalStep.value(values) >= last - 1 else { return }
        if try await globalStep.read(context.session) >= last { context.requestStop() }
    }
}

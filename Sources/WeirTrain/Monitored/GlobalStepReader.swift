import WeirCluster
import WeirGraph
import WeirTensor

/// How a hook knows the number of updates.
///
/// What it reads in a training step may be the number before or after that step's update: nothing orders the two. So a hook takes it
/// for the number before, and where that matters reads again when the step is over.
struct GlobalStepReader: Sendable {
    /// The label of the fetch in the arguments of a run.
    static let label = "global_step"
    let variable: Variable

    /// - Parameter owner: who needs it, for the error.
    /// - Throws: `failedPrecondition` when the graph has none; `invalidArgument` when it is no integer.
    init(_ builder: GraphBuilder, for owner: String) throws(Status) {
        guard let found = builder.declaredGlobalStep else {
            throw .failedPrecondition("\(owner) needs the number of updates: expected a variable 'global_step' (GraphBuilder.globalStep()), found none")
        }
        guard found.dtype == .int64 || found.dtype == .int32, found.shape == .scalar else {
            throw .invalidArgument("\(owner): expected 'global_step' to be an integer scalar, found \(found.dtype) \(found.shape)")
        }
        variable = found
    }

    /// What fetches it with a step.
    var arguments: SessionRunArgs { SessionRunArgs(fetches: [GlobalStepReader.label: variable.value]) }

    /// The number that was fetched with a step.
    func value(_ values: SessionRunValues) throws(Status) -> Int {
        guard let tensor = values.results[GlobalStepReader.label] else { throw .internalError("the number of updates was not fetched") }
        return try tensor.integer(variable.name)
    }

    /// The number now.
    func read(_ session: Session) async throws(Status) -> Int { try await session.run(variable.value).integer(variable.name) }
}

public import WeirCluster
public import WeirGraph
import WeirOps
public import WeirTensor

/// How the variables of a graph get their first values, and what saves them. TensorFlow's `Scaffold`.
///
/// What is nil is made for the variables that the builder has when the session is made, after the hooks' `begin`.
public struct Scaffold: Sendable {
    /// What the chief runs when there is no checkpoint; nil means the initializers of all variables but the local ones.
    public var initOp: [Operation]?
    /// What is fed to `initOp`.
    public var initFeeds: [Output: any TensorConvertible] = [:]
    /// What the chief does after `initOp`.
    public var initFunction: (@Sendable (Session) async throws(Status) -> Void)?
    /// The variables that each client has for itself and initializes itself, such as the local step of `SyncReplicasOptimizer`. They are
    /// not saved.
    public var localVariables: [Variable] = []
    /// What each client runs when the other variables have values; nil means the initializers of `localVariables`.
    public var localInitOp: [Operation]?
    /// A vector of strings that is empty when `localInitOp` may run; nil means the names of the variables without values but for the local ones.
    public var readyForLocalInitOp: Output?
    /// A vector of strings that is empty when steps may run; nil means the names of all variables without values.
    public var readyOp: Output?
    /// A summary for `SummarySaverHook`; nil means all that were added with `GraphBuilder.scalarSummary` and its like.
    public var summaryOp: Output?
    /// Saves and restores variables; nil means a saver of all but the local ones.
    public var saver: Saver?

    /// A scaffold of which everything is made.
    public init() {}

    /// Makes what is missing.
    /// - Parameter isChief: only the chief needs a saver.
    /// - Throws: `invalidArgument` for feeds that do not fit, or ready ops that are no strings.
    func finalized(in builder: GraphBuilder, isChief: Bool) throws(Status) -> FinalScaffold {
        let shared = builder.variables.filter { variable in !localVariables.contains { $0.handle == variable.handle } }
        let localInit = localInitOp ?? localVariables.map(\.initializer)
        func report(_ given: Output?, _ variables: [Variable], _ name: String) throws(Status) -> String? {
            if let given, given.dtype != .string { throw .invalidArgument("Scaffold: expected \(name) to be strings, found \(given)") }
            return given?.name ?? (variables.isEmpty ? nil : builder.reportUninitializedVariables(variables).name)
        }
        return FinalScaffold(
            initOp: (initOp ?? shared.map(\.initializer)).map(\.name), initFeeds: try Session.named(initFeeds), initFunction: initFunction,
            localInitOp: localInit.map(\.name),
            readyForLocalInitOp: localInit.isEmpty ? nil : try report(readyForLocalInitOp, shared, "readyForLocalInitOp"),
            readyOp: try report(readyOp, builder.variables, "readyOp"),
            saver: saver ?? (isChief && !shared.isEmpty ? Saver(builder, shared) : nil),
            tasks: Dictionary(builder.variables.map { ($0.name, builder.requestedTask(of: $0.handle.operation)) }, uniquingKeysWith: { first, _ in first }))
    }
}

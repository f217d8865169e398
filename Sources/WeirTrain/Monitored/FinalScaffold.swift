import WeirCluster
import WeirGraph
import WeirTensor
import WeirWire

/// A scaffold that has everything, by names.
struct FinalScaffold: Sendable {
    let initOp: [String]
    let initFeeds: [NamedTensor]
    let initFunction: (@Sendable (Session) async throws(Status) -> Void)?
    let localInitOp: [String]
    let readyForLocalInitOp: String?
    let readyOp: String?
    let saver: Saver?
    /// The task that each variable asks for, by its name; empty if it asks for none.
    let tasks: [String: String]

    /// The names of variables, with the tasks that they are on.
    func places(_ variables: [String]) -> [String] {
        variables.map { name in
            guard let task = tasks[name], !task.isEmpty else { return name }
            return "\(name) (\(task))"
        }
    }
}

public import WeirTensor

/// The agents that have a name on the command line.
public enum AgentCatalog {
    /// The agents, with values that suit `CartPole`.
    public static let agents: [any Agent] = [DeepQNetwork(), Reinforce()]
    /// The names.
    public static var names: [String] { agents.map(\.name) }

    /// The agent of a name.
    /// - Parameter option: the option that has the name, for the error.
    /// - Throws: `invalidArgument`, with the names there are, for any other.
    public static func agent(named name: String, option: String) throws(Status) -> any Agent {
        guard let agent = agents.first(where: { $0.name == name }) else {
            throw .invalidArgument("\(option) must be one of \(names.joined(separator: ", ")), found '\(name)'")
        }
        return agent
    }
}

import WeirTensor
package import WeirWire

extension SweepResult {
    /// The result as JSON on one line: `objective`, `trials` (best first, each with its history), `servers`, `seconds`, `busy_share`.
    public var jsonText: String { json.description }

    package var json: JSONValue {
        JSONValue(members: [
            "objective": JSONValue(members: ["metric": .text(objective.metric), "goal": .text(objective.goal.rawValue)]),
            "parameters": .array(parameterNames.map { .text($0) }),
            "trials": .array(trials.enumerated().map { json($0.element, rank: $0.offset + 1) }),
            "servers": .array(servers.map(json)), "seconds": JSONValue(seconds), "busy_share": JSONValue(busyShare),
        ])
    }

    private func json(_ trial: SweptTrial, rank: Int) -> JSONValue {
        JSONValue(members: [
            "rank": trial.value == nil ? nil : .integer(rank), "trial": .integer(trial.number), "value": trial.value.map { JSONValue($0) },
            "failure": trial.failure.map { failure in JSONValue(members: ["code": .text("\(failure.code)"), "message": .text(failure.message)]) },
            "configuration": JSONValue(trial.configuration), "rung": .integer(trial.rung), "step": .integer(trial.step),
            "runs": .integer(trial.runCount), "seconds": JSONValue(trial.seconds), "checkpoint": trial.checkpoint.map { .text($0) },
            "history": .array(trial.history.map { .object($0.json) }),
        ])
    }

    private func json(_ server: ServerUsage) -> JSONValue {
        JSONValue(members: [
            "server": .text(server.server.description), "busy_share": JSONValue(server.busyShare), "busy_seconds": JSONValue(server.busySeconds),
            "lost_seconds": JSONValue(server.lostSeconds), "runs": .integer(server.runCount), "losses": .integer(server.lossCount),
        ])
    }
}

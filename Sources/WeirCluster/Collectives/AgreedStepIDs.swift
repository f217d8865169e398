import WeirGraph
import WeirTensor

/// The ids of a session's steps that other masters' steps share: those of clients that give a `collective_graph_key`.
///
/// Workers of TensorFlow keep the tensors of a collective operation by step id, so masters must agree on it. Weir's workers count
/// the runs of an operation instead; then ids need not agree, and steps of other masters can never be mistaken for each other.
struct AgreedStepIDs: Sendable {
    let sequences: StepSequences
    let peers: WorkerPeers
    /// The leader that the session's options name; empty if none.
    let leader: String

    /// Returns the next id of a sequence, which stays the next one until `end`.
    /// - Returns: nil if the key is 0: the step needs no agreed id.
    /// - Throws: `invalidArgument` when the session's leader is not a task; the error of the call to the leader.
    func next(_ graphKey: Int) async throws -> Int? {
        guard graphKey != 0 else { return nil }
        if let id = sequences.known(graphKey) { return id }
        let leader = try peers.cluster.groupLeader(named: leader)
        let id = try await peers.worker(leader).stepSequence([graphKey])[graphKey]
        guard let id, (0..<1 << 57).contains(id) else {
            throw Status.internalError("GetStepSequence: expected a step id from \(leader), found \(id.map(String.init) ?? "none")")
        }
        sequences.update(graphKey, id)
        return id
    }

    /// Advances the sequence after a step that succeeded. After a failure the leader is asked again.
    func end(_ graphKey: Int, _ id: Int, hasSucceeded: Bool) {
        if hasSucceeded { sequences.retire(graphKey, id) } else { sequences.invalidate(graphKey) }
    }
}

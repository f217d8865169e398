import Synchronization
package import WeirGraph
package import WeirTensor

/// Resolves groups whose members all ask here: the devices of one process, or the tasks that a leader serves. TensorFlow's
/// `CollectiveParamResolverLocal`.
package final class LocalCollectiveResolver: CollectiveResolver {
    private struct State {
        var groups: CollectiveGroupTable
        var sources = CollectiveSourceTable()
    }
    private let state: Mutex<State>

    /// A resolver without groups. Its generations begin with the time, so that they are larger than those of an earlier process.
    package init() {
        state = Mutex(State(groups: CollectiveGroupTable(after: UInt64(max(StepClock.now(), 0)))))
    }

    package func group(of member: CollectiveGroup.Member, _ operation: CollectiveOperation, _ done: @escaping Completion<CollectiveGroup>) {
        join(
            CollectiveGroupTable.Request(key: operation.groupKey, size: operation.groupSize, member: member, rank: operation.rank), done)
    }

    /// Adds a device to a group, for a leader that gets the request from another task.
    package func join(_ request: CollectiveGroupTable.Request, _ done: @escaping Completion<CollectiveGroup>) {
        for answer in state.withLock({ $0.groups.join(request, done) }) { answer.give() }
    }

    package func sourceRank(_ operation: CollectiveOperation, in group: CollectiveGroup, rank: Int, _ done: @escaping Completion<Int>) {
        for answer in state.withLock({ $0.sources.ask(operation, in: group, rank: rank, done) }) { answer.give() }
    }

    package func leave(_ group: CollectiveGroup, _ status: Status) {
        let answers = state.withLock { state in
            state.groups.leave(group)
            return state.sources.leave(group, status)
        }
        for answer in answers { answer.give() }
    }

    /// Fails those who wait, when the session or the task ends.
    package func close(_ status: Status) {
        for answer in state.withLock({ $0.groups.close(status) }) { answer.give() }
    }
}

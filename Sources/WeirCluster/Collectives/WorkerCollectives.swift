import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// What a task knows of collective operations, for all its sessions: the tensors that its members send, the groups that it leads,
/// and those that its devices are members of.
///
/// **The end of a group.** When a run fails on one task, that task tells the tasks of the other members and the leader. A task
/// that is lost tells nobody. Therefore the task of each member has one call in flight at the leader for as long as the group
/// lives: the leader answers it when the group has ended, and if it breaks, the leader ends the group. So every member learns
/// of each failure, also a member that waits for nothing from the one that failed. TensorFlow's `StartAbort` reaches only the own
/// process.
final class WorkerCollectives: Sendable {
    let mailbox = CollectiveMailbox()
    let led = LedGroups()
    let sequences = StepSequences()

    /// A group with members on this task.
    private struct Membership: Sendable {
        let group: CollectiveGroup
        let peers: WorkerPeers
        let leader: DeviceName
        let onEnd: @Sendable (Status) -> Void
        /// Ends the call at the leader.
        let watch = Cancellation()

        /// The other tasks that must know of the end.
        var otherTasks: [DeviceName] {
            Set(group.members.map(\.device.taskName) + [leader]).filter { !$0.isSameTask(as: peers.task) }
        }
    }
    /// By generation. Each has a call in flight at its leader.
    private let memberships = Mutex(LRUCache<UInt64, Membership>(capacity: 4096))
    /// How long the leader's answer may take after the group has ended.
    private static let watchGrace = Duration.seconds(5)

    /// The number of groups with members on this task, for tests.
    var groupCount: Int { memberships.withLock { $0.count } }

    /// Notes that a device of this task is a member of a group.
    /// - Parameter onEnd: called when the group ends.
    func join(_ group: CollectiveGroup, peers: WorkerPeers, leader: DeviceName, onEnd: @escaping @Sendable (Status) -> Void) {
        let membership = Membership(group: group, peers: peers, leader: leader, onEnd: onEnd)
        let evicted = memberships.withLock { memberships -> [Membership]? in
            guard memberships.use(group.generation) == nil else { return nil }
            return memberships.insert(group.generation, membership)
        }
        guard let evicted else { return }
        for old in evicted { end(old, .resourceExhausted("Task \(old.peers.task) is in too many collective groups"), tells: true) }
        if let status = mailbox.end(of: group.key, group.generation) {
            // It has ended while the leader's answer was on its way.
            return end(EndGroup(groupKey: group.key, generation: group.generation, status: status))
        }
        guard !leader.isSameTask(as: peers.task) else { return }
        let request = WatchGroup(groupKey: group.key, generation: group.generation, task: peers.task)
        let ended: Completion<Void> = { [weak self] result in
            guard case .failure(var status) = result, !membership.watch.isCancelled else { return }
            // The leader stops: it has cancelled the call, not the group's operations.
            if status.code == .cancelled { status.code = .unavailable }
            self?.end(EndGroup(groupKey: group.key, generation: group.generation, status: status))
        }
        do {
            try peers.worker(leader).watchGroup(request, cancellation: membership.watch, ended)
        } catch {
            ended(.failure(Status(error)))
        }
    }

    /// Ends a group because one of its runs has failed on this task.
    func end(_ group: CollectiveGroup, _ status: Status) {
        if let membership = memberships.withLock({ $0.remove(group.generation) }) { end(membership, status, tells: true) }
    }

    /// Ends a group because another task has told so. This task may not know it yet, because the leader's answer is on its way or waits for a
    /// thread: then it does not join it.
    func end(_ request: EndGroup) {
        let membership = memberships.withLock { memberships in
            memberships.peek(request.generation)?.group.key == request.groupKey ? memberships.remove(request.generation) : nil
        }
        if let membership { return end(membership, request.status, tells: false) }
        mailbox.fail(request.groupKey, request.generation, request.status.derived)
        led.end(request.generation, request.status.derived)
    }

    private func end(_ membership: Membership, _ status: Status, tells: Bool) {
        let group = membership.group
        let told = tells ? WorkerCollectives.told(status, group, by: membership.peers.task) : status.derived
        // Before anything fails here: if this task is a master, the next step's messages to these tasks come after this one. Therefore
        // the leader, which most often is, tells them also what another task has told it.
        if tells || led.leads(group.generation, of: group.key) {
            let request = EndGroup(groupKey: group.key, generation: group.generation, status: told)
            for task in membership.otherTasks { try? membership.peers.worker(task).announceEnd(request) }
        }
        mailbox.fail(group.key, group.generation, told)
        led.end(group.generation, told)
        membership.onEnd(told)
        // The leader answers the call, unless the message to it was lost. The call must not end before: that would end the
        // group without its cause.
        if !membership.leader.isSameTask(as: membership.peers.task) {
            _ = Deadline(WorkerCollectives.watchGrace) { membership.watch.cancel() }
        }
    }

    /// The status for the other members. Their failure is a consequence; but they were not cancelled.
    private static func told(_ status: Status, _ group: CollectiveGroup, by task: DeviceName) -> Status {
        let place = "\nCollective group \(group.key) has ended: it failed on Task \(task)"
        return Status(status.code == .cancelled ? .aborted : status.code, status.message + place, isDerived: true)
    }

    /// Waits until a group that this task leads ends. If the caller is lost before, it ends.
    func watch(_ request: WatchGroup, cancellation: Cancellation, _ done: @escaping Completion<Void>) {
        led.watch(
            request, cancellation: cancellation,
            onLoss: { [weak self] group in
                let status = Status.unavailable(
                    "Collective group \(group.key) has ended: Task \(request.task) has left it, or has ended or cannot be reached")
                self?.end(EndGroup(groupKey: group.key, generation: group.generation, status: status.derived))
            }, done)
    }

    /// Leaves the groups that were found through these peers.
    func leave(_ peers: WorkerPeers, _ status: Status) {
        let left = memberships.withLock { memberships in
            let left = memberships.values.filter { $0.peers === peers }
            for membership in left { memberships.remove(membership.group.generation) }
            return left
        }
        for membership in left { end(membership, status, tells: true) }
    }

    /// Leaves all groups and leads none, when the task stops.
    func close(_ status: Status) {
        for membership in memberships.withLock({ $0.removeAll() }) { end(membership, status, tells: true) }
        led.close(status.derived)
    }
}

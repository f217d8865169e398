import WeirGraph
import WeirTensor

/// The collective operations of one process that have not ended, and the groups that their devices are in. A value: its functions
/// decide what is to be done, and the runner does it outside of the lock.
struct CollectiveRunTable {
    /// A call that can run, as a member of its group.
    struct Start {
        var call: CollectiveCall
        var membership: CollectiveTransfers.Membership
    }
    /// What is to be done for a call that has come.
    enum Entry {
        case fail(Status)
        /// The resolver is to be asked for the group.
        case ask
        /// It has been asked for the same device.
        case wait
        case start(Start)
    }
    /// What is to be done when the resolver has answered.
    struct Resolution {
        var starts: [Start] = []
        var failures: [(call: CollectiveCall, status: Status)] = []
        /// A generation that ends because the group has a new one.
        var ended: Ended?
        /// The resolver must be asked again for this call: it has given a group that has ended.
        var asksAgain: (call: CollectiveCall, instead: CollectiveGroup)?
    }
    /// A generation of a group that has ended.
    struct Ended {
        var group: CollectiveGroup
        /// A run of it, or one that would have been the next.
        var run: CollectiveRun
        /// The calls of this process that were running in it.
        var calls: [CollectiveCall]
        /// Why it has ended, for all but the call that failed.
        var status: Status
    }
    /// An operation of one of this process's members.
    private struct Instance: Hashable {
        var key: Int
        var rank: Int
        init(key: Int, rank: Int) { (self.key, self.rank) = (key, rank) }
        init(_ membership: CollectiveTransfers.Membership) { self.init(key: membership.run.instance, rank: membership.rank) }
    }
    private struct Record {
        var group: CollectiveGroup?
        /// The last generation that has ended, and the number of the failure that ended it.
        var endedGeneration: UInt64 = 0
        var failure: (number: Int, status: Status)?
        /// The calls that wait for the group, by device. A device that is here has asked.
        var asking: [DeviceName: [CollectiveCall]] = [:]
        /// How often each operation has run in this generation.
        var runCounts: [Instance: Int] = [:]
        /// The sources of broadcasts that are known, and the runs that wait to know one.
        var sources: [Instance: Int] = [:]
        var awaitingSource: [Instance: [Start]] = [:]
        var running: [ObjectIdentifier: (call: CollectiveCall, run: CollectiveRun)] = [:]
        /// Greater the later a device has called an operation of the group.
        var lastUse = 0

        /// Whether no call is in the record.
        var isIdle: Bool { asking.isEmpty && running.isEmpty && awaitingSource.isEmpty }
    }

    /// The most groups that the devices of a process are in. See `makeRoom`.
    static let maximumGroupCount = 4096
    /// The most different operations of a group.
    static let maximumInstanceCount = 1 << 22
    private var records: [Int: Record] = [:]
    /// The number of generations that have ended by a failure.
    private(set) var failureCount = 0
    private var useCount = 0

    /// Forgets the group that was used longest ago, if there is no room for a new one. All members must count the runs, so its generation
    /// ends for them, too: if it is used again, the numbers begin anew. A server that runs for long is in many groups, one after
    /// another, because each training has its own.
    mutating func makeRoom(for key: Int) -> Ended? {
        guard records[key] == nil, records.count >= CollectiveRunTable.maximumGroupCount else { return nil }
        let oldest = records.filter(\.value.isIdle).min { $0.value.lastUse < $1.value.lastUse }
        guard let oldest, var record = records.removeValue(forKey: oldest.key), let group = record.group else { return nil }
        let status = Status.aborted("A member has left the group, which was used longest ago, for others (group_key=\(group.key))")
        return end(group, status, but: nil, &record)
    }

    /// Adds a call.
    mutating func enter(_ call: CollectiveCall) -> Entry {
        let operation = call.operation, key = operation.groupKey
        if records[key] == nil, records.count >= CollectiveRunTable.maximumGroupCount {
            return .fail(.resourceExhausted("The devices of a process are in \(records.count) groups of collective operations at the most (group_key=\(key))"))
        }
        var record = records.removeValue(forKey: key) ?? Record()
        defer { records[key] = record }
        useCount += 1
        record.lastUse = useCount
        if let failure = record.failure, call.step.collectiveFailureCount < failure.number { return .fail(failure.status) }
        if let group = record.group, let rank = group.rank(of: operation.device) {
            guard group.members.count == operation.groupSize else {
                return .fail(
                    .invalidArgument(
                        "Device \(operation.device) is joining a group with size \(operation.groupSize), but that group has size "
                            + "\(group.members.count) (group_key=\(key))"))
            }
            return CollectiveRunTable.begin(call, group, rank, &record)
        }
        let isFirst = record.asking[operation.device] == nil
        record.asking[operation.device, default: []].append(call)
        return isFirst ? .ask : .wait
    }

    /// Takes the resolver's answer for a device.
    mutating func resolve(_ key: Int, _ device: DeviceName, _ answer: Result<CollectiveGroup, Status>) -> Resolution {
        var resolution = Resolution()
        guard var record = records.removeValue(forKey: key) else { return resolution }
        defer { records[key] = record }
        var calls = record.asking.removeValue(forKey: device) ?? []
        switch answer {
        case .failure(let status): resolution.failures = calls.map { ($0, status) }
        case .success(let group):
            if group.generation <= record.endedGeneration {
                // The generation has failed while the answer was on its way. Calls of later steps want the next one.
                if let failure = record.failure {
                    let late = calls.filter { $0.step.collectiveFailureCount < failure.number }
                    resolution.failures = late.map { ($0, failure.status) }
                    calls.removeAll { call in late.contains { $0 === call } }
                }
                if let first = calls.first {
                    record.asking[device] = calls
                    resolution.asksAgain = (first, group)
                }
                return resolution
            }
            if let old = record.group, old.generation < group.generation {
                let status = Status.aborted("A member of the group has asked for it anew, perhaps because its task has restarted (group_key=\(key))")
                resolution.ended = end(old, status, but: nil, &record)
            }
            // An answer that has been overtaken by that of a later generation does not count.
            let current = record.group ?? group
            record.group = current
            for call in calls {
                guard let rank = current.rank(of: device), current.members.count == call.operation.groupSize else {
                    resolution.failures.append(
                        (call, .internalError("Device \(device) asked for a group of \(call.operation.groupSize) and got one without it (group_key=\(key))")))
                    continue
                }
                switch CollectiveRunTable.begin(call, current, rank, &record) {
                case .start(let start): resolution.starts.append(start)
                case .fail(let status): resolution.failures.append((call, status))
                case .ask, .wait: break
                }
            }
        }
        return resolution
    }

    private static func begin(_ call: CollectiveCall, _ group: CollectiveGroup, _ rank: Int, _ record: inout Record) -> Entry {
        let instance = Instance(key: call.operation.instanceKey, rank: rank)
        let number = record.runCounts[instance] ?? 0
        guard number > 0 || record.runCounts.count < maximumInstanceCount else {
            return .fail(.resourceExhausted("A group has at most \(maximumInstanceCount) different operations (group_key=\(group.key))"))
        }
        record.runCounts[instance] = number + 1
        let run = CollectiveRun(group: group.key, generation: group.generation, instance: instance.key, number: number)
        record.running[ObjectIdentifier(call)] = (call, run)
        return .start(Start(call: call, membership: CollectiveTransfers.Membership(group: group, rank: rank, run: run)))
    }

    /// What a run of a broadcast has to do to know the source.
    enum SourceEntry {
        case known(Int)
        case ask
        /// Another run of the member has asked, or the generation has ended.
        case wait
    }

    /// Adds a run that must know the source. The resolver is asked once by each member, whatever the number of runs.
    mutating func awaitSource(_ start: Start) -> SourceEntry {
        let key = start.membership.group.key, instance = Instance(start.membership)
        guard let record = records[key], record.group?.generation == start.membership.group.generation else { return .wait }
        if let source = record.sources[instance] { return .known(source) }
        records[key]?.awaitingSource[instance, default: []].append(start)
        return record.awaitingSource[instance] == nil ? .ask : .wait
    }

    /// Keeps the source of a broadcast for later runs, unless the generation has ended.
    /// - Returns: the runs that have waited for it.
    mutating func keepSource(_ source: Int, _ membership: CollectiveTransfers.Membership) -> [Start] {
        let key = membership.group.key, instance = Instance(membership)
        guard records[key]?.group?.generation == membership.group.generation else { return [] }
        records[key]?.sources[instance] = source
        return records[key]?.awaitingSource.removeValue(forKey: instance) ?? []
    }

    /// Removes a call that has succeeded.
    mutating func leave(_ call: CollectiveCall) { records[call.operation.groupKey]?.running[ObjectIdentifier(call)] = nil }

    /// Removes a call that has failed. If it was running, the generation ends: the members no longer agree on what they have done.
    mutating func fail(_ call: CollectiveCall, _ status: Status) -> Ended? {
        let key = call.operation.groupKey
        guard var record = records.removeValue(forKey: key) else { return nil }
        defer { records[key] = record }
        // The device stays in the group's request: another call of it may take the call's place.
        record.asking[call.operation.device]?.removeAll { $0 === call }
        guard let running = record.running.removeValue(forKey: ObjectIdentifier(call)), let group = record.group,
            running.run.generation == group.generation
        else { return nil }
        var ended = end(group, CollectiveRunTable.aborted(status, key), but: call, &record)
        ended.run = running.run
        return ended
    }

    /// Ends a generation because another task says so.
    mutating func end(_ key: Int, _ generation: UInt64, _ status: Status) -> Ended? {
        guard var record = records.removeValue(forKey: key) else { return nil }
        defer { records[key] = record }
        guard let group = record.group else {
            // The group of those who wait for it may have ended before they hear of it.
            if generation > record.endedGeneration {
                failureCount += 1
                (record.endedGeneration, record.failure) = (generation, (failureCount, status))
            }
            return nil
        }
        return group.generation <= generation ? end(group, status, but: nil, &record) : nil
    }

    private mutating func end(_ group: CollectiveGroup, _ status: Status, but failed: CollectiveCall?, _ record: inout Record) -> Ended {
        failureCount += 1
        record.group = nil
        record.endedGeneration = group.generation
        record.failure = (failureCount, status)
        (record.runCounts, record.sources, record.awaitingSource) = ([:], [:], [:])
        let others = record.running.values.filter { $0.run.generation == group.generation && $0.call !== failed }
        for other in others { record.running[ObjectIdentifier(other.call)] = nil }
        let run = others.first?.run ?? CollectiveRun(group: group.key, generation: group.generation, instance: 0, number: 0)
        return Ended(group: group, run: run, calls: others.map(\.call), status: status)
    }

    /// The error of the members that did not fail themselves, nor were cancelled.
    private static func aborted(_ status: Status, _ key: Int) -> Status {
        Status(
            status.code == .cancelled ? .aborted : status.code, "The collective operations of the group with group_key=\(key) were aborted: \(status.message)",
            isDerived: true)
    }
}

package import WeirTensor

/// Which devices have asked for which groups. It is the state of a resolver that leads: a value whose functions say who is to be
/// answered.
package struct CollectiveGroupTable: Sendable {
    /// What a device asks for.
    package struct Request: Sendable {
        package var key: Int
        package var size: Int
        package var member: CollectiveGroup.Member
        /// The rank that the device wants; nil if the names decide.
        package var rank: Int?
        package init(key: Int, size: Int, member: CollectiveGroup.Member, rank: Int? = nil) {
            self.key = key
            self.size = size
            self.member = member
            self.rank = rank
        }
    }
    /// An answer that is to be given, outside of all locks.
    package struct Answer: Sendable {
        package let done: Completion<CollectiveGroup>
        package let result: Result<CollectiveGroup, Status>
        package func give() { done(result) }
    }
    private struct Forming {
        var size: Int
        var requests: [DeviceName: Request] = [:]
        var waiting: [Completion<CollectiveGroup>] = []
    }
    private enum Record {
        case forming(Forming)
        /// `use` is larger the later the group was asked for.
        case complete(CollectiveGroup, use: Int)
    }

    /// The most groups that are kept. Beyond it the complete group that was asked for longest ago is forgotten: its members have
    /// their answers.
    package static let maximumCount = 4096
    private var records: [Int: Record] = [:]
    private var generation: UInt64
    private var useCount = 0

    /// A table without groups.
    /// - Parameter generation: generations are larger than this number.
    package init(after generation: UInt64) { self.generation = generation }

    /// The number of groups, complete or not.
    package var count: Int { records.count }

    /// Adds a device to a group. It is answered when the group has all its members.
    package mutating func join(_ request: Request, _ done: @escaping Completion<CollectiveGroup>) -> [Answer] {
        func refuse(_ status: Status) -> [Answer] { [Answer(done: done, result: .failure(status))] }
        let place = "(group_key=\(request.key))"
        guard request.size > 0 else { return refuse(.invalidArgument("group_size must be positive integer but got \(request.size)")) }
        var forming = Forming(size: request.size)
        switch records[request.key] {
        case .complete(let group, _)?:
            let known = group.rank(of: request.member.device)
            if let known, group.members[known].incarnation != request.member.incarnation { break }  // the task has restarted
            if let problem = disagreement(request, size: group.members.count, type: group.members[0].device.type) { return refuse(problem) }
            guard known != nil else {
                return refuse(.invalidArgument("Device \(request.member.device) is joining a group that is already full \(place)"))
            }
            useCount += 1
            records[request.key] = .complete(group, use: useCount)
            return [Answer(done: done, result: .success(group))]
        case .forming(let found)?:
            forming = found
            if let problem = disagreement(request, size: found.size, type: found.requests.first?.key.type) {
                // None of them can know who is right, and those who wait would wait for ever.
                records[request.key] = nil
                return (found.waiting + [done]).map { Answer(done: $0, result: .failure(problem)) }
            }
        case nil:
            if let full = makeRoom() { return refuse(full) }
        }
        forming.requests[request.member.device] = request
        forming.waiting.append(done)
        guard forming.requests.count == forming.size else {
            records[request.key] = .forming(forming)
            return []
        }
        let waiting = forming.waiting
        do throws(Status) {
            generation &+= 1
            useCount += 1
            let group = CollectiveGroup(key: request.key, members: try CollectiveGroupTable.ranked(forming.requests), generation: generation)
            records[request.key] = .complete(group, use: useCount)
            return waiting.map { Answer(done: $0, result: .success(group)) }
        } catch {
            records[request.key] = nil
            return waiting.map { Answer(done: $0, result: .failure(error)) }
        }
    }

    /// Forgets a group of this generation.
    package mutating func leave(_ group: CollectiveGroup) {
        if case .complete(let known, _)? = records[group.key], known.generation == group.generation { records[group.key] = nil }
    }

    /// Fails those who wait for groups, for a resolver that ends.
    package mutating func close(_ status: Status) -> [Answer] {
        defer { records = [:] }
        return records.values.flatMap { record -> [Answer] in
            guard case .forming(let forming) = record else { return [] }
            return forming.waiting.map { Answer(done: $0, result: .failure(status)) }
        }
    }

    private func disagreement(_ request: Request, size: Int, type: String?) -> Status? {
        let device = request.member.device
        if request.size != size {
            return .invalidArgument(
                "Device \(device) is joining a group with size \(request.size), but that group has size \(size) (group_key=\(request.key))")
        }
        guard device.type == type else {
            return .invalidArgument(
                "Device \(device) is joining a group with incompatible device type \(type ?? "none") (group_key=\(request.key))")
        }
        return nil
    }

    private mutating func makeRoom() -> Status? {
        guard records.count >= CollectiveGroupTable.maximumCount else { return nil }
        let oldest = records.compactMap { key, record -> (key: Int, use: Int)? in
            if case .complete(_, let use) = record { (key, use) } else { nil }
        }.min { $0.use < $1.use }
        guard let oldest else {
            return .resourceExhausted("\(records.count) groups of collective operations wait for members; the limit is \(CollectiveGroupTable.maximumCount)")
        }
        records[oldest.key] = nil
        return nil
    }

    /// The members in the order of the ranks that they ask for, or of their names. The devices of a task are neighbours then.
    private static func ranked(_ requests: [DeviceName: Request]) throws(Status) -> [CollectiveGroup.Member] {
        let asked = requests.values.filter { $0.rank != nil }
        guard !asked.isEmpty else { return requests.values.map(\.member).sorted { isBefore($0.device, $1.device) } }
        let byRank = asked.sorted { ($0.rank ?? 0) < ($1.rank ?? 0) }
        guard byRank.enumerated().allSatisfy({ $0.offset == $0.element.rank }), byRank.count == requests.count else {
            throw .invalidArgument(
                "The members of a group must have ranks 0 to \(requests.count - 1), each one once, found \(byRank.map { $0.rank ?? 0 })"
                    + (byRank.count < requests.count ? " and \(requests.count - byRank.count) without rank" : ""))
        }
        return byRank.map(\.member)
    }

    private static func isBefore(_ a: DeviceName, _ b: DeviceName) -> Bool {
        if a.job != b.job { return (a.job ?? "") < (b.job ?? "") }
        if a.replica != b.replica { return (a.replica ?? 0) < (b.replica ?? 0) }
        if a.task != b.task { return (a.task ?? 0) < (b.task ?? 0) }
        if a.type != b.type { return (a.type ?? "") < (b.type ?? "") }
        return (a.index ?? 0) < (b.index ?? 0)
    }
}

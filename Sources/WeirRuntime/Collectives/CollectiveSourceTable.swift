package import WeirGraph
package import WeirTensor

/// Who is the source of which broadcast. Like `CollectiveGroupTable`, it is a part of the state of a resolver that leads.
package struct CollectiveSourceTable: Sendable {
    /// An answer that is to be given, outside of all locks.
    package struct Answer: Sendable {
        package let done: Completion<Int>
        package let result: Result<Int, Status>
        package func give() { done(result) }
    }
    private struct Key: Hashable {
        var group: Int
        var generation: UInt64
        var instance: Int
    }
    private struct Record {
        var dtype: DType
        var shape: Shape?
        var source: Int?
        var ranks: Set<Int> = []
        var waiting: [Completion<Int>] = []
    }

    /// The most broadcasts of which not all members have asked yet.
    package static let maximumCount = 65_536
    private var records: [Key: Record] = [:]

    /// A table without broadcasts.
    package init() {}

    /// The number of broadcasts of which not all members have asked yet.
    package var count: Int { records.count }

    /// Notes that a member takes part in a broadcast. It is answered when all have asked; then nothing is kept.
    package mutating func ask(
        _ operation: CollectiveOperation, in group: CollectiveGroup, rank: Int, _ done: @escaping Completion<Int>
    ) -> [Answer] {
        let key = Key(group: group.key, generation: group.generation, instance: operation.instanceKey)
        var record = records[key] ?? Record(dtype: operation.dtype, shape: operation.shape)
        record.waiting.append(done)
        if let problem = problem(operation, rank, record) ?? roomProblem(key) {
            records[key] = nil
            return record.waiting.map { Answer(done: $0, result: .failure(problem)) }
        }
        record.ranks.insert(rank)
        if case .broadcast(isSource: true) = operation.kind { record.source = rank }
        guard record.ranks.count == group.members.count else {
            records[key] = record
            return []
        }
        records[key] = nil
        let place = "(group_key=\(group.key), instance_key=\(operation.instanceKey))"
        let result: Result<Int, Status> =
            record.source.map { .success($0) } ?? .failure(.invalidArgument("None of the members of a broadcast is its source \(place)"))
        return record.waiting.map { Answer(done: $0, result: result) }
    }

    /// Fails those who wait in this generation of a group, or in an earlier one.
    package mutating func leave(_ group: CollectiveGroup, _ status: Status) -> [Answer] {
        let gone = records.filter { $0.key.group == group.key && $0.key.generation <= group.generation }
        for key in gone.keys { records[key] = nil }
        return gone.values.flatMap { $0.waiting.map { Answer(done: $0, result: .failure(status)) } }
    }

    private func problem(_ operation: CollectiveOperation, _ rank: Int, _ record: Record) -> Status? {
        let place = "(group_key=\(operation.groupKey), instance_key=\(operation.instanceKey))"
        guard case .broadcast(let isSource) = operation.kind else {
            return .invalidArgument("Node '\(operation.name)' must be a broadcast, as those of other members are \(place)")
        }
        guard operation.dtype == record.dtype else {
            return .invalidArgument(
                "The members of a broadcast must have one type: '\(operation.name)' has \(operation.dtype), another member \(record.dtype) \(place)")
        }
        guard operation.shape == record.shape else {
            func text(_ shape: Shape?) -> String { shape.map { "\($0)" } ?? "none" }
            return .invalidArgument(
                "The members of a broadcast must have one shape: '\(operation.name)' has \(text(operation.shape)), another member "
                    + "\(text(record.shape)) \(place)")
        }
        if isSource, let other = record.source, other != rank {
            return .invalidArgument("A broadcast must have one source, found ranks \(min(other, rank)) and \(max(other, rank)) \(place)")
        }
        return nil
    }

    private func roomProblem(_ key: Key) -> Status? {
        guard records[key] == nil, records.count >= CollectiveSourceTable.maximumCount else { return nil }
        return .resourceExhausted("\(records.count) broadcasts wait for members; that is the limit")
    }
}

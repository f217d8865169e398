/// The clocks of a timeline's tasks.
struct ClockNames: Sendable {
    /// The task of the master, whose clock the timeline has.
    var master = ""
    /// The clock that each task reads, by the ids that tasks tell and that nothing contradicts.
    var tasks: [String: String] = [:]
    /// The clocks of merged timelines of which nothing bounds how they differ from that of the first.
    var unaligned: Set<String> = []
}

/// How much the clocks of the masters of several timelines differ.
///
/// Masters on one boot of one machine read one clock. Others are bounded by the tasks that both of them called: each knows how that
/// task's clock differs from its own, within an error. And what a collective operation moved from the tasks of one to those of another
/// arrived after it was sent. `ClockAlignment` combines all of this. A clock that nothing bounds is taken to agree, and is in
/// `ClockNames.unaligned`, so that the timeline says so.
struct MergedClocks {
    /// What the clock of each timeline shows minus what that of the first one shows.
    let offsets: [ClockAlignment.Offset]
    /// By how many nanoseconds what is known contradicts itself.
    let contradiction: Int
    /// The clocks of the merged timeline.
    let names: ClockNames

    init(_ timelines: [StepTimeline]) {
        let transfers = MergedClocks.transfers(between: timelines)
        // Copies of one virtual machine may tell one id. Then no id is believed.
        let isContradicted = transfers.contains { transfer in
            transfer.sent > transfer.arrived
                && MergedClocks.reference(timelines[transfer.source], believesIDs: true)
                    == MergedClocks.reference(timelines[transfer.target], believesIDs: true)
        }
        let references = timelines.map { MergedClocks.reference($0, believesIDs: !isContradicted) }
        var observations = transfers.map { transfer in
            ClockAlignment.Observation(
                .init(references[transfer.source], transfer.sent), before: .init(references[transfer.target], transfer.arrived))
        }
        for (timeline, reference) in zip(timelines, references) {
            for (task, offset) in timeline.clockOffsets {
                guard let bound = offset.errorBound else { continue }
                let clock = MergedClocks.clock(of: task, in: timeline, believesIDs: !isContradicted)
                // The difference is at most `offset + bound`, and at least `offset - bound`.
                observations.append(.init(.init(reference, -max(bound, 0)), before: .init(clock, offset.nanoseconds)))
                observations.append(.init(.init(clock, offset.nanoseconds), before: .init(reference, max(bound, 0))))
            }
        }
        let alignment = ClockAlignment(observations, reference: references.first ?? "")
        contradiction = alignment.contradiction
        let offsets = references.map { alignment.offsets[$0] ?? ClockAlignment.Offset(nanoseconds: 0, errorBound: nil) }
        self.offsets = offsets
        var names = ClockNames()
        names.master = timelines.first?.clocks.master ?? ""
        if !isContradicted { for timeline in timelines { names.tasks.merge(timeline.clocks.tasks) { first, _ in first } } }
        names.unaligned = timelines.reduce(into: []) { $0.formUnion($1.clocks.unaligned) }
        names.unaligned.formUnion(zip(references, offsets).filter { $1.errorBound == nil }.map(\.0))
        self.names = names
    }

    /// How the clock of each task of the timelines differs from that of the first timeline, as well as is known.
    func taskOffsets(_ timelines: [StepTimeline]) -> [String: ClockAlignment.Offset] {
        var result: [String: ClockAlignment.Offset] = [:]
        for (timeline, master) in zip(timelines, offsets) {
            for (task, offset) in timeline.clockOffsets {
                let sum = ClockAlignment.Offset(
                    nanoseconds: [offset.nanoseconds, master.nanoseconds].clampedSum,
                    errorBound: offset.errorBound.flatMap { bound in master.errorBound.map { [bound, $0].clampedSum } })
                if let known = result[task], known.errorBound ?? .max <= sum.errorBound ?? .max { continue }
                result[task] = sum
            }
        }
        return result
    }

    /// The clock that a task reads: its id, or the task's name if it is not known or not believed.
    private static func clock(of task: String, in timeline: StepTimeline, believesIDs: Bool) -> String {
        believesIDs ? timeline.clocks.tasks[task] ?? task : task
    }

    private static func reference(_ timeline: StepTimeline, believesIDs: Bool) -> String {
        clock(of: timeline.clocks.master, in: timeline, believesIDs: believesIDs)
    }

    /// What moved from one timeline to another, as indices of the timelines, with the times of the send and of the arrival.
    private static func transfers(between timelines: [StepTimeline]) -> [(source: Int, sent: Int, target: Int, arrived: Int)] {
        let ends = timelines.enumerated().flatMap { number, timeline in timeline.unpairedEnds.map { (number, $0) } }
        func interval(_ index: Int) -> StepTimeline.Interval { timelines[ends[index].0].interval(ends[index].1.position) }
        return TransferPairing.pairs(of: ends.map(\.1), interval).pairs.compactMap { send, receive in
            guard ends[send].0 != ends[receive].0 else { return nil }
            return (ends[send].0, interval(send).start, ends[receive].0, interval(receive).end)
        }
    }
}

extension [Int] {
    /// The sum, limited to numbers that an `Int` holds and whose negatives it holds.
    fileprivate var clampedSum: Int { Swift.max(Int(clamping: reduce(Int128(0)) { $0 + Int128($1) }), -Int.max) }
}

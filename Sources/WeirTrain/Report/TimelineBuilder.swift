import WeirCluster
import WeirGraph
import WeirTensor

/// Makes a timeline from what a step recorded: aligns clocks, sorts by device, and finds the ends of each transfer.
struct TimelineBuilder {
    /// A device of a record, which may be a stream.
    private struct Place: Hashable {
        /// The whole name.
        let name: String
        let task: String
        /// The name in the task.
        let device: String
        /// The device of a stream; the name itself for a device.
        let owner: String
        private let order: [Int]
        private let job: String

        init(_ name: String) {
            self.name = name
            var owner = name
            var parsed = try? DeviceName(owner)
            // `/job:…/device:GPU:0/stream:0`, and what else TensorFlow adds to a device's name.
            if parsed == nil, let slash = owner.lastIndex(of: "/") {
                owner = String(owner[..<slash])
                parsed = try? DeviceName(owner)
            }
            guard let parsed, !parsed.isEmpty else {
                (task, device, self.owner, order, job) = (name, name, name, [.max], "")
                return
            }
            let local = [parsed.type, parsed.index.map { ":\($0)" }].compactMap { $0 }.joined()
            let part = name.dropFirst(owner.count)
            (task, device, self.owner) = (parsed.taskName.description, local.isEmpty ? name : local + part, owner)
            order = [parsed.replica ?? 0, parsed.task ?? 0, parsed.type == "CPU" ? 0 : 1, parsed.index ?? 0]
            job = parsed.job ?? ""
        }

        static func < (a: Place, b: Place) -> Bool {
            if a.job != b.job { return a.job < b.job }
            if a.order != b.order { return a.order.lexicographicallyPrecedes(b.order) }
            return a.name < b.name
        }
    }
    private let metadata: RunMetadata
    private let registry: OpRegistry
    private let places: [String: Place]
    private let nodes: RecordedNodes
    /// The clocks that tasks say they read, by task.
    private let claimedClocks: [String: String]

    init(_ metadata: RunMetadata, registry: OpRegistry) {
        self.metadata = metadata
        self.registry = registry
        let places = Dictionary(metadata.times.map { ($0.device, Place($0.device)) }, uniquingKeysWith: { first, _ in first })
        self.places = places
        nodes = RecordedNodes(
            metadata.times, device: { places[$0.device]?.owner ?? $0.device }, isReceive: { registry[$0.op]?.role == .receive })
        var clocks: [String: String] = [:]
        for party in metadata.calls.flatMap({ [$0.caller, $0.callee] }) where !party.clock.isEmpty { clocks[party.task] = party.clock }
        claimedClocks = clocks
    }

    private func place(_ device: String) -> Place { places[device] ?? Place(device) }
    private func role(_ time: NodeTime) -> OpRole? { registry[time.op]?.role }

    func timeline() -> StepTimeline {
        let (transfers, unpaired) = transfers()
        let events = events(transfers)
        let suspects = contradicted(events)
        let believed = claimedClocks.filter { !suspects.contains($0.key) }
        /// A task whose clock is not known has its own.
        func reading(_ task: String, _ time: Int) -> ClockAlignment.Reading { ClockAlignment.Reading(believed[task] ?? task, time) }
        let observations = events.map { event in
            ClockAlignment.Observation(reading(event.earlier.clock, event.earlier.time), before: reading(event.later.clock, event.later.time))
        }
        let clocks = ClockAlignment(observations, reference: reading(master, 0).clock)
        func time(_ task: String, _ time: Int) -> Int { clocks.time(reading(task, time)) }
        var recorded: [Place: [Int]] = [:]
        for (index, record) in metadata.times.enumerated() { recorded[place(record.device), default: []].append(index) }
        var lanes: [StepTimeline.Lane] = []
        var positions: [Int: StepTimeline.Position] = [:]
        for (place, indices) in recorded.sorted(by: { $0.key < $1.key }) {
            let intervals = indices.map { interval(metadata.times[$0], at: { time(place.task, $0) }) }
            // Sorted here as the lane sorts, so that the places of records are known.
            let order = indices.indices.sorted { a, b in
                let (first, second) = (intervals[a], intervals[b])
                return (first.start, -first.end, first.node, a) < (second.start, -second.end, second.node, b)
            }
            for (rank, index) in order.enumerated() { positions[indices[index]] = StepTimeline.Position(lanes.count, rank) }
            lanes.append(StepTimeline.Lane(task: place.task, device: place.device, intervals: order.map { intervals[$0] }))
        }
        let arrows = transfers.compactMap { send, receive -> StepTimeline.Arrow? in
            guard let source = positions[send], let target = positions[receive] else { return nil }
            return StepTimeline.Arrow(edge: metadata.times[send].transfer?.edge ?? "", from: source, to: target, in: lanes)
        }
        let unpairedEnds = unpaired.compactMap { index -> StepTimeline.TransferEnd? in
            // A device passes feeds and fetches to itself: their other end is no record anywhere.
            guard let position = positions[index], let (channel, isSend) = transferEnd(metadata.times[index]), channel.source != channel.destination else {
                return nil
            }
            return StepTimeline.TransferEnd(
                edge: channel.edge, isSend: isSend, position: position, source: channel.source, destination: channel.destination)
        }
        let calls = metadata.calls.map { call in
            let caller = call.caller.task
            return StepTimeline.Call(caller: caller, callee: call.callee.task, start: time(caller, call.sent), end: time(caller, call.returned))
        }
        let tasks = Set(places.values.map(\.task) + metadata.calls.flatMap { [$0.caller.task, $0.callee.task] })
        // A clock without observations is that of the reference, or nothing is known of it.
        let offsets = tasks.map { task in
            (task, clocks.offsets[reading(task, 0).clock] ?? ClockAlignment.Offset(nanoseconds: 0, errorBound: nil))
        }
        var timeline = StepTimeline(
            lanes: lanes, arrows: arrows.sorted(by: <), unpairedEnds: unpairedEnds,
            calls: calls.sorted { ($0.start, $0.callee) < ($1.start, $1.callee) },
            clockOffsets: Dictionary(offsets, uniquingKeysWith: { first, _ in first }), clockContradiction: clocks.contradiction)
        timeline.clocks = ClockNames(master: master, tasks: believed)
        return timeline
    }

    private func interval(_ record: NodeTime, at time: (Int) -> Int) -> StepTimeline.Interval {
        var interval = StepTimeline.Interval(
            node: record.node, op: record.op, kind: kind(record), start: time(record.start), end: time(record.end))
        interval.byteCount = record.outputBytes.saturatingSum
        interval.outputs = zip(record.outputTypes, record.outputShapes).map { "\($0)\($1)" }
        interval.inputs = nodes.inputs(of: record, on: place(record.device).owner, isSend: role(record) == .send)
        interval.isWaiting = role(record) == .receive || interval.kind == .wait
        return interval
    }

    private func kind(_ record: NodeTime) -> StepTimeline.Kind {
        let op = registry[record.op]
        if record.transfer != nil || op?.role == .send || op?.role == .receive { return .transfer }
        if op?.waitsForOthers == true { return .wait }
        if let op, op.updatesState { return .update }
        let scopes = record.node.split(separator: "/").dropLast()
        return scopes.contains { $0 == "gradients" || $0.hasPrefix("gradients_") } ? .backward : .forward
    }

    /// What the record of a send or a receive transfers, between which devices; nil for other records.
    private func transferEnd(_ record: NodeTime) -> (channel: TransferPairing.Channel, isSend: Bool)? {
        guard let transfer = record.transfer else { return nil }
        let device = place(record.device).owner
        switch role(record) {
        case .send: return (TransferPairing.Channel(edge: transfer.edge, source: device, destination: transfer.peer), true)
        case .receive: return (TransferPairing.Channel(edge: transfer.edge, source: transfer.peer, destination: device), false)
        default: return nil
        }
    }

    /// The send and the receive of each tensor that moved, as indices of the records, and those without the other end.
    private func transfers() -> (pairs: [(send: Int, receive: Int)], unpaired: [Int]) {
        var pairing = TransferPairing()
        for (index, record) in metadata.times.enumerated() {
            guard let (channel, isSend) = transferEnd(record) else { continue }
            if isSend { pairing.addSend(index, on: channel, start: record.start) } else { pairing.addReceive(index, on: channel, end: record.end) }
        }
        var (pairs, unpaired) = pairing.result()
        // Of tasks that record no sends, a tensor comes from the node that made it.
        let sent = Set(metadata.times.lazy.compactMap { transferEnd($0) }.filter(\.isSend).map(\.channel))
        let received = Dictionary(grouping: unpaired) { transferEnd(metadata.times[$0])?.channel }
        for (channel, receives) in received {
            if let channel, !sent.contains(channel) { pairs += nodes.producers(of: receives, on: channel, in: metadata.times) }
        }
        let paired = Set(pairs.lazy.map(\.receive))
        unpaired.removeAll { paired.contains($0) }
        return (pairs.sorted { $0.receive < $1.receive }, unpaired)
    }

    /// What is known of the order of events of different tasks: a call arrives after it is sent, and its reply arrives after it is
    /// sent; a tensor arrives after its send has started. Each task is taken to have its own clock.
    private func events(_ transfers: [(send: Int, receive: Int)]) -> [ClockAlignment.Observation] {
        var result: [ClockAlignment.Observation] = []
        for call in metadata.calls {
            let (caller, callee) = (call.caller.task, call.callee.task)
            result.append(.init(.init(caller, call.sent), before: .init(callee, call.arrived)))
            result.append(.init(.init(callee, call.answered), before: .init(caller, call.returned)))
        }
        for (send, receive) in transfers {
            let (sent, received) = (metadata.times[send], metadata.times[receive])
            // A node that made a tensor, and stands for the send, had ended before.
            let start = sent.transfer == nil ? sent.end : sent.start
            result.append(.init(.init(place(sent.device).task, start), before: .init(place(received.device).task, received.end)))
        }
        return result.filter { $0.earlier.clock != $0.later.clock }
    }

    /// The tasks that cannot read the clock that they say they read, because an event would come before its cause. Copies of one
    /// virtual machine may have one id. The master is believed.
    private func contradicted(_ events: [ClockAlignment.Observation]) -> Set<String> {
        let impossible = events.filter { event in
            guard let clock = claimedClocks[event.earlier.clock], clock == claimedClocks[event.later.clock] else { return false }
            return event.earlier.time > event.later.time
        }
        return Set(impossible.flatMap { [$0.earlier.clock, $0.later.clock] }).subtracting([master])
    }

    /// The task of the master; without calls, the first task.
    private var master: String { metadata.calls.first?.caller.task ?? places.values.min { $0 < $1 }?.task ?? "" }
}

extension OpDefinition {
    /// Whether a node changes a variable or another resource: its first input is one, and it returns nothing, or the reference.
    fileprivate var updatesState: Bool {
        guard let first = schema.inputs.first, first.isReference || first.type == .fixed(.resource) else { return changesInputs }
        return schema.outputs.allSatisfy(\.isReference)
    }
}

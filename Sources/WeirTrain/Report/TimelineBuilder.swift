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
    /// What a send and its receive have in common.
    private struct Channel: Hashable {
        let edge: String
        let source: String
        let destination: String
    }

    private let metadata: RunMetadata
    private let registry: OpRegistry
    private let places: [String: Place]
    /// The clocks that tasks say they read, by task.
    private let claimedClocks: [String: String]

    init(_ metadata: RunMetadata, registry: OpRegistry) {
        self.metadata = metadata
        self.registry = registry
        places = Dictionary(metadata.times.map { ($0.device, Place($0.device)) }, uniquingKeysWith: { first, _ in first })
        var clocks: [String: String] = [:]
        for party in metadata.calls.flatMap({ [$0.caller, $0.callee] }) where !party.clock.isEmpty { clocks[party.task] = party.clock }
        claimedClocks = clocks
    }

    private func place(_ device: String) -> Place { places[device] ?? Place(device) }
    private func role(_ time: NodeTime) -> OpRole? { registry[time.op]?.role }

    func timeline() -> StepTimeline {
        let transfers = transfers()
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
            let (sent, received) = (lanes[source.lane].intervals[source.interval], lanes[target.lane].intervals[target.interval])
            return StepTimeline.Arrow(
                edge: metadata.times[send].transfer?.edge ?? "", source: source, target: target, byteCount: received.byteCount,
                start: min(max(sent.end, received.start), received.end), end: received.end)
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
        return StepTimeline(
            lanes: lanes, arrows: arrows.sorted { ($0.end, $0.start, $0.edge) < ($1.end, $1.start, $1.edge) },
            calls: calls.sorted { ($0.start, $0.callee) < ($1.start, $1.callee) },
            clockOffsets: Dictionary(offsets, uniquingKeysWith: { first, _ in first }), clockContradiction: clocks.contradiction)
    }

    private func interval(_ record: NodeTime, at time: (Int) -> Int) -> StepTimeline.Interval {
        var interval = StepTimeline.Interval(
            node: record.node, op: record.op, kind: kind(record), start: time(record.start), end: time(record.end))
        interval.byteCount = record.outputBytes.saturatingSum
        interval.outputs = zip(record.outputTypes, record.outputShapes).map { "\($0)\($1)" }
        interval.inputs = record.inputs.map { String(NodeTime.node(ofInput: $0)) }
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

    /// The send and the receive of each tensor that moved, as indices of the records.
    ///
    /// A loop sends on one channel several times. The k-th receive to end belongs to the k-th send to start. When iterations
    /// overtake each other the two may be of different iterations, but k tensors had been sent when k had arrived.
    private func transfers() -> [(send: Int, receive: Int)] {
        var sends: [Channel: [Int]] = [:]
        var receives: [Channel: [Int]] = [:]
        for (index, record) in metadata.times.enumerated() {
            guard let transfer = record.transfer else { continue }
            let device = place(record.device).owner
            switch role(record) {
            case .send: sends[Channel(edge: transfer.edge, source: device, destination: transfer.peer), default: []].append(index)
            case .receive: receives[Channel(edge: transfer.edge, source: transfer.peer, destination: device), default: []].append(index)
            default: break
            }
        }
        let times = metadata.times
        var pairs: [(send: Int, receive: Int)] = []
        for (channel, sent) in sends {
            guard let received = receives[channel] else { continue }
            let first = sent.sorted { (times[$0].start, $0) < (times[$1].start, $1) }
            let last = received.sorted { (times[$0].end, $0) < (times[$1].end, $1) }
            pairs += zip(first, last).map { (send: $0, receive: $1) }
        }
        return pairs.sorted { $0.receive < $1.receive }
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
            result.append(.init(.init(place(sent.device).task, sent.start), before: .init(place(received.device).task, received.end)))
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

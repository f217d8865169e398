import WeirProto
import WeirTensor
import WeirWire

extension TFStepStats {
    /// Encodes the times of nodes, grouped by device, in the form that TensorFlow's timeline viewers read, and the calls of tasks.
    init(_ times: [NodeTime], calls: [StepCall] = []) {
        self.init()
        var positions: [String: Int] = [:]
        for time in times {
            let position = positions[time.device] ?? devStats.count
            if position == devStats.count {
                positions[time.device] = position
                var device = TFDeviceStepStats()
                device.device = time.device
                devStats.append(device)
            }
            devStats[position].nodeStats.append(TFNodeExecStats(time))
        }
        devStats += calls.map { TFDeviceStepStats($0) }
    }
}

extension TFNodeExecStats {
    /// Encodes the times of a node. Executors record only when a kernel starts and ends, so the node is scheduled at its start.
    fileprivate init(_ time: NodeTime) {
        self.init()
        nodeName = time.node
        allStartNanos = Int64(time.start)
        opEndRelNanos = Int64(time.end - time.start)
        allEndRelNanos = opEndRelNanos
        scheduledNanos = allStartNanos
        // Rounds the end as a time, not as a duration, so that the next node does not start before this one ends.
        allStartMicros = Int64(time.start / 1000)
        opEndRelMicros = Int64(time.end / 1000) - allStartMicros
        allEndRelMicros = opEndRelMicros
        scheduledMicros = allStartMicros
        // Viewers read the op before the parenthesis and the names of inputs inside it. TensorFlow names the tensor and the other
        // device there for sends and receives. They come after the inputs here; viewers pass over names that they do not know.
        let arguments = time.inputs + (time.transfer.map { ["\($0.edge) @\($0.peer)"] } ?? [])
        timelineLabel = "\(time.node) = \(time.op)(\(arguments.joined(separator: ", ")))"
        // The memory of the outputs. Memory that a kernel allocates and frees is not recorded.
        let byteCount = Int64(clamping: time.outputBytes.reduce(0) { $0 &+ $1 })
        if byteCount > 0 {
            var used = TFAllocatorMemoryUsed()
            used.allocatorName = "cpu"
            used.totalBytes = byteCount
            used.peakBytes = byteCount
            used.liveBytes = byteCount
            memory = [used]
        }
        output = (0..<max(time.outputTypes.count, time.outputBytes.count)).map { index in
            var description = TFTensorDescription()
            if index < time.outputTypes.count { description.dtype = TFDataType(time.outputTypes[index]) }
            if index < time.outputShapes.count { description.shape = TFTensorShapeProto(time.outputShapes[index]) }
            if index < time.outputBytes.count {
                description.allocationDescription.requestedBytes = Int64(time.outputBytes[index])
                description.allocationDescription.allocatedBytes = Int64(time.outputBytes[index])
                description.allocationDescription.allocatorName = "cpu"
            }
            var output = TFNodeOutput()
            output.slot = Int32(clamping: index)
            output.tensorDescription = description
            return output
        }
    }
}

extension NodeTime {
    /// Decodes the times in a peer's statistics. Outputs whose description is malformed are omitted.
    static func all(in stats: TFStepStats) -> [NodeTime] {
        stats.devStats.lazy.filter { !$0.isCall }.flatMap { device in device.nodeStats.map { NodeTime($0, device: device.device) } }
    }

    private init(_ stats: TFNodeExecStats, device: String) {
        let isFine = stats.allStartNanos != 0  // Old peers send only microseconds.
        func nanoseconds(_ nanos: Int64, _ micros: Int64) -> Int {
            let (product, overflow) = Int(micros).multipliedReportingOverflow(by: 1000)
            return NodeTime.bounded(isFine ? Int(nanos) : overflow ? .max : product)
        }
        let start = nanoseconds(stats.allStartNanos, stats.allStartMicros)
        self.init(
            node: stats.nodeName, op: "", device: device, start: start, end: start + nanoseconds(stats.opEndRelNanos, stats.opEndRelMicros))
        readLabel(stats.timelineLabel)
        for output in stats.output {
            let description = output.tensorDescription
            let byteCount = min(max(Int(description.allocationDescription.requestedBytes), 0), 1 << 48)
            if let dtype = DType(description.dtype), let shape = try? Shape(description.shape) {
                outputTypes.append(dtype)
                outputShapes.append(shape)
                outputBytes.append(byteCount)
            } else if transfer != nil, stats.output.count == 1 {
                // The call that got a tensor knows its size only.
                outputBytes.append(byteCount)
            }
        }
    }

    /// Limits a time or a duration from a peer to 1970 ... about 2116, so that two of them can be added and subtracted.
    static func bounded(_ nanoseconds: Int) -> Int { min(max(nanoseconds, 0), Int.max / 2) }

    /// Reads the op, the inputs and the transfer from `[memory] name = Op(x, ^y)` or `name = _Send(x, edge @device)`. They stay
    /// empty when the label has another form.
    private mutating func readLabel(_ label: String) {
        guard let equals = label.firstRange(of: " = ") else { return readCall(label) }
        let call = label[equals.upperBound...]
        op = String(call.prefix { $0 != "(" })
        // Old versions of TensorFlow do not close the parenthesis of a transfer.
        var arguments = call.dropFirst(op.count + 1)
        if arguments.last == ")" { arguments.removeLast() }
        var names = arguments.split(separator: ", ")
        // The name of a node has no space.
        if let last = names.last, let at = last.firstRange(of: " @") {
            transfer = Transfer(edge: String(last[..<at.lowerBound]), peer: String(last[at.upperBound...]))
            names.removeLast()
        }
        inputs = names.map { String($0) }
    }

    /// Reads what a worker of TensorFlow's records of a call that got a tensor from another task: `RecvTensor`, with the label
    /// `[4000B] [94.1Mb/s] edge_8_z from /job:ps/… to /job:worker/…`. It records no node that sends or receives. The record becomes
    /// that of a receive, with a name of its own in the place of that which all have.
    private mutating func readCall(_ label: String) {
        guard node == NodeTime.callName, let from = label.firstRange(of: " from "), let to = label[from.upperBound...].firstRange(of: " to "),
            let edge = label[..<from.lowerBound].split(separator: " ").last
        else { return }
        node = "\(NodeTime.callName)/\(edge)"
        op = "_Recv"
        transfer = Transfer(edge: String(edge), peer: String(label[from.upperBound..<to.lowerBound]))
    }

    /// The method that TensorFlow's workers call for a tensor of another task.
    private static var callName: String { "RecvTensor" }
}

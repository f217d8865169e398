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
        // device there for sends and receives.
        let arguments = time.transfer.map { "\($0.edge) @\($0.peer)" } ?? time.inputs.joined(separator: ", ")
        timelineLabel = "\(time.node) = \(time.op)(\(arguments))"
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
        output = time.outputTypes.indices.map { index in
            var description = TFTensorDescription()
            description.dtype = TFDataType(time.outputTypes[index])
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
            guard let dtype = DType(description.dtype), let shape = try? Shape(description.shape) else { continue }
            outputTypes.append(dtype)
            outputShapes.append(shape)
            outputBytes.append(min(max(Int(description.allocationDescription.requestedBytes), 0), 1 << 48))
        }
    }

    /// Limits a time or a duration from a peer to 1970 ... about 2116, so that two of them can be added and subtracted.
    static func bounded(_ nanoseconds: Int) -> Int { min(max(nanoseconds, 0), Int.max / 2) }

    /// Reads the op, and the inputs or the transfer, from `[memory] name = Op(x, ^y)` or `name = _Send(edge @device)`. They stay
    /// empty when the label has another form.
    private mutating func readLabel(_ label: String) {
        guard let equals = label.firstRange(of: " = ") else { return }
        let call = label[equals.upperBound...]
        op = String(call.prefix { $0 != "(" })
        // Old versions of TensorFlow do not close the parenthesis of a transfer.
        var arguments = call.dropFirst(op.count + 1)
        if arguments.last == ")" { arguments.removeLast() }
        // The name of a node has no space.
        if let at = arguments.firstRange(of: " @") {
            transfer = Transfer(edge: String(arguments[..<at.lowerBound]), peer: String(arguments[at.upperBound...]))
        } else {
            inputs = arguments.split(separator: ", ").map { String($0) }
        }
    }
}

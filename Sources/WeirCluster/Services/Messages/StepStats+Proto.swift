import WeirProto
import WeirTensor
import WeirWire

extension TFStepStats {
    /// When nodes ran, by device, the way TensorFlow's timeline viewers expect it.
    init(_ times: [NodeTime]) {
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
    }
}

extension TFNodeExecStats {
    /// A node is taken to be scheduled when its kernel begins and to be done when it ends: executors record no more.
    fileprivate init(_ time: NodeTime) {
        self.init()
        nodeName = time.node
        allStartNanos = Int64(time.start)
        opEndRelNanos = Int64(time.end - time.start)
        allEndRelNanos = opEndRelNanos
        scheduledNanos = allStartNanos
        // Ends are rounded as times, not as durations, so that what follows a node does not begin before its end.
        allStartMicros = Int64(time.start / 1000)
        opEndRelMicros = Int64(time.end / 1000) - allStartMicros
        allEndRelMicros = opEndRelMicros
        scheduledMicros = allStartMicros
        // Viewers take the op from the text before the parenthesis, and what is in it for names of inputs.
        timelineLabel = "\(time.node) = \(time.op)()"
        // What a node holds when it is done. What a kernel took and gave back meanwhile is not recorded.
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
    /// The times in a peer's statistics. What cannot be read of an output's description is left out.
    static func all(in stats: TFStepStats) -> [NodeTime] {
        stats.devStats.flatMap { device in device.nodeStats.map { NodeTime($0, device: device.device) } }
    }

    private init(_ stats: TFNodeExecStats, device: String) {
        // Peers from before nanoseconds were recorded send microseconds alone.
        let isFine = stats.allStartNanos != 0
        func nanoseconds(_ nanos: Int64, _ micros: Int64) -> Int {
            let (product, overflow) = Int(micros).multipliedReportingOverflow(by: 1000)
            let count = isFine ? Int(nanos) : overflow ? .max : product
            // Not before 1970, nor long after 2100: so that times can be added and subtracted.
            return min(max(count, 0), Int.max / 2)
        }
        let start = nanoseconds(stats.allStartNanos, stats.allStartMicros)
        self.init(
            node: stats.nodeName, op: NodeTime.op(inLabel: stats.timelineLabel), device: device, start: start,
            end: start + nanoseconds(stats.opEndRelNanos, stats.opEndRelMicros))
        for output in stats.output {
            let description = output.tensorDescription
            guard let dtype = DType(description.dtype), let shape = try? Shape(description.shape) else { continue }
            outputTypes.append(dtype)
            outputShapes.append(shape)
            outputBytes.append(min(max(Int(description.allocationDescription.requestedBytes), 0), 1 << 48))
        }
    }

    /// The op in `[memory] name = Op(inputs)`; empty when the label is of another form.
    private static func op(inLabel label: String) -> String {
        guard let equals = label.firstRange(of: " = ") else { return "" }
        return String(label[equals.upperBound...].prefix { $0 != "(" })
    }
}

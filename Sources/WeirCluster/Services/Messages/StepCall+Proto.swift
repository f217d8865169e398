import WeirProto
import WeirTensor

// A call is a record of a task, not of one of its devices. TensorFlow has no such records, but its programs read those of devices
// that they do not know as they read all others, as the records of GPU streams.

extension TFDeviceStepStats {
    /// The name of the record, after the method that was called.
    private static let callName = "RunGraph"
    /// The keys of the clocks in `thread_names`.
    fileprivate static let calleeClock: UInt32 = 0
    fileprivate static let callerClock: UInt32 = 1

    /// Encodes a call. The whole record is what the caller saw, and the op in it what the callee saw, by its own clock: the
    /// relative times include the difference of the clocks, and may be negative.
    init(_ call: StepCall) {
        self.init()
        device = call.callee.task
        threadNames = [TFDeviceStepStats.calleeClock: call.callee.clock, TFDeviceStepStats.callerClock: call.caller.clock]
        var stats = TFNodeExecStats()
        stats.nodeName = TFDeviceStepStats.callName
        stats.timelineLabel = "\(TFDeviceStepStats.callName) = \(TFDeviceStepStats.callName)(\(call.caller.task))"
        func relative(_ time: Int) -> Int64 { Int64(clamping: time.subtractingReportingOverflow(call.sent).partialValue) }
        stats.allStartNanos = Int64(call.sent)
        stats.opStartRelNanos = relative(call.arrived)
        stats.opEndRelNanos = relative(call.answered)
        stats.allEndRelNanos = relative(call.returned)
        stats.scheduledNanos = stats.allStartNanos
        stats.allStartMicros = stats.allStartNanos / 1000
        stats.opStartRelMicros = stats.opStartRelNanos / 1000
        stats.opEndRelMicros = stats.opEndRelNanos / 1000
        stats.allEndRelMicros = stats.allEndRelNanos / 1000
        stats.scheduledMicros = stats.allStartMicros
        nodeStats = [stats]
    }

    /// Whether this is the record of a call: it has the call's name and is that of a task.
    var isCall: Bool {
        guard nodeStats.count == 1, nodeStats[0].nodeName == TFDeviceStepStats.callName, let name = try? DeviceName(device) else { return false }
        return name.type == nil && name.task != nil
    }
}

extension StepCall {
    /// Decodes the calls in a peer's statistics.
    static func all(in stats: TFStepStats) -> [StepCall] { stats.devStats.lazy.filter(\.isCall).map { StepCall($0) } }

    /// Decodes the record of a call.
    private init(_ device: TFDeviceStepStats) {
        let stats = device.nodeStats.first ?? TFNodeExecStats()
        let start = NodeTime.bounded(Int(stats.allStartNanos))
        func time(_ relative: Int64) -> Int {
            let (sum, overflow) = start.addingReportingOverflow(Int(relative))
            return NodeTime.bounded(overflow ? .max : sum)
        }
        let caller = stats.timelineLabel.drop { $0 != "(" }.dropFirst().prefix { $0 != ")" }
        self.init(
            caller: Party(task: String(caller), clock: device.threadNames[TFDeviceStepStats.callerClock] ?? ""),
            callee: Party(task: device.device, clock: device.threadNames[TFDeviceStepStats.calleeClock] ?? ""),
            sent: start, arrived: time(stats.opStartRelNanos), answered: time(stats.opEndRelNanos), returned: time(stats.allEndRelNanos))
    }
}

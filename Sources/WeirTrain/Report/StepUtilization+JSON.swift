extension StepUtilization {
    /// The durations in nanoseconds, the devices with their shares, the links and the longest parts of the critical path, as one JSON
    /// object.
    public var json: String { JSONText.object(jsonMembers) }

    /// The members of the object.
    var jsonMembers: [(name: String, value: String)] {
        let devices = devices.map { device in
            JSONText.object([
                ("device", JSONText.string("\(device.task)/\(device.device)")), ("worked", JSONText.number(device.busyShare)),
                ("waited", JSONText.number(device.waitingShare)), ("idle", JSONText.number(device.idleShare)),
            ])
        }
        let links = links.map { link in
            JSONText.object([
                ("from", JSONText.string(link.source)), ("to", JSONText.string(link.destination)), ("bytes", "\(link.byteCount)"),
                ("tensors", "\(link.tensorCount)"), ("moving_ns", "\(link.moving)"),
            ])
        }
        let parts = longest.map { part in
            JSONText.object([
                ("node", JSONText.string(part.node)), ("op", JSONText.string(part.op)), ("device", JSONText.string("\(part.task)/\(part.device)")),
                ("ns", "\(part.duration)"),
            ])
        }
        return [
            ("step_ns", "\(duration)"), ("devices", JSONText.array(devices)), ("links", JSONText.array(links)),
            ("critical_path_ns", "\(criticalPath.duration)"), ("critical_path", JSONText.array(parts)),
        ]
    }
}

import WeirGraph
import WeirRuntime
import WeirTensor

/// Checks that the rendezvous keys of peers' requests name devices of this task.
struct RendezvousKeyValidator: Sendable {
    private let task: DeviceName
    private let devices: LocalDevices
    /// The beginnings of the keys of this task's devices.
    private let prefixes: [String]

    init(task: DeviceName, devices: LocalDevices) {
        self.task = task
        self.devices = devices
        prefixes = devices.places.map {
            RendezvousKey.beginning(source: $0.device.name.description, incarnation: $0.device.incarnation)
        }
    }

    /// - Throws: `invalidArgument` when the key is malformed or its source is not a device of this task; `aborted` when the key
    ///   was made before this task restarted.
    func validate(_ key: RendezvousKey) throws(Status) {
        // Comparing is enough for nearly all keys. Parsing would take longer than the rest of the call.
        if key.text.utf8.lazy.filter({ $0 == UInt8(ascii: ";") }).count == 4, prefixes.contains(where: { key.text.hasPrefix($0) }) {
            return
        }
        let fields = try key.fields()
        // Sessions with their own cluster use other jobs and tasks in the names of the same devices.
        let local = fields.source.localName
        guard let device = devices.places.first(where: { $0.device.name.localName == local })?.device else {
            throw .invalidArgument("Invalid rendezvous key (src): \(key) @ \(task)")
        }
        guard device.incarnation == fields.incarnation else {
            throw .aborted(
                "RecvTensor expects a different device incarnation: \(fields.incarnation) vs. \(device.incarnation). Your worker job "
                    + "(\"\(task)\") was probably restarted. Check your worker job for the reason why it was restarted.")
        }
    }
}

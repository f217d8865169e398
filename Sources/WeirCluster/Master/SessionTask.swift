import WeirGraph
import WeirRuntime
import WeirTensor
import WeirWire

/// A task that takes part in a session.
struct SessionTask: Sendable {
    let name: DeviceName
    let worker: any WorkerEndpoint
    /// The devices of the task, with the names that they have in the session's cluster.
    let devices: [DeviceAttributes]
}

extension Placer {
    /// Makes a placer for the devices of a session's tasks. The session's device filters do not apply to devices of the local
    /// task.
    /// - Throws: `invalidArgument` for a device filter that is not the name of a device.
    init(_ tasks: [SessionTask], localTask: DeviceName, configuration: SessionConfiguration) throws {
        let filters = try configuration.deviceFilters.map { try DeviceName($0) }
        let devices = tasks.flatMap { task in
            task.devices.map { PlacementDevice(name: $0.name, incarnation: $0.incarnation, isLocal: task.name == localTask) }
        }
        let usable = devices.filter { device in
            device.isLocal || filters.isEmpty || filters.contains { device.name.isCompatible(with: $0) }
        }
        self.init(devices: usable, allowsSoftPlacement: configuration.allowsSoftPlacement)
    }
}

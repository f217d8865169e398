import ArgumentParser
import Weir

/// The option that names the devices that compute: those of this process, or of each worker.
struct DeviceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Devices that compute, of this process or of each worker: cpu=2, gpu=2. Here and in local: clusters GPUs are simulated unless the machine has as many.",
            valueName: "KIND=N"))
    var devices = "cpu=1"

    func validate() throws { _ = try count() }

    /// The devices.
    func count() throws -> DeviceCount { try DeviceCount(devices, option: "--devices") }
    /// The device scopes: `/cpu:0`, `/cpu:1`…
    func scopes() throws -> [String] { try count().scopes }
    /// The devices of a session in this process.
    func local() throws -> LocalDevices { try count().local() }
    /// The arguments of `weir serve` that make the devices.
    func serverArguments() throws -> [String] { try count().serverArguments() }
}

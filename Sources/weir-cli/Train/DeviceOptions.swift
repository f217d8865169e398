import ArgumentParser
import Weir

/// The option that names the devices that compute: those of this process, or of each worker.
struct DeviceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Devices that compute, of this process or of each worker: cpu=2, gpu=2. Here and in local: clusters they are made, GPUs simulated.",
            valueName: "KIND=N"))
    var devices = "cpu=1"

    func validate() throws { _ = try parsed() }

    private func parsed() throws(Status) -> (kind: String, count: Int) {
        let parts = devices.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "cpu" || parts[0] == "gpu", let count = Int(parts[1]), OptionRange.cpus.contains(count) else {
            throw .invalidArgument("--devices must be cpu=N or gpu=N with N in \(OptionRange.cpus), found '\(devices)'")
        }
        return (String(parts[0]), count)
    }

    /// The device scopes: `/cpu:0`, `/cpu:1`…
    func scopes() throws(Status) -> [String] {
        let (kind, count) = try parsed()
        return (0..<count).map { "/\(kind):\($0)" }
    }

    /// The devices of a session in this process.
    func local() throws(Status) -> LocalDevices {
        let (kind, count) = try parsed()
        return try kind == "cpu" ? LocalDevices(cpuCount: count) : LocalDevices(simulatedGPUCount: count)
    }

    /// The arguments of `weir serve` that make the devices.
    func serverArguments() throws(Status) -> [String] {
        let (kind, count) = try parsed()
        return kind == "cpu" ? ["--cpus", "\(count)"] : ["--simulate-gpus", "\(count)"]
    }
}

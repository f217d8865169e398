import ArgumentParser
import Weir

/// Devices that compute, all of one kind: `cpu=2`, `gpu=4`.
struct DeviceCount: Equatable, Sendable {
    let kind: String
    let count: Int

    /// - Parameter option: the option that has the text, for the error.
    /// - Throws: `ValidationError` for any other text.
    init(_ text: String, option: String) throws {
        let parts = text.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "cpu" || parts[0] == "gpu", let count = Int(parts[1]), OptionRange.cpus.contains(count) else {
            throw ValidationError("\(option) must be cpu=N or gpu=N with N in \(OptionRange.cpus), found '\(text)'")
        }
        kind = String(parts[0])
        self.count = count
    }

    /// `gpu=2`.
    var text: String { "\(kind)=\(count)" }
    /// The device scopes: `/cpu:0`, `/cpu:1`…
    var scopes: [String] { (0..<count).map { "/\(kind):\($0)" } }

    /// Whether this machine has the GPUs. If not, they are simulated.
    private func areReal() throws(Status) -> Bool { try CUDARuntime.shared.cardCount() >= count }

    /// The devices of a session in this process.
    func local() throws(Status) -> LocalDevices {
        guard kind == "gpu" else { return try LocalDevices(task: .localTask, options: RuntimeOptions(cpuCount: count, gpus: .none)) }
        guard try areReal() else { return try LocalDevices(simulatedGPUCount: count) }
        return try LocalDevices(task: .localTask, options: RuntimeOptions(gpus: GPUOptions(visibleDevices: Array(0..<count))))
    }

    /// The arguments of `weir serve` that make the devices.
    func serverArguments() throws(Status) -> [String] {
        guard kind == "gpu" else { return ["--cpus", "\(count)", "--gpus", "none"] }
        return try areReal() ? ["--gpus", (0..<count).map { "\($0)" }.joined(separator: ",")] : ["--simulate-gpus", "\(count)"]
    }
}

extension DeviceName {
    /// The task of sessions in this process.
    static let localTask = DeviceName(job: "localhost", replica: 0, task: 0)
}

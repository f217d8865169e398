import ArgumentParser
import Weir

struct Devices: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List devices: of this machine, or of a cluster.")

    @Option(help: "A server's target, grpc://host:port; this machine when not given.") var target = ""
    @Option(parsing: .unconditional, help: "With --target: seconds to wait for the server.") var timeout = 10.0
    @Option(parsing: .unconditional, help: "CPU devices.") var cpus = 1
    @Option(parsing: .unconditional, help: "Simulated GPUs.") var simulateGpus = 0
    @OptionGroup var gpus: GPUArguments
    @Flag(help: "Also print what was found of NVIDIA's libraries, what is missing, and what that costs.") var explain = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        try require("--timeout", timeout, in: OptionRange.seconds)
        try require("--cpus", cpus, in: OptionRange.cpus)
        try require("--simulate-gpus", simulateGpus, in: OptionRange.simulatedGPUs)
        if explain, !target.isEmpty { throw ValidationError("--explain is of this machine: run it where the server of --target is") }
    }

    func run() async throws {
        if explain { for line in Devices.explanation(CUDALibraries.shared.entries) { json ? Terminal.error(line) : Terminal.line(line) } }
        let devices: [DeviceAttributes]
        if target.isEmpty {
            devices = try LocalDevices(
                task: .localTask,
                options: RuntimeOptions(cpuCount: cpus, simulatedGPUCount: simulateGpus, gpus: gpus.options())
            ).places.map {
                DeviceAttributes(
                    name: $0.device.name, type: $0.device.type, memoryLimit: $0.device.memoryLimit,
                    incarnation: $0.device.incarnation, hardware: $0.device.hardware)
            }
        } else {
            devices = try await ServerProbe.clusterDevices(target: target, timeout: .seconds(timeout))
        }
        if json {
            for device in devices {
                Terminal.line(
                    "{\"name\":\"\(device.name)\",\"type\":\"\(device.type)\",\"memory\":\(device.memoryLimit),\"hardware\":\"\(device.hardware)\"}")
            }
            return
        }
        let rows =
            [["name", "type", "memory", "hardware"]]
            + devices.map { [$0.name.description, $0.type, "\($0.memoryLimit >> 20) MiB", $0.hardware] }
        for line in table(rows) { Terminal.line(line) }
    }
}

extension Devices {
    /// What `--explain` prints of NVIDIA's libraries.
    static func explanation(_ entries: [CUDALibraries.Entry]) -> [String] {
        entries.flatMap { entry -> [String] in
            guard let found = entry.found else {
                return ["\(entry.name): not used, so \(entry.cost)", "    \(entry.reason ?? "not found")", "    from: \(entry.source)"]
            }
            return ["\(entry.name) \(found.version): \(entry.purpose)", "    \(found.path)"]
        }
    }
}

/// Formats rows with aligned columns.
func table(_ rows: [[String]]) -> [String] {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    return rows.map { row in
        var line = ""
        for (column, cell) in row.enumerated() {
            line += column < row.count - 1 ? cell + String(repeating: " ", count: widths[column] - cell.count + 2) : cell
        }
        return line
    }
}

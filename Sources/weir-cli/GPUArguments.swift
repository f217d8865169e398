import ArgumentParser
import Weir

/// The options that say which GPUs a process uses.
struct GPUArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The GPUs to use, by the driver's numbers: 0,2, all, or none. Parameter servers use none unless this says so; all others use all.",
            valueName: "LIST"))
    var gpus: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The share of each GPU's memory that tensors may use, up to 1; else all that is free when it is needed.", valueName: "SHARE"))
    var gpuMemoryFraction: Double?

    func validate() throws {
        _ = try list()
        if let share = gpuMemoryFraction, !(share > 0 && share <= 1) {
            throw ValidationError("--gpu-memory-fraction must be above 0 and at most 1, found \(share)")
        }
    }

    /// The numbers; nil when nothing was said, an empty list for none.
    private func list() throws -> [Int]?? {
        guard let gpus else { return .none }
        if gpus == "all" { return .some(nil) }
        if gpus == "none" { return .some([]) }
        let numbers = gpus.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
        guard numbers.allSatisfy({ ($0 ?? -1) >= 0 }), Set(numbers).count == numbers.count else {
            throw ValidationError("--gpus must be numbers of GPUs such as 0,2, or all, or none, found '\(gpus)'")
        }
        return numbers.compactMap(\.self)
    }

    /// The options of a runtime.
    /// - Throws: what the driver says when all are asked for.
    func options() throws -> GPUOptions {
        var options = GPUOptions()
        options.memoryFraction = gpuMemoryFraction
        switch try list() {
        case .none: break
        case .some(let numbers?): options.visibleDevices = numbers
        case .some(nil): options.visibleDevices = Array(0..<(try CUDARuntime.shared.cardCount()))
        }
        return options
    }

    /// The same options for a server.
    var serverArguments: [String] {
        (gpus.map { ["--gpus", $0] } ?? []) + (gpuMemoryFraction.map { ["--gpu-memory-fraction", "\($0)"] } ?? [])
    }
}

import ArgumentParser
import Weir

/// The options of strategies: how each splits the work. Which strategy takes which stands with the strategies.
struct SplitOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: .of(.required, "gradients to wait for before an update; the other workers are backups."))
    var required: Int?
    @Option(parsing: .unconditional, help: .of(.maximumLead, "steps that a worker may be ahead of the slowest (default: any number).")) var maxLead: Int?
    @Option(help: .of(.balance, "how variables are spread over parameter servers, roundrobin or bytes (default: roundrobin).")) var balance: String?
    @Option(help: .of(.partBytes, "cut variables into parts of at most this many bytes, which lie on different parameter servers.")) var partBytes: Int?
    @Option(parsing: .unconditional, help: .of(.shards, "batches of a step, by all devices together; the same number gives the same bits."))
    var shards: Int?
    @Option(parsing: .unconditional, help: .of(.bucketBytes, "bytes of gradients that are sent together (default: 4194304).")) var bucketBytes: Int?
    @Option(help: .of(.workerStrategy, "how each worker splits its work over its own devices: a strategy with one client.", valueName: "NAME"))
    var workerStrategy: String?
    @OptionGroup var stages: StageOptions
    @OptionGroup var mesh: MeshOptions

    func validate() throws {
        try require("--required", required, in: 1...OptionRange.task.upperBound)
        try require("--max-lead", maxLead, in: 0...1_000_000)
        try require("--part-bytes", partBytes, in: 1...Int.max)
        try require("--shards", shards, in: 1...4096)
        try require("--bucket-bytes", bucketBytes, in: 1...Int.max)
    }

    /// Those that are given.
    var arguments: StrategyArguments {
        var result = StrategyArguments()
        result[.required] = required.map(ParameterValue.integer)
        result[.maximumLead] = maxLead.map(ParameterValue.integer)
        result[.balance] = balance.map(ParameterValue.text)
        result[.partBytes] = partBytes.map(ParameterValue.integer)
        result[.shards] = shards.map(ParameterValue.integer)
        result[.bucketBytes] = bucketBytes.map(ParameterValue.integer)
        result[.workerStrategy] = workerStrategy.map(ParameterValue.text)
        stages.add(to: &result)
        mesh.add(to: &result)
        return result
    }
}

extension ArgumentHelp {
    /// The help of an option of strategies, which begins with the strategies that take it.
    static func of(_ parameter: StrategyParameter, _ text: String, valueName: String? = nil) -> ArgumentHelp {
        let names = StrategyCatalog.names(taking: parameter).joined(separator: ", ")
        return ArgumentHelp("\(names.prefix(1).uppercased())\(names.dropFirst()): \(text)", valueName: valueName)
    }
}

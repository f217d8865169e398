import ArgumentParser
import FoundationEssentials
import Weir

/// Runs benchmark graphs in this process, without clients and messages.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run graphs in this process and print their step times as JSON lines.",
        discussion: "Each argument is NAME.json, which names the feeds (.npy), fetches and targets of NAME.pb beside it.")

    @Argument(help: "Workload descriptions.") var workloads: [String]
    @Option(parsing: .unconditional, help: "Seconds to measure each for.") var seconds = 3.0
    @Flag(help: "Print where the time goes, by op.") var profile = false
    @Flag(help: "Fail when the first losses are not those recorded in the descriptions.") var check = false
    @OptionGroup var gpus: GPUArguments
    @Flag(help: "Run the graphs as they are, without passes that make them faster.") var unoptimized = false

    func validate() throws { try require("--seconds", seconds, in: OptionRange.seconds) }

    private struct Workload: Decodable {
        var workload: String
        var feeds: [String: String]
        var fetches: [String]
        var targets: [String]
        var `init`: String
        var losses: [Float]?

        enum CodingKeys: String, CodingKey {
            case workload, feeds, fetches, targets, `init`
            case losses = "losses_of_first_five_steps"
        }
    }

    func run() throws {
        for path in workloads { try run(path) }
    }

    /// Describes an error of `JSONDecoder` by the key that it concerns.
    private func describe(_ error: any Error) -> String {
        func place(_ context: DecodingError.Context) -> String {
            let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }
            return path.isEmpty ? "the whole" : "key '\(path.joined(separator: "."))'"
        }
        return switch error {
        case DecodingError.keyNotFound(let key, _): "found no key '\(key.stringValue)'"
        case DecodingError.typeMismatch(let type, let context): "found a value at \(place(context)) that is not \(type)"
        case DecodingError.valueNotFound(let type, let context): "found null at \(place(context)) instead of \(type)"
        case DecodingError.dataCorrupted: "found text that is not JSON"
        default: "found \(error)"
        }
    }

    private func run(_ path: String) throws {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        guard let data = FileManager.default.contents(atPath: path) else { throw Status.notFound("\(path): no such file") }
        let workload: Workload
        do {
            workload = try JSONDecoder().decode(Workload.self, from: data)
        } catch {
            throw Status.invalidArgument("\(path): expected a workload with the keys workload, feeds, fetches, targets and init; \(describe(error))")
        }
        let definition = try GraphDefinition(contentsOf: "\(folder)/\(workload.workload).pb")
        let graph = try Graph(definition, registry: .standard, allowingInternalNames: false)
        var options = RuntimeOptions(gpus: try gpus.options())
        options.allowsSoftPlacement = true
        if unoptimized { options.execution.optimizer = .none }
        let session = try DirectSession(graph, registry: .standard, options: options)
        _ = try session.run(targets: [workload.`init`])
        let feeds = try workload.feeds.sorted { $0.key < $1.key }.map { ($0.key, try NumpyFile.tensor(contentsOf: "\(folder)/\($0.value)")) }
        let plan = try session.plan(feeds: feeds.map(\.0), fetches: workload.fetches, targets: workload.targets)
        let values = feeds.map(\.1)
        let losses = try (0..<5).map { _ in try session.run(plan, values)[0].scalar(of: Float.self) }
        if check { try compare(losses, workload.losses, path) }
        var times: [Double] = []
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: .seconds(seconds))
        while clock.now < end || times.count < 5 {
            let start = clock.now
            _ = try session.run(plan, values)
            let parts = (clock.now - start).components
            times.append(Double(parts.seconds) * 1e6 + Double(parts.attoseconds) * 1e-12)
        }
        times.sort()
        func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
        Terminal.line(
            "{\"workload\":\"\(workload.workload)\",\"target\":\"weir\",\"nodes\":\(graph.nodes.count),\"steps\":\(times.count),"
                + "\"p50_us\":\(rounded(times[times.count / 2])),\"min_us\":\(rounded(times[0])),\"losses\":[\(losses.map { "\($0)" }.joined(separator: ","))]}"
        )
        if profile { try printProfile(session, plan, values) }
    }

    /// - Throws: `failedPrecondition` when a loss differs by more than a thousandth.
    private func compare(_ losses: [Float], _ recorded: [Float]?, _ path: String) throws {
        guard let recorded, !recorded.isEmpty else { throw Status.invalidArgument("\(path): expected the key losses_of_first_five_steps, for --check") }
        for (index, (found, wanted)) in zip(losses, recorded).enumerated() where !(abs(found - wanted) <= 1e-3 * max(abs(wanted), 1e-3)) {
            throw Status.failedPrecondition("\(path): expected a loss of \(wanted) in step \(index), found \(found)")
        }
    }

    private func printProfile(_ session: DirectSession, _ plan: DirectSession.Plan, _ values: [Tensor]) throws {
        let trace = OpTimes()
        for _ in 0..<20 { _ = try session.run(plan, values, trace: trace) }
        for line in table([["op", "calls", "us/step"]] + trace.rows(steps: 20)) { Terminal.line(line) }
    }
}

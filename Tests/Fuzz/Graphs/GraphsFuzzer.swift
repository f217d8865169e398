import ArgumentParser
import Weir
import WeirTesting

/// Random graphs on random clusters, compared with the same graph in one process without optimization.
struct GraphsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: GraphsFuzzer.name, abstract: GraphsFuzzer.abstract)
    @OptionGroup var options: FuzzOptions

    @Option(help: "Leave out conditionals, loops, calls, placed-functions, state, failures or gpus: to look past what is known.")
    var without: [String] = []
    @Flag(help: "Make cases that go wrong smaller, as long as they go wrong in the same way; with --cases 1.") var reduce = false

    func run() async throws {
        GraphsFuzzer.choice.set(without, reduce)
        try await fuzz(GraphsFuzzer.self, options, extra: without.flatMap { ["--without", $0] } + (reduce ? ["--reduce"] : []))
    }
}

struct GraphsFuzzer: FuzzKind {
    static let name = "graphs"
    static let abstract = "Random graphs spread over tasks and devices against one process that runs them as they are."
    static let caseTimeout = Duration.seconds(20)

    /// Set once, before cases run.
    final class Choice: @unchecked Sendable {
        private(set) var omits: Set<String> = []
        private(set) var reduces = false
        func set(_ omits: [String], _ reduces: Bool) {
            self.omits = Set(omits)
            self.reduces = reduces
        }
    }
    static let choice = Choice()

    private let session: FuzzSession
    private var running: (block: Int, layout: ClusterLayout, cluster: TestCluster)?
    /// The number of cases for each cluster.
    private static let blockSize = 50

    init(_ session: FuzzSession) async throws { self.session = session }

    private func layout(_ number: Int) -> (Int, ClusterLayout) {
        let block = number / GraphsFuzzer.blockSize
        var random = SplitMix64(seed: session.seed &+ 0x5EED, case: block)
        return (block, ClusterLayout(&random))
    }

    private mutating func cluster(_ number: Int) async throws -> (ClusterLayout, TestCluster) {
        let (block, layout) = layout(number)
        if let running, running.block == block { return (layout, running.cluster) }
        await stop()
        let cluster = try await TestCluster([("worker", layout.tasks)], options: layout.options)
        running = (block, layout, cluster)
        return (layout, cluster)
    }
    private mutating func stop() async {
        if let running { await running.cluster.stop() }
        running = nil
    }
    mutating func finish() async throws { await stop() }

    func describe(_ number: Int, _ random: inout SplitMix64) async throws -> String {
        let (_, layout) = layout(number)
        let made = try? GraphCase(random, devices: layout.devices, prefix: "c\(number)_", omits: GraphsFuzzer.choice.omits)
        return "graph on \(layout.words): \(made?.words ?? "not built")"
    }

    mutating func run(_ number: Int, _ random: inout SplitMix64) async throws -> Bool {
        let (layout, cluster) = try await cluster(number)
        let made: GraphCase
        do {
            made = try GraphCase(random, devices: layout.devices, prefix: "c\(number)_", omits: GraphsFuzzer.choice.omits)
        } catch is FuzzFailure {
            return false
        } catch {
            // The generator makes valid graphs, so a failure is a bug in it or in the builder.
            session.report(number, group: "does not build: \(Status(error).code)", "\(error)")
            return false
        }
        var choice = SplitMix64(seed: random.next())
        let scheduling: ExecutionOptions.Scheduling = choice.chance(50) ? .sequential : .parallel
        let oracle = { (made: GraphCase) in DirectRunner(made, .none, scheduling, devices: nil) }
        let local = choice.pick([ExecutionOptions.Scheduling.sequential, .parallel, .measured])
        let (master, viaWire, optimizes) = (choice.below(layout.tasks), choice.chance(30), choice.chance(80))
        let server = try cluster.server("worker", master)
        let others: [(GraphCase) -> any GraphRunner] = [
            { DirectRunner($0, .standard, local, devices: layout) },
            { ClusterRunner($0, server, viaWire: viaWire, optimizes: optimizes) },
        ]
        session.enter("one process as it is, \(scheduling)")
        let truth = await steps(of: made, oracle(made))
        for other in others {
            let runner = other(made)
            session.enter(runner.name)
            let found = await steps(of: made, runner)
            session.counter.beat += 1
            guard let wrong = GraphComparison(made, layout).difference(truth, found) else { continue }
            // Skips results that depend on which of two nodes runs first.
            if wrong.kind == "wrong value", let reversed = made.reversed(),
                GraphComparison(made, layout).difference(truth, await steps(of: reversed, oracle(reversed))) != nil
            {
                continue
            }
            session.report(number, group: "\(runner.name): \(wrong.kind)", wrong.text)
            if GraphsFuzzer.choice.reduces { await reduce(made, wrong.kind, layout, oracle, other) }
            if wrong.kind.hasPrefix("hangs") { await stop() }
        }
        return truth.contains { if case .success = $0.result { true } else { false } }
    }

    private func reduce(
        _ made: GraphCase, _ kind: String, _ layout: ClusterLayout, _ oracle: @escaping (GraphCase) -> DirectRunner,
        _ other: @escaping (GraphCase) -> any GraphRunner
    ) async {
        let reducer = GraphReducer(kind: kind) { next in
            let truth = await steps(of: next, oracle(next))
            // The reference run of a reduced case must itself be valid and deterministic.
            guard truth.allSatisfy({ ran in if case .failure(let status) = ran.result { ran.step.fails && status.code != .deadlineExceeded } else { true } })
            else { return nil }
            guard let reversed = next.reversed(), GraphComparison(next, layout).difference(truth, await steps(of: reversed, oracle(reversed))) == nil
            else { return nil }
            return GraphComparison(next, layout).difference(truth, await steps(of: next, other(next)))?.kind
        } values: { next, names in
            let step = GraphCase.Step(name: "values", fetches: names)
            let ran = await steps(of: next.with(order: [next.steps.count], steps: next.steps + [step]), oracle(next))
            if case .success(let tensors)? = ran.last?.result, ran.last?.step.name == "values" { return tensors }
            return nil
        }
        let small = await reducer.reduce(made)
        for line in small.words.split(separator: "\n") { Console.line("NOTE\t\(line)") }
    }

    struct Ran {
        var step: GraphCase.Step
        var result: Result<[Tensor], Status>
    }

    /// The results of all steps, up to the first unexpected failure.
    private func steps(of made: GraphCase, _ runner: any GraphRunner) async -> [Ran] {
        var all: [Ran] = []
        do throws(Status) {
            try await runner.open()
            if let start = made.initialization { _ = try await runner.run(start).get() }
        } catch {
            all.append(Ran(step: GraphCase.Step(name: "opening", fetches: []), result: .failure(error)))
            await runner.close()
            return all
        }
        for index in made.order {
            session.counter.beat += 1
            let result = await runner.run(made.steps[index])
            all.append(Ran(step: made.steps[index], result: result))
            if case .failure = result, !made.steps[index].fails { break }
        }
        await runner.close()
        return all
    }
}

/// The shape of a random cluster.
struct ClusterLayout {
    let tasks: Int
    let cpus: Int
    let gpus: Int
    let transport: ServerOptions.TensorTransport
    /// Delays of the GPUs' streams, so that a missing wait reads poison.
    let delays: SimulatedDelays?

    init(_ random: inout SplitMix64) {
        tasks = random.pick([1, 2, 2, 3, 3])
        let pair = random.pick([(1, 0), (2, 0), (1, 1), (1, 1)])
        (cpus, gpus) = GraphsFuzzer.choice.omits.contains("gpus") ? (2, 0) : pair
        transport = random.pick([.links, .links, .tcp, .grpc])
        delays = gpus == 0 || random.chance(50) ? nil : SimulatedDelays(seed: random.next(), longest: 200)
    }

    var options: ServerOptions {
        var options = ServerOptions()
        options.runtime.cpuCount = cpus
        options.runtime.simulatedGPUCount = gpus
        options.runtime.simulatedGPUDelays = delays
        options.runtime.allowsSoftPlacement = true
        options.tensorTransport = transport
        return options
    }
    private var local: [String] { (0..<cpus).map { "/device:CPU:\($0)" } + (0..<gpus).map { "/device:GPU:\($0)" } }
    var devices: [String] { (0..<tasks).flatMap { task in local.map { "/job:worker/replica:0/task:\(task)\($0)" } } }
    var words: String { "\(tasks) tasks of \(cpus) CPUs, \(gpus) GPUs over \(transport.rawValue)" }
}

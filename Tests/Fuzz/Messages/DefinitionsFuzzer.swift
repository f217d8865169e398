import Weir

/// Mutated graphs and feeds, read, built and run in this process: a master's work without messages.
struct DefinitionsFuzzer: FuzzKind {
    static let name = "definitions"
    static let abstract = "Mutated GraphDefs and feeds, read and run in one process."

    private let session: FuzzSession
    private let devices: LocalDevices
    /// The block of `blockSize` cases that `seed` belongs to.
    private var seedBlock = -1
    private struct Seed {
        var bytes: [UInt8]
        var feeds: [(String, Tensor)]
        var names: [String]
    }
    private var seed: Seed?
    private static let blockSize = 200

    init(_ session: FuzzSession) async throws {
        self.session = session
        var options = RuntimeOptions()
        options.cpuCount = 2
        devices = try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0), options: options)
    }

    static func words(_ names: [String]) -> [[UInt8]] {
        let ops = OpRegistry.standard.definitions.map(\.name).filter { $0 != "Abort" }
        let others = [
            "^n1", ":0", "x:1073741823", "x:-1", "T", "N", "dtype", "value", "shape", "_class", "loc:@x", "/device:CPU:0", "/device:CPU:1",
            "/job:localhost/replica:0/task:0/device:CPU:0",
            "/device:GPU:0", "f", "_output_shapes", "frame", "/job:nowhere", "", "_Arg", "_Retval", "_Send", "_Recv",
        ]
        return (ops + others + names + names.map { "^\($0)" } + names.map { "\($0):1" }).map { Array($0.utf8) }
    }

    private mutating func prepare(_ number: Int) throws {
        let block = number / DefinitionsFuzzer.blockSize
        guard block != seedBlock else { return }
        seedBlock = block
        for attempt in 0..<50 {
            let random = SplitMix64(seed: session.seed &+ UInt64(attempt), case: -1 - block)
            guard let made = try? GraphCase(random, devices: ["/device:CPU:0", "/device:CPU:1", ""], prefix: "b\(block)_", omits: ["large"]),
                made.graph.nodes.count < 60
            else { continue }
            seed = Seed(bytes: try made.graph.definition.serialized(), feeds: made.feeds, names: made.graph.nodes.map(\.name))
            return
        }
    }

    /// A mutated graph, often through its serialized form.
    private func definition(_ seed: Seed, _ random: inout SplitMix64) -> GraphDefinition? {
        if random.chance(60), let whole = try? GraphDefinition(serialized: seed.bytes) {
            var mutator = DefinitionMutator(SplitMix64(seed: random.next()))
            let changed = mutator.mutate(whole)
            // A graph that can be serialized must also be readable.
            guard random.chance(30) else { return changed }
            return (try? changed.serialized()).flatMap { try? GraphDefinition(serialized: $0) }
        }
        var mutator = Mutator(SplitMix64(seed: random.next()))
        mutator.words = words + seed.names.flatMap { [Array($0.utf8), Array("^\($0)".utf8), Array("\($0):1".utf8)] }
        mutator.donors = [seed.bytes]
        return try? GraphDefinition(serialized: mutator.message(seed.bytes))
    }

    mutating func run(_ number: Int, _ random: inout SplitMix64) async throws -> Bool {
        try prepare(number)
        guard let seed else { return false }
        session.enter("reading")
        guard let definition = definition(seed, &random) else { return false }
        session.enter("building")
        guard let graph = try? Graph(definition, registry: .standard, allowingInternalNames: random.chance(20)) else { return false }
        if random.chance(10) { _ = try? graph.definition.serialized() }
        var options = RuntimeOptions()
        options.allowsSoftPlacement = random.chance(80)
        options.execution.scheduling = random.pick([.sequential, .parallel, .measured])
        if random.chance(30) { options.execution.optimizer = .none }
        session.enter("placing")
        guard let running = try? DirectSession(graph, registry: .standard, devices: devices, options: options) else { return false }
        defer { running.close() }
        guard !graph.nodes.isEmpty else { return true }
        var names: [String] = []
        for _ in 0..<random.int(1...4) {
            let node = random.pick(graph.nodes)
            let name = random.chance(90) ? node.name : random.pick(seed.names)
            names.append(node.outputTypes.isEmpty ? name : "\(name):\(random.below(node.outputTypes.count))")
        }
        var maker = TensorMaker(SplitMix64(seed: random.next()))
        let feeds = seed.feeds.filter { graph.node(named: String($0.0.prefix { $0 != ":" })) != nil }.map { name, value in
            (name, random.chance(85) ? value : random.chance(50) ? maker.tensor(value.dtype) : maker.tensor(random.pick(DType.allCases)))
        }
        let isFetch = random.chance(85)
        session.enter("planning")
        guard
            let plan = try? running.plan(
                feeds: feeds.map(\.0), fetches: isFetch ? names : [], targets: isFetch ? [] : names.map { String($0.prefix { $0 != ":" }) })
        else { return true }
        session.enter("running")
        let semaphore = DoneSemaphore()
        devices.client.pool.submit {
            running.start(plan, feeds.map(\.1)) { _ in semaphore.signal() }
        }
        // A step that waits forever, such as for a queue, must end when the session is closed.
        if !semaphore.wait(milliseconds: 20) {
            running.close()
            // If it does not end, the watcher reports a stall.
            session.enter("a closed session's step")
            while !semaphore.wait(milliseconds: 60_000) {}
        }
        devices.client.resources.clearAll()
        return true
    }
    private let words = DefinitionsFuzzer.words([])

    mutating func describe(_ number: Int, _ random: inout SplitMix64) async throws -> String {
        try prepare(number)
        guard let seed else { return "no graph" }
        guard let definition = definition(seed, &random), let before = try? GraphDefinition(serialized: seed.bytes) else { return "definition unreadable" }
        let known = Dictionary(before.nodes.map { ($0.name, $0) }, uniquingKeysWith: { a, _ in a })
        let changed = definition.nodes.filter { known[$0.name] != $0 }.prefix(6).map {
            "\($0.name) = \($0.op)(\($0.inputs.joined(separator: ", "))) @\($0.device) \($0.attributes.values)"
        }
        let functions = definition.library.functions.values.filter { before.library[$0.name] != $0 }.map(\.name)
        return
            "definition of \(definition.nodes.count) nodes (\(before.nodes.count) before); changed: \(changed.joined(separator: "; ")); functions \(functions)"
    }
}

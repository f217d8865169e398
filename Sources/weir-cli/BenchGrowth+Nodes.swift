import Weir

// Measures graphs of 10 to 100,000 nodes on two devices of this process: the time to build, place, compile and run them.
extension BenchGrowth {
    func measureNodes() async throws {
        // The first graph of a process also pays for the op registry.
        _ = try GraphRun(nodeCount: 10)
        for nodeCount in try chosen([10, 100, 1000, 10_000, 100_000]) {
            // Small graphs are built several times, because costs that occur once per graph are noisy.
            let count = min(max(100_000 / nodeCount, 1), 9)
            let others = try (1..<count).map { _ in try GraphRun(nodeCount: nodeCount).costs }
            let run = try GraphRun(nodeCount: nodeCount)
            let warm = try await samples { try run.step() }
            func median(_ cost: (GraphRun.Costs) -> Double) -> Double { (others + [run.costs]).map(cost).median }
            report([
                "n": nodeCount, "build_us": median(\.build), "place_us": median(\.place), "plan_us": median(\.plan),
                "first_us": median(\.firstStep), "warm_us": warm.median, "steps": warm.count,
            ])
        }
    }
}

/// A graph that is built, placed, compiled and run once, and the time of each.
private struct GraphRun {
    struct Costs {
        var build = 0.0, place = 0.0, plan = 0.0, firstStep = 0.0
    }
    let costs: Costs
    private let session: DirectSession
    private let plan: DirectSession.Plan
    private let feed = Tensor((0..<16).map { Float($0) / 8 - 1 }, ofShape: [4, 4])
    private let firstValue: Tensor

    init(nodeCount: Int) throws {
        let devices = try LocalDevices(cpuCount: 2)
        var costs = Costs()
        var watch = Stopwatch()
        let builder = GraphBuilder(registry: .standard)
        let (x, y) = GraphRun.randomChains(builder, nodeCount: nodeCount)
        let graph = try builder.graph()
        costs.build = watch.lap()
        session = try DirectSession(graph, registry: .standard, devices: devices)
        costs.place = watch.lap()
        plan = try session.plan(feeds: [x.name], fetches: [y.name], targets: [])
        costs.plan = watch.lap()
        firstValue = try session.run(plan, [feed])[0]
        costs.firstStep = watch.lap()
        self.costs = costs
        guard graph.nodes.count == nodeCount, try firstValue.scalar(of: Float.self).isFinite else {
            throw Status.internalError(
                "expected \(nodeCount) nodes and a finite sum, found \(graph.nodes.count) and \(firstValue)")
        }
    }

    /// - Throws: `internalError` when the result differs from that of the first step.
    func step() throws {
        let value = try session.run(plan, [feed])[0]
        guard value == firstValue else {
            throw Status.internalError("expected \(firstValue) again, as in the first step; found \(value)")
        }
    }

    /// Builds sixteen chains of small matrices, half of them on the second device. Random operations extend the chains and
    /// combine them, and the end sums all of them. Everything depends on the fed matrix, so nothing can be computed in advance.
    private static func randomChains(_ builder: GraphBuilder, nodeCount: Int) -> (x: Output, y: Output) {
        var random = SplitMix(seed: 1)
        let x = builder.placeholder(.float32, shape: [4, 4], name: "x")
        let gate = builder.constant(Tensor((0..<16).map { 0.5 + Float($0) / 15 }, ofShape: [4, 4]))
        // The matrix is orthogonal, so that products keep their norm, and tanh bounds the growth by additions.
        let turn = builder.constant(
            Tensor([1, 1, 1, 1, 1, -1, 1, -1, 1, 1, -1, -1, 1, -1, -1, 1].map { Float($0) / 2 }, ofShape: [4, 4]))
        var randomChains = [Output](repeating: x, count: 16)
        // Six nodes are outside of the chains: the three above and three of the sum.
        for _ in 0..<max(nodeCount - 6, 0) {
            let index = Int.random(in: randomChains.indices, using: &random)
            let (strand, other) = (randomChains[index], randomChains[Int.random(in: randomChains.indices, using: &random)])
            let kind = Int.random(in: 0..<5, using: &random)
            randomChains[index] = builder.device("/cpu:\(index % 2)") {
                switch kind {
                case 0: strand + other
                case 1: strand * gate
                case 2: strand.matMul(turn)
                default: strand.tanh()
                }
            }
        }
        return (x, builder.device("/cpu:0") { builder.sum(randomChains).sum() })
    }
}

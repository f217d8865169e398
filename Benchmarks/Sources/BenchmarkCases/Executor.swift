import Weir

extension BenchmarkCase {
    /// The overhead between kernels: graphs of a thousand nodes that do almost nothing, without optimization, in both execution
    /// modes.
    static let executor: [BenchmarkCase] = engines.flatMap { engine in
        [
            graph("executor/\(engine.name)/pass-chain", engine.scheduling, iterations: 10) { chain("Identity", $0) },
            graph("executor/\(engine.name)/kernel-chain", engine.scheduling, iterations: 10) { chain("Neg", $0) },
            graph("executor/\(engine.name)/kernel-fan", engine.scheduling, iterations: 10, fan),
            graph("executor/\(engine.name)/loop", engine.scheduling, iterations: 3, loop),
        ]
    }

    private static let engines: [(name: String, scheduling: ExecutionOptions.Scheduling)] = [
        ("sequential", .sequential), ("parallel", .parallel),
    ]
    private static let size = 1000

    private static func graph(
        _ name: String, _ scheduling: ExecutionOptions.Scheduling, iterations: Int,
        _ build: @escaping @Sendable (Output) -> Output
    ) -> BenchmarkCase {
        BenchmarkCase(name, iterations: iterations, parts: size) {
            let builder = GraphBuilder(registry: .standard)
            let x = builder.placeholder(.scalar)
            let result = build(x)
            return try DirectSession.onOneThread(builder.graph(), scheduling: scheduling, optimizer: .none)
                .step(feeding: [(x, Tensor(Float(1)))], fetching: result)
        }
    }

    private static func chain(_ op: String, _ x: Output) -> Output {
        (0..<size).reduce(x) { value, _ in x.builder.add(op, [value])[0] }
    }

    /// One value goes to a thousand nodes, whose outputs go to one node.
    @Sendable private static func fan(_ x: Output) -> Output {
        x.builder.add("AddN", (0..<size).map { _ in x.builder.add("Neg", [x])[0] })[0]
    }

    /// Runs `i = i + 1` a thousand times, in the form of TensorFlow's `while_loop`.
    @Sendable private static func loop(_ x: Output) -> Output {
        let builder = x.builder
        func enter(_ value: Output, isConstant: Bool) -> Output {
            builder.add("Enter", [value], attributes: ["frame_name": "loop", "is_constant": .bool(isConstant)])[0]
        }
        let one = enter(x, isConstant: true)
        let limit = enter(builder.scalar(Double(size), .float32), isConstant: true)
        let start = enter(builder.scalar(0, .float32), isConstant: false)
        let merge = builder.add("Merge", [start, start])
        let goesOn = builder.add("LoopCond", [builder.add("Less", [merge[0], limit])[0]])[0]
        let branch = builder.add("Switch", [merge[0], goesOn])
        let next = builder.add("NextIteration", [builder.add("AddV2", [branch[1], one])[0]])[0]
        builder.replaceInput(1, of: merge, with: next)
        return builder.add("Exit", [branch[0]])[0]
    }
}

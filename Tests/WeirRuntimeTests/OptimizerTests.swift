import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// Optimized graphs give the same bits as plain ones, on one thread and on several.
@Suite("Passes and schedules")
struct OptimizerTests {
    /// A graph of random elementwise ops, constants to fold, identical nodes to merge, branches and control edges.
    private struct RandomGraph {
        let builder = GraphBuilder(registry: .standard)
        private var generator: SplitMix
        private var values: [Output] = []
        let feeds: [(String, Tensor)]
        private static let shapes: [Shape] = [[4, 6], [4, 6], [4, 6], [6], [], [4, 1], [1, 6]]
        private static let unary = ["Neg", "Square", "Tanh", "Sigmoid", "Relu", "Exp", "Abs", "Elu", "Identity", "Relu6"]
        private static let binary = ["AddV2", "Sub", "Mul", "Maximum", "Minimum", "SquaredDifference", "RealDiv", "Add"]

        init(seed: UInt64, size: Int) {
            var generator = SplitMix(seed: seed)
            var feeds: [(String, Tensor)] = []
            let switchOn = builder.add("Placeholder", name: "on", attributes: ["dtype": .type(.bool), "shape": .shape(.scalar)])[0]
            feeds.append(("on:0", Tensor(Bool.random(using: &generator))))
            for number in 0..<3 {
                let shape = RandomGraph.shapes.randomElement(using: &generator) ?? [4, 6]
                let declared: PartialShape = Bool.random(using: &generator) ? PartialShape(shape) : .unknown
                let x = builder.add("Placeholder", name: "x\(number)", attributes: ["dtype": .type(.float32), "shape": .shape(declared)])[0]
                values.append(x)
                let numbers = (0..<shape.elementCount).map { _ in Float.random(in: -2...2, using: &generator) }
                feeds.append((x.name, Tensor(numbers, ofShape: shape)))
            }
            for _ in 0..<3 {
                let shape = RandomGraph.shapes.randomElement(using: &generator) ?? []
                let numbers = (0..<shape.elementCount).map { _ in Float.random(in: -2...2, using: &generator) }
                values.append(builder.constant(Tensor(numbers, ofShape: shape)))
            }
            self.feeds = feeds
            self.generator = generator
            for _ in 0..<size { grow(switchOn) }
        }

        private mutating func pick() -> Output { values.randomElement(using: &generator) ?? values[0] }

        private mutating func grow(_ switchOn: Output) {
            switch Int.random(in: 0..<15, using: &generator) {
            case 0..<4: values.append(builder.add(RandomGraph.unary.randomElement(using: &generator) ?? "Neg", [pick()])[0])
            case 4..<9: values.append(builder.add(RandomGraph.binary.randomElement(using: &generator) ?? "Mul", [pick(), pick()])[0])
            case 9:
                let x = pick()
                values.append(builder.add("AddN", [x, x, x])[0])
            case 10:
                // A Switch, both branches and their Merge.
                let branch = builder.add("Switch", [pick(), switchOn])
                let one = builder.add("Tanh", [builder.add("Mul", [branch[1], pick()])[0]])[0]
                let other = builder.add("AddV2", [builder.add("Neg", [branch[0]])[0], pick()])[0]
                values.append(builder.add("Merge", [other, one])[0])
            case 11, 12:
                growProduct()
            case 13:
                growNothing()
            default:
                let (a, b) = (pick(), pick())
                let both = builder.add("NoOp", controls: [a.operation, b.operation])
                values.append(builder.add("Identity", [a], controls: [both])[0])
            }
        }
        /// Arithmetic that changes no bit, or almost none: adding 0 turns -0 into 0.
        private mutating func growNothing() {
            let x = pick()
            let axes = builder.constant(Tensor([Int32](), ofShape: [0]))
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: values.append(builder.add("Mul", Bool.random(using: &generator) ? [x, builder.scalar(1, .float32)] : [builder.scalar(1, .float32), x])[0])
            case 1: values.append(builder.add("Sub", [x, builder.scalar(0, .float32)])[0])
            case 2: values.append(builder.add("AddV2", [builder.add("Mul", [x, builder.constant(Tensor(Float(-0.0)))])[0], builder.scalar(0, .float32)])[0])
            case 3: values.append(builder.add("RealDiv", [x, builder.scalar(1, .float32)])[0])
            case 4: values.append(builder.add("Neg", [builder.add("Neg", [x])[0]])[0])
            case 5: values.append(builder.add(["Sum", "Max", "Mean", "Prod"].randomElement(using: &generator) ?? "Sum", [x, axes])[0])
            case 6:
                values.append(
                    builder.add("Sub", [builder.add("Mul", [x, builder.constant(Tensor(Float(-0.0)))])[0], builder.constant(Tensor(Float(-0.0)))])[0])
            default: values.append(builder.add("AddN", [x])[0])
            }
        }
        /// A matrix product, and ops that may be fused with it. Operands have matching shapes as far as these are known.
        private mutating func growProduct() {
            func weights(_ shape: Shape) -> Output {
                let numbers = (0..<shape.elementCount).map { _ in Float.random(in: -1...1, using: &generator) }
                return builder.constant(Tensor(numbers, ofShape: shape))
            }
            let operands = values.filter { $0.shape.rank == nil || ($0.shape.rank == 2 && $0.shape[0] == 4 && $0.shape[1] == 6) }
            guard let operand = operands.randomElement(using: &generator) else { return }
            let transposed = Bool.random(using: &generator)
            let product = builder.add("MatMul", [operand, weights([6, 6])], attributes: ["transpose_b": .bool(transposed)])[0]
            if Bool.random(using: &generator) { values.append(product) }
            var sum = builder.add("BiasAdd", [product, weights([6])])[0]
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: sum = builder.add("AddV2", [builder.add("Identity", [product])[0], pick()])[0]
            case 1: sum = builder.add("AddV2", [pick(), product])[0]
            case 2: sum = builder.add(["Elu", "Relu", "Tanh", "LeakyRelu"].randomElement(using: &generator) ?? "Elu", [sum])[0]
            default: break
            }
            values.append(sum)
        }
        /// Three values, the last one included. If shapes do not broadcast, all variants must fail with the same code.
        var fetches: [String] { [values[values.count - 1], values[values.count / 2], values[values.count * 3 / 4]].map(\.name) }
    }

    /// The shape and bits of each fetch, run alone, or its error code.
    private func outcome(_ random: RandomGraph, _ options: ExecutionOptions, steps: Int = 2) throws -> [String] {
        var runtime = RuntimeOptions()
        runtime.execution = options
        let session = try DirectSession(random.builder.graph(), registry: .standard, options: runtime)
        return try random.fetches.map { fetch in
            var last = ""
            for _ in 0..<steps {
                do {
                    let tensor = try session.run(feeds: random.feeds, fetches: [fetch])[0]
                    last = "\(tensor.shape) \(try tensor.array(of: Float.self).map(\.bitPattern))"
                } catch let status as Status {
                    last = "\(status.code)"
                }
            }
            return last
        }
    }

    private static let variants: [(name: String, options: ExecutionOptions)] = {
        func options(_ passes: [any GraphPass], _ scheduling: ExecutionOptions.Scheduling) -> ExecutionOptions {
            var options = ExecutionOptions()
            options.optimizer = GraphOptimizer(passes: passes)
            options.scheduling = scheduling
            return options
        }
        let all = GraphOptimizer.standard.passes
        return [
            ("folding", options([ConstantFolding()], .sequential)),
            ("common subexpressions", options([CommonSubexpressionElimination()], .sequential)),
            ("simplification", options([ArithmeticSimplification()], .sequential)),
            ("unused values", options([UnusedValueElimination()], .sequential)),
            ("control edges", options([ControlEdgeSimplification()], .sequential)),
            ("identities", options([IdentityElimination()], .sequential)),
            ("products", options([IdentityElimination(), ContractionFusion()], .sequential)),
            ("fusion", options([ElementwiseFusion()], .sequential)),
            ("all, one thread", options(all, .sequential)),
            ("all, several threads", options(all, .parallel)),
            ("none, one thread", options([], .sequential)),
            ("all, as measured", ExecutionOptions()),
        ]
    }()

    @Test("every pass and every schedule gives the bits of the plain graph", arguments: 0..<40 as Range<UInt64>)
    func equality(_ seed: UInt64) throws {
        let random = RandomGraph(seed: seed, size: 12 + Int(seed) * 2)
        var plain = ExecutionOptions()
        plain.optimizer = .none
        plain.scheduling = .parallel
        let expected = try outcome(random, plain)
        for variant in OptimizerTests.variants {
            let found = try outcome(random, variant.options)
            #expect(found == expected, "\(variant.name), seed \(seed)")
        }
    }

    @Test("fused ops on large arrays, rows and scalars give the same bits")
    func largeArrays() throws {
        for (rows, columns) in [(1, 5), (3, 700), (513, 33), (2000, 130), (7, 4096)] {
            let b = GraphBuilder(registry: .standard)
            let x = b.add("Placeholder", name: "x", attributes: ["dtype": .type(.float32), "shape": .shape([nil, columns])])[0]
            let bias = b.add("Placeholder", name: "bias", attributes: ["dtype": .type(.float32), "shape": .shape([columns])])[0]
            let sum = b.add("BiasAdd", [x, bias])[0]
            let y = b.add("Relu", [sum])[0]
            let z = b.add("Mul", [b.add("Tanh", [y])[0], b.add("AddV2", [sum, b.scalar(0.5, .float32)])[0]])[0]
            let w = b.add("Mul", [z, bias])[0]
            let feeds = [
                ("x:0", Tensor((0..<rows * columns).map { Float($0 % 977) / 300 - 1.5 }, ofShape: Shape(rows, columns))),
                ("bias:0", Tensor((0..<columns).map { Float($0 % 31) / 10 - 1.5 })),
            ]
            func run(_ optimizer: GraphOptimizer) throws -> [[UInt32]] {
                var options = RuntimeOptions()
                options.execution.optimizer = optimizer
                let session = try DirectSession(b.graph(), registry: .standard, options: options)
                return try session.run(feeds: feeds, fetches: [y.name, w.name]).map { try $0.array(of: Float.self).map(\.bitPattern) }
            }
            let (plain, fused) = (try run(.none), try run(.standard))
            #expect(plain == fused, "\(rows) x \(columns)")
        }
    }

    @Test("nodes with only control successors are removed, unless they may fail or be dead")
    func unusedValues() throws {
        let b = GraphBuilder(registry: .standard)
        func placeholder(_ name: String, _ type: DType = .float32) -> Output {
            b.add("Placeholder", name: name, attributes: ["dtype": .type(type)])[0]
        }
        let (x, on) = (placeholder("x"), placeholder("on", .bool))
        func after(_ operations: Operation...) -> Output {
            b.add("Identity", [b.add("Neg", [x])[0]], controls: [b.add("NoOp", controls: operations)])[0]
        }
        let unused = b.add("MatMul", [b.add("Tanh", [x])[0], x])
        let check = b.add("CheckNumerics", [x], attributes: ["message": .string("x is not finite")])
        let branch = b.add("Neg", [b.add("Switch", [x, on])[1]])
        let fetches = [after(unused), after(check), after(branch)].map(\.name)
        let graph = try b.graph()

        let devices = try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0), options: RuntimeOptions())
        let optimized = try GraphOptimizer.standard.run(graph, PassEnvironment(registry: .standard, place: devices.client))
        let names = optimized.nodes.map(\.op.name)
        #expect(!names.contains("MatMul") && !names.contains("Tanh") && names.contains("CheckNumerics"))

        for optimizer in [GraphOptimizer.none, .standard] {
            var options = RuntimeOptions()
            options.execution.optimizer = optimizer
            let session = try DirectSession(graph, registry: .standard, options: options)
            func run(_ fetch: String, _ value: Float, on: Bool = true) throws -> Float {
                let feeds = [("x:0", Tensor([value], ofShape: [1, 1])), ("on:0", Tensor(on))]
                return try session.run(feeds: feeds, fetches: [fetch])[0].array(of: Float.self)[0]
            }
            #expect(try fetches.map { try run($0, 3) } == [-3, -3, -3])
            #expect(try run(fetches[0], .infinity) == -.infinity)
            #expect(throws: Status.self) { try run(fetches[1], .infinity) }
            #expect(throws: Status.self) { try run(fetches[2], 3, on: false) }
        }
    }

    @Test("elementwise ops become one node; a shape error names the original op")
    func fusion() throws {
        let b = GraphBuilder(registry: .standard)
        func placeholder(_ name: String) -> Output { b.add("Placeholder", name: name, attributes: ["dtype": .type(.float32)])[0] }
        let (x, y) = (placeholder("x"), placeholder("y"))
        let sum = b.add("AddV2", [b.add("Tanh", [x])[0], y], name: "sum")[0]
        let z = b.add("Neg", [sum], name: "last")[0]
        let devices = try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0), options: RuntimeOptions())
        let optimized = try GraphOptimizer.standard.run(b.graph(), PassEnvironment(registry: .standard, place: devices.client))
        #expect(optimized.nodes.map(\.op.name).sorted() == ["Placeholder", "Placeholder", "_FusedElementwise"])
        let session = try DirectSession(b.graph(), registry: .standard)
        let good = try session.run(feeds: [("x:0", Tensor([0, 0] as [Float])), ("y:0", Tensor([1, 2] as [Float]))], fetches: [z.name])
        #expect(try good[0].array(of: Float.self) == [-1, -2])
        do {
            _ = try session.run(feeds: [("x:0", Tensor([0, 0] as [Float])), ("y:0", Tensor([1, 2, 3] as [Float]))], fetches: [z.name])
            Issue.record("shapes that do not broadcast must fail")
        } catch let status as Status {
            #expect(status.code == .invalidArgument && status.message.contains("{{node sum}}"))
        }
    }

    @Test("fusion does not create a cycle through another device")
    func roundTrip() throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.add("Placeholder", name: "x", attributes: ["dtype": .type(.float32)])[0]
        let y = b.device("/cpu:0") { b.add("Square", [b.add("Neg", [x])[0]])[0] }
        let back = b.device("/cpu:1") { b.add("Exp", [b.add("Neg", [y])[0]])[0] }
        let z = b.device("/cpu:0") { b.add("AddV2", [y, back])[0] }
        var options = RuntimeOptions()
        options.cpuCount = 2
        let session = try DirectSession(b.graph(), registry: .standard, options: options)
        #expect(try session.run(feeds: [("x:0", Tensor(Float(0)))], fetches: [z.name])[0].scalar(of: Float.self) == 1)
    }

    @Test("a loop variable without a next value is dead in the following iterations")
    func halfDeadLoop() throws {
        let b = GraphBuilder(registry: .standard)
        func enter(_ value: Output, constant: Bool = false) -> Output {
            b.add("Enter", [value], attributes: ["frame_name": "half", "is_constant": .bool(constant)])[0]
        }
        let (i, v) = (enter(b.scalar(0, .int32)), enter(b.scalar(1, .float32)))
        let bound = enter(b.scalar(5, .int32), constant: true), one = enter(b.scalar(1, .int32), constant: true)
        let half = enter(b.scalar(0.5, .float32), constant: true)
        let mergeI = b.add("Merge", [i, i]), mergeV = b.add("Merge", [v, v])
        let condition = b.add("LoopCond", [b.add("Less", [mergeI[0], bound])[0]])[0]
        let switchI = b.add("Switch", [mergeI[0], condition]), switchV = b.add("Switch", [mergeV[0], condition])
        // The third iteration passes no value on.
        let stays = b.add("Switch", [b.add("Mul", [switchV[1], half])[0], b.add("Less", [switchI[1], enter(b.scalar(2, .int32), constant: true)])[0]])
        b.replaceInput(1, of: mergeI, with: b.add("NextIteration", [b.add("AddV2", [switchI[1], one])[0]])[0])
        b.replaceInput(1, of: mergeV, with: b.add("NextIteration", [b.add("Neg", [stays[1]])[0]])[0])
        let count = b.add("Exit", [switchI[0]])[0]
        for scheduling in [ExecutionOptions.Scheduling.sequential, .parallel] {
            var options = RuntimeOptions()
            options.execution.scheduling = scheduling
            let session = try DirectSession(b.graph(), registry: .standard, options: options)
            let targets = [mergeV.name]
            #expect(try session.run(fetches: [count.name], targets: targets)[0].scalar(of: Int32.self) == 5)
        }
    }

    @Test("a branch's constant, and what depends only on it, is dead when the branch is not taken")
    func constantsOfBranches() throws {
        let b = GraphBuilder(registry: .standard)
        func enter(_ value: Output, constant: Bool = false) -> Output {
            b.add("Enter", [value], attributes: ["frame_name": "branches", "is_constant": .bool(constant)])[0]
        }
        let (i, total) = (enter(b.scalar(0, .int32)), enter(b.scalar(0, .float32)))
        let bound = enter(b.scalar(7, .int32), constant: true), three = enter(b.scalar(3, .int32), constant: true)
        let mergeI = b.add("Merge", [i, i]), mergeTotal = b.add("Merge", [total, total])
        let condition = b.add("LoopCond", [b.add("Less", [mergeI[0], bound])[0]])[0]
        let switchI = b.add("Switch", [mergeI[0], condition]), switchTotal = b.add("Switch", [mergeTotal[0], condition])
        let branches = b.add("Switch", [switchI[1], b.add("Less", [switchI[1], three])[0]])
        func constant<E: TensorElement>(_ value: E, after pivot: Operation) -> Output {
            let made = b.add("Const", attributes: ["dtype": .type(E.dtype), "value": .tensor(Tensor(value))])
            b.addControl(pivot, to: made)
            return made[0]
        }
        let (no, yes) = (b.add("Identity", [branches[0]]), b.add("Identity", [branches[1]]))
        let ten = constant(Float(10), after: yes)
        let chosen = b.add("Merge", [b.add("Neg", [constant(Float(1), after: no)])[0], b.add("AddV2", [ten, ten])[0]])
        let one = constant(Int32(1), after: b.add("Identity", [switchI[1]]))
        b.replaceInput(1, of: mergeI, with: b.add("NextIteration", [b.add("AddV2", [switchI[1], one])[0]])[0])
        let sum = b.add("AddV2", [switchTotal[1], chosen[0]])[0]
        b.replaceInput(1, of: mergeTotal, with: b.add("NextIteration", [sum])[0])
        let result = b.add("Exit", [switchTotal[0]])[0]
        for scheduling in [ExecutionOptions.Scheduling.sequential, .parallel] {
            for optimizer in [GraphOptimizer.none, .standard] {
                var options = RuntimeOptions()
                options.execution.scheduling = scheduling
                options.execution.optimizer = optimizer
                let session = try DirectSession(b.graph(), registry: .standard, options: options)
                for _ in 0..<2 { #expect(try session.run(fetches: [result.name])[0].scalar(of: Float.self) == 3 * 20 - 4) }
            }
        }
    }

    @Test("constants are folded and identical nodes merged")
    func folding() throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.add("Placeholder", name: "x", attributes: ["dtype": .type(.int32)])[0]
        let six = b.add("Mul", [b.scalar(2, .int32), b.scalar(3, .int32)])[0]
        let first = b.add("AddV2", [x, six])[0], second = b.add("AddV2", [x, six])[0]
        let product = b.add("Mul", [first, second])[0]
        let devices = try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0), options: RuntimeOptions())
        let optimized = try GraphOptimizer.standard.run(b.graph(), PassEnvironment(registry: .standard, place: devices.client))
        #expect(optimized.nodes.map(\.op.name).sorted() == ["AddV2", "Const", "Mul", "Placeholder"])
        let session = try DirectSession(b.graph(), registry: .standard)
        #expect(try session.run(feeds: [("x:0", Tensor(Int32(1)))], fetches: [product.name])[0].scalar(of: Int32.self) == 49)
    }
}

private struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

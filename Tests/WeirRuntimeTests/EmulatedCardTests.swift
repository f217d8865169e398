import Glibc
import Synchronization
import Testing
import WeirDevice
import WeirGraph
import WeirKernels
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// Sessions on cards of the emulated CUDA driver: values with any delays of the streams, memory, failures.
///
/// The tests run one after the other, because faults and delays are the driver's, for all cards. With a wait for an event taken out
/// of `CUDADevice` they fail: see `training`.
@Suite("Emulated cards", .serialized, .timeLimit(.minutes(5)))
struct EmulatedCardTests {
    private static let seeds: ClosedRange<UInt64> = 0...4
    init() throws { try EmulatedCards.reset() }

    private func session(
        _ b: GraphBuilder, cards: Int = 1, memory: Int? = nil, registry: OpRegistry = .standard, softly: Bool = false
    ) throws -> DirectSession {
        var options = EmulatedCards.options(cards: cards, memory: memory)
        options.allowsSoftPlacement = softly
        return try DirectSession(b.graph(), registry: registry, options: options)
    }
    private func node(_ name: String, _ op: String, _ inputs: String..., attributes: Attributes = ["T": .type(.float32)]) -> NodeDefinition {
        NodeDefinition(name: name, op: op, inputs: inputs, device: "/gpu:0", attributes: attributes)
    }
    private func constant(_ name: String, _ value: Float) -> NodeDefinition {
        node(name, "Const", attributes: ["dtype": .type(.float32), "value": .tensor(Tensor(value))])
    }

    // MARK: values

    /// The losses of a network with one hidden layer, whose gradients are written out.
    /// - Parameter isReference: whether its variables are reference variables.
    private func losses(
        _ devices: [String], _ options: RuntimeOptions, optimizer: String, isReference: Bool, steps: Int = 20
    ) throws -> [Float] {
        let b = GraphBuilder(registry: .standard)
        func op(_ name: String, _ inputs: Output...) -> Output { b.add(name, inputs)[0] }
        func sum(_ x: Output, _ axes: Int32..., keeps: Bool) -> Output {
            b.add("Sum", [x, b.constant(Tensor(axes))], attributes: ["keep_dims": .bool(keeps)])[0]
        }
        func scalar(_ value: Float) -> Output { b.constant(Tensor(value)) }
        var initializers: [WeirGraph.Operation] = []
        func variable(_ name: String, _ shape: Shape, _ first: Float) -> Output {
            let value = b.constant(Tensor((0..<shape.elementCount).map { first * (Float($0 % 5) - 2) }, ofShape: shape))
            if isReference {
                let reference = b.refVariable(.float32, PartialShape(shape), name: name)
                initializers.append(b.add("Assign", [reference, value]))
                return reference
            }
            let handle = b.variableHandle(.float32, PartialShape(shape), name: name)
            initializers.append(handle.assignVariable(value))
            return handle
        }
        func read(_ variable: Output) -> Output {
            isReference ? op("Identity", variable) : b.add("ReadVariableOp", [variable], attributes: ["dtype": .type(.float32)])[0]
        }
        let x = b.placeholder(.float32, shape: [8, 3, 1], name: "x"), y = b.placeholder(.float32, shape: [8, 1, 1], name: "y")
        let slotCount = ["GradientDescent": 0, "Momentum": 1, "Adam": 2][optimizer] ?? 0
        func layer(_ device: String, _ name: String, _ shape: Shape) -> (weights: Output, slots: [Output]) {
            b.device(device) { (variable(name, shape, 0.2), (0..<slotCount).map { variable("\(name)_slot\($0)", shape, 0) }) }
        }
        let first = layer(devices[0], "first", [3, 4]), second = layer(devices[1], "second", [1, 4])
        let (w1, w2) = (b.device(devices[0]) { read(first.weights) }, b.device(devices[1]) { read(second.weights) })
        let hidden = b.device(devices[0]) { op("Tanh", sum(op("Mul", x, w1), 1, keeps: true)) }
        let error = b.device(devices[1]) { op("Sub", sum(op("Mul", hidden, w2), 2, keeps: true), y) }
        let loss = b.device(devices[2]) { b.add("Mean", [op("Square", error), b.constant(Tensor([Int32(0), 1, 2]))], name: "loss")[0] }
        let slope = b.device(devices[1]) { op("Mul", error, scalar(0.25)) }
        let secondGradient = b.device(devices[1]) { sum(op("Mul", hidden, slope), 0, keeps: false) }
        let firstGradient = b.device(devices[0]) {
            let inner = op("Mul", op("Mul", slope, w2), op("Sub", scalar(1), op("Square", hidden)))
            return sum(op("Mul", x, inner), 0, keeps: false)
        }
        let updates = [(first, firstGradient, devices[0]), (second, secondGradient, devices[1])].map { layer, gradient, device in
            b.device(device) { () -> WeirGraph.Operation in
                let name = (isReference ? "Apply" : "ResourceApply") + optimizer
                // All reads of a reference variable come before its update.
                return b.controlDependencies([loss, firstGradient, secondGradient].map(\.operation)) {
                    let variables = [layer.weights] + layer.slots
                    switch optimizer {
                    case "Momentum": return b.add(name, variables + [scalar(0.3), gradient, scalar(0.9)])
                    case "Adam":
                        return b.add(
                            name, variables + [scalar(0.5), scalar(0.5), scalar(0.1), scalar(0.9), scalar(0.99), scalar(1e-5), gradient])
                    default: return b.add(name, variables + [scalar(0.5), gradient])
                    }
                }
            }
        }
        let train = b.noOp(after: updates, name: "train")
        let session = try DirectSession(b.graph(), registry: .standard, options: options)
        _ = try session.run(targets: initializers.map(\.name))
        let batch = Tensor((0..<24).map { Float($0 % 7) * 0.3 - 1 }, ofShape: [8, 3, 1])
        let labels = Tensor((0..<8).map { Float($0 * 3 % 7) * 0.15 - 0.5 }, ofShape: [8, 1, 1])
        return try (0..<steps).map { _ in
            try session.run(feeds: [("x:0", batch), ("y:0", labels)], fetches: [loss.name], targets: [train.name])[0].scalar(of: Float.self)
        }
    }

    @Test("a network trains as on the CPU", arguments: ["GradientDescent", "Momentum", "Adam"], [false, true])
    func training(_ optimizer: String, _ isReference: Bool) throws {
        let cpu = try losses(["/cpu:0", "/cpu:0", "/cpu:0"], RuntimeOptions(), optimizer: optimizer, isReference: isReference)
        #expect(cpu[19] < cpu[0] * 0.7)
        for seed in EmulatedCardTests.seeds {
            try EmulatedCards.delay(seed)
            let card = try losses(["/gpu:0", "/gpu:0", "/gpu:0"], EmulatedCards.options(), optimizer: optimizer, isReference: isReference)
            #expect(zip(card, cpu).allSatisfy { abs($0 - $1) < 1e-5 }, "seed \(seed): \(card) \(cpu)")
        }
    }

    @Test("a network over two cards and the CPU trains as on the CPU, with any delays", arguments: EmulatedCardTests.seeds)
    func twoCards(_ seed: UInt64) throws {
        try EmulatedCards.delay(seed)
        let cpu = try losses(["/cpu:0", "/cpu:0", "/cpu:0"], RuntimeOptions(), optimizer: "GradientDescent", isReference: false)
        let cards = try losses(
            ["/gpu:0", "/gpu:1", "/cpu:0"], EmulatedCards.options(cards: 2), optimizer: "GradientDescent", isReference: false)
        #expect(zip(cards, cpu).allSatisfy { abs($0 - $1) < 1e-5 }, "\(cards) \(cpu)")
    }

    @Test("large tensors go to a card, to another and back, with any delays", arguments: EmulatedCardTests.seeds)
    func copies(_ seed: UInt64) throws {
        try EmulatedCards.delay(seed)
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [nil], name: "x")
        let first = b.device("/gpu:0") { b.add("Neg", [b.add("Neg", [b.add("Neg", [x])[0]])[0]])[0] }
        let second = b.device("/gpu:1") { b.add("Sub", [b.add("AddV2", [first, first])[0], b.constant(Tensor(Float(1)))])[0] }
        let third = b.device("/gpu:0") { b.add("AddV2", [second, x])[0] }
        let session = try session(b, cards: 2)
        for step in 0..<6 {
            let values = (0..<40_000).map { Float($0 % 100 + step) }
            let found = try session.run(feeds: [("x:0", Tensor(values))], fetches: [first, second, third].map(\.name))
            let expected = [values.map { -$0 }, values.map { -2 * $0 - 1 }, values.map { -$0 - 1 }]
            for (tensor, expected) in zip(found, expected) { #expect(try tensor.array(of: Float.self) == expected, "step \(step)") }
        }
    }

    @Test("a loop waits for the condition that a card computes", arguments: EmulatedCardTests.seeds)
    func loopCondition(_ seed: UInt64) throws {
        try EmulatedCards.delay(seed)
        let b = GraphBuilder(registry: .standard)
        let roots = (1...6).flatMap { number in
            [
                node("square\(number)", "Square", number == 1 ? "left:z:0" : "root\(number - 1):y:0"),
                node("root\(number)", "Sqrt", "square\(number):y:0"),
            ]
        }
        b.addFunction(
            FunctionDefinition(
                name: "goesOn", inputs: [.init(name: "x", type: .fixed(.float32))], outputs: [.init(name: "p", type: .fixed(.float32))],
                nodes: [constant("three", 3), node("left", "Sub", "three:output:0", "x")] + roots, returns: ["p": "root6:y:0"]))
        b.addFunction(
            FunctionDefinition(
                name: "body", inputs: [.init(name: "x", type: .fixed(.float32))], outputs: [.init(name: "y", type: .fixed(.float32))],
                nodes: [constant("one", 1), node("sum", "AddV2", "x", "one:output:0")], returns: ["y": "sum:z:0"]))
        let start = b.placeholder(.float32, shape: [], name: "start")
        let functions: Attributes = [
            "T": .types([.float32]), "cond": .function(FunctionReference("goesOn")), "body": .function(FunctionReference("body")),
        ]
        let loop = b.device("/gpu:0") { b.add("StatelessWhile", [start], name: "loop", attributes: functions) }
        let session = try session(b)
        for start in 0..<4 { #expect(try session.run(feeds: [("start:0", Tensor(Float(start)))], fetches: [loop[0].name])[0].scalar() == Float(3)) }
    }

    @Test("a conditional takes the branch that a card's value says", arguments: EmulatedCardTests.seeds)
    func conditional(_ seed: UInt64) throws {
        try EmulatedCards.delay(seed)
        let b = GraphBuilder(registry: .standard)
        for (name, op) in [("negative", "Neg"), ("square", "Square")] {
            b.addFunction(
                FunctionDefinition(
                    name: name, inputs: [.init(name: "x", type: .fixed(.float32))], outputs: [.init(name: "y", type: .fixed(.float32))],
                    nodes: [node("y", op, "x")], returns: ["y": "y:y:0"]))
        }
        let x = b.placeholder(.float32, shape: [3], name: "x")
        let (call, merged) = b.device("/gpu:0") { () -> (Output, Output) in
            let isLess = b.add("Less", [b.add("Sum", [x, b.constant(Tensor([Int32(0)]))])[0], b.constant(Tensor(Float(1)))])[0]
            let branches: Attributes = [
                "Tcond": .type(.bool), "Tin": .types([.float32]), "Tout": .types([.float32]),
                "then_branch": .function(FunctionReference("negative")), "else_branch": .function(FunctionReference("square")),
            ]
            let sides = b.add("Switch", [x, isLess])
            let merge = b.add("Merge", [b.add("Square", [sides[0]])[0], b.add("Neg", [sides[1]])[0]])
            return (b.add("If", [isLess, x], attributes: branches)[0], merge[0])
        }
        let session = try session(b)
        for value: Float in [0, 2] {
            let found = try session.run(feeds: [("x:0", Tensor([value, value, value]))], fetches: [call.name, merged.name])
            for tensor in found { #expect(try tensor.array(of: Float.self) == [Float](repeating: value < 1 ? -value : value * value, count: 3)) }
        }
    }

    @Test("what was read of a resource variable does not change when it is updated", arguments: EmulatedCardTests.seeds)
    func copyOnRead(_ seed: UInt64) throws {
        try EmulatedCards.delay(seed)
        let b = GraphBuilder(registry: .standard)
        let float: Attributes = ["dtype": .type(.float32)]
        let (initial, before, doubled, after) = b.device("/gpu:0") { () -> (WeirGraph.Operation, Output, Output, Output) in
            let v = b.variableHandle(.float32, [2], name: "v")
            let initial = v.assignVariable(b.constant(Tensor([1, 2] as [Float])))
            let before = b.add("ReadVariableOp", [v], attributes: float)
            let update = b.controlDependencies([before]) {
                b.add("AssignAddVariableOp", [v, b.constant(Tensor([10, 10] as [Float]))], attributes: float)
            }
            let later = b.controlDependencies([update]) { (b.add("AddV2", [before[0], before[0]])[0], b.add("ReadVariableOp", [v], attributes: float)[0]) }
            return (initial, before[0], later.0, later.1)
        }
        let session = try session(b)
        _ = try session.run(targets: [initial.name])
        for step in 0..<3 {
            let found = try session.run(fetches: [before.name, doubled.name, after.name]).map { try $0.array(of: Float.self) }
            let old = [1, 2].map { Float($0 + step * 10) }
            #expect(found == [old, old.map { $0 * 2 }, old.map { $0 + 10 }])
        }
    }

    @Test("lists, arrays and staging areas hold a card's tensors, and lists take them to another device", arguments: EmulatedCardTests.seeds)
    func lists(_ seed: UInt64) throws {
        try EmulatedCards.delay(seed)
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [4], name: "x")
        let element: Attributes = ["element_dtype": .type(.float32)]
        let shape = b.constant(Tensor([Int32(4)]))
        let (list, stacked) = b.device("/gpu:0") { () -> (Output, Output) in
            var list = b.add("EmptyTensorList", [shape, b.constant(Tensor(Int32(-1)))], attributes: element)[0]
            for _ in 0..<5 { list = b.add("TensorListPushBack", [list, b.add("AddV2", [x, x])[0]], attributes: element)[0] }
            return (list, b.add("TensorListStack", [list, shape], attributes: element)[0])
        }
        let elsewhere = ["/cpu:0", "/gpu:1"].map { device in b.device(device) { b.add("TensorListStack", [list, shape], attributes: element)[0] } }
        let back = b.device("/gpu:0") { () -> Output in
            let moved = b.device("/cpu:0") { b.add("TensorListPushBack", [list, x], attributes: element)[0] }
            return b.add("TensorListStack", [moved, shape], attributes: element)[0]
        }
        let staged = b.device("/gpu:0") { () -> (put: WeirGraph.Operation, take: Output) in
            let put = b.add("Stage", [stacked], attributes: ["dtypes": .types([.float32]), "shared_name": "area"])
            let take = b.add("Unstage", [], attributes: ["dtypes": .types([.float32]), "shared_name": "area"])[0]
            return (put, b.add("Sum", [take, b.constant(Tensor([Int32(0)]))])[0])
        }
        let session = try session(b, cards: 2)
        let values = Tensor([1, 2, 3, 4] as [Float])
        let found = try session.run(feeds: [("x:0", values)], fetches: ([stacked] + elsewhere + [back]).map(\.name))
        let rows = [[Float]](repeating: [2, 4, 6, 8], count: 5).flatMap { $0 }
        for tensor in found.prefix(3) { #expect(try tensor.array(of: Float.self) == rows) }
        #expect(try found[3].array(of: Float.self) == rows + [1, 2, 3, 4])
        #expect(
            try session.run(feeds: [("x:0", values)], fetches: [staged.take.name], targets: [staged.put.name])[0].array(of: Float.self) == [10, 20, 30, 40])
    }

    @Test("members of a collective on two cards", arguments: EmulatedCardTests.seeds)
    func collective(_ seed: UInt64) throws {
        try EmulatedCards.delay(seed)
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [5], name: "x")
        let sums = ["/gpu:0", "/gpu:1"].map { device in
            b.device(device) {
                b.add(
                    "CollectiveReduce", [b.add("AddV2", [x, x])[0]],
                    attributes: [
                        "group_size": 2, "group_key": 1, "instance_key": 1, "merge_op": "Add", "final_op": "Id", "subdiv_offsets": .ints([0]),
                    ])[0]
            }
        }
        let session = try session(b, cards: 2)
        for tensor in try session.run(feeds: [("x:0", Tensor([1, 2, 3, 4, 5] as [Float]))], fetches: sums.map(\.name)) {
            #expect(try tensor.array(of: Float.self) == [4, 8, 12, 16, 20])
        }
    }

    @Test("an integer variable on a card: int32 has no GPU kernel, so it is an error, or the variable is on the CPU")
    func integers() throws {
        let b = GraphBuilder(registry: .standard)
        let int: Attributes = ["dtype": .type(.int32), "shape": .shape([2])]
        let (initial, value) = b.device("/gpu:0") { () -> (WeirGraph.Operation, Output) in
            let v = b.add("VariableV2", [], name: "v", attributes: int)[0]
            return (b.add("Assign", [v, b.constant(Tensor([Int32(3), 4]))]), v)
        }
        let error = #expect(throws: Status.self) { try session(b).run(targets: [initial.name]) }
        #expect(error?.code == .invalidArgument && error?.message.contains("v") == true, "\(String(describing: error))")
        let soft = try session(b, softly: true)
        _ = try soft.run(targets: [initial.name])
        #expect(try soft.run(fetches: [value.name])[0].array(of: Int32.self) == [3, 4])
    }

    // MARK: memory, failures and the end

    @Test("out of memory is an error that names the device, and the session goes on")
    func memory() throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [nil], name: "x")
        let sum = b.device("/gpu:0") { b.add("Sum", [b.add("Neg", [x])[0], b.constant(Tensor([Int32(0)]))])[0] }
        let session = try session(b, memory: 4 << 20)
        func run(_ count: Int) throws -> Float {
            try session.run(feeds: [("x:0", Tensor([Float](repeating: 1, count: count)))], fetches: [sum.name])[0].scalar(of: Float.self)
        }
        for _ in 0..<20 { #expect(try run(200_000) == -200_000) }
        for count in [700_000, 2_000_000] {
            let error = #expect(throws: Status.self) { try run(count) }
            #expect(error?.code == .resourceExhausted && error?.message.contains("GPU:0") == true, "\(String(describing: error))")
        }
        #expect(try run(7) == -7)
    }

    /// An op that writes where it may not.
    private static let stray = OpDefinition("Stray", "(x: float) -> (y: float)").shape(ShapeFunctions.unchanged)
        .kernel(gpu: [:]) { _ in .sync { context in context.setOutput(0, context.input(0)) } }
        .cuda { request in
            let device = try request.cudaDevice()
            let module = try request.cudaModule("stray", [:], "KERNEL stray(float* p) { p[threadIdx.x] = 1; }")
            return .sync { context in
                try device.launch(module.function("stray"), CUDAGrid(1, 32), [.word(64)])
                context.setOutput(0, context.input(0))
            }
        }

    @Test("a card that stops ends the step; the CPU goes on, and the card can be opened again", arguments: [false, true])
    func stops(_ isInjected: Bool) throws {
        let registry = OpRegistry.standard.adding(EmulatedCardTests.stray)
        let b = GraphBuilder(registry: registry)
        let x = b.placeholder(.float32, shape: [2], name: "x")
        let (good, bad) = b.device("/gpu:0") { () -> (Output, Output) in
            let negative = b.add("Neg", [x])[0]
            return (negative, b.add("AddV2", [isInjected ? negative : b.add("Stray", [negative])[0], x])[0])
        }
        let onCPU = b.device("/cpu:0") { b.add("Neg", [x], name: "cpu")[0] }
        let feeds = [("x:0", Tensor([1, 2] as [Float]))]
        weak var device: CUDADevice?
        do {
            let session = try session(b, registry: registry)
            device = session.devices.places.compactMap { $0.device as? CUDADevice }.first
            #expect(device != nil)
            #expect(try session.run(feeds: feeds, fetches: [good.name])[0].array(of: Float.self) == [-1, -2])
            if isInjected { try EmulatedCards.fail("cuLaunchKernel", 700, after: 1) }
            let error = #expect(throws: Status.self) { try session.run(feeds: feeds, fetches: [bad.name]) }
            #expect(error?.code == .internalError && error?.message.contains("has stopped") == true, "\(String(describing: error))")
            // The card is lost for this session.
            let later = #expect(throws: Status.self) { try session.run(feeds: feeds, fetches: [good.name]) }
            #expect(later?.message.contains("has stopped") == true, "\(String(describing: later))")
            #expect(try session.run(feeds: feeds, fetches: [onCPU.name])[0].array(of: Float.self) == [-1, -2])
            let plain = GraphBuilder(registry: .standard)
            let negative = plain.add("Neg", [plain.placeholder(.float32, shape: [2], name: "x")])[0]
            let other = try DirectSession(plain.graph(), registry: .standard)
            #expect(try other.run(feeds: feeds, fetches: [negative.name])[0].array(of: Float.self) == [-1, -2])
        }
        // A stream's thread may hold the last tensors until it has put them away.
        let end = ContinuousClock.now + .seconds(10)
        while device != nil, ContinuousClock.now < end { sched_yield() }
        #expect(device == nil)
        // The same holds of the card's streams: until they are gone, opening it says that it has stopped.
        var opened = Result { try session(b, registry: registry) }
        while case .failure(let error) = opened, Status(error).message.contains("has stopped"), ContinuousClock.now < end {
            sched_yield()
            opened = Result { try session(b, registry: registry) }
        }
        #expect(try opened.get().run(feeds: feeds, fetches: [good.name])[0].array(of: Float.self) == [-1, -2])
    }

    @Test("a session with variables releases its card when it ends", arguments: ["VarHandleOp", "VariableV2"])
    func ends(_ op: String) throws {
        weak var device: CUDADevice?
        do {
            let b = GraphBuilder(registry: .standard)
            let assigned = b.device("/gpu:0") {
                let variable = b.add(op, attributes: ["dtype": .type(.float32), "shape": .shape([2])])[0]
                return b.add(op == "VarHandleOp" ? "AssignVariableOp" : "Assign", [variable, b.constant(Tensor([1, 2] as [Float]))])
            }
            let session = try session(b)
            device = session.devices.places.compactMap { $0.device as? CUDADevice }.first
            #expect(device != nil)
            _ = try session.run(targets: [assigned.name])
        }
        let end = ContinuousClock.now + .seconds(10)
        while device != nil, ContinuousClock.now < end { sched_yield() }
        #expect(device == nil)
    }
}

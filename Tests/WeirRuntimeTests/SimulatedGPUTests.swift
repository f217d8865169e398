import Glibc
import Synchronization
import Testing
import WeirDevice
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// An asynchronous device: values, memory, failures and parallel work.
@Suite("Simulated GPUs", .timeLimit(.minutes(2)))
struct SimulatedGPUTests {
    private let name = DeviceName(job: "localhost", replica: 0, task: 0, type: "GPU", index: 0)

    private func session(_ b: GraphBuilder, gpus: Int = 2, delays: UInt64? = nil, registry: OpRegistry = .standard) throws -> DirectSession {
        var options = RuntimeOptions()
        options.simulatedGPUCount = gpus
        options.simulatedGPUDelays = delays.map { SimulatedDelays(seed: $0, longest: 300) }
        return try DirectSession(b.graph(), registry: registry, options: options)
    }

    @Test("a session with variables releases its devices when it ends, and their threads end", arguments: ["VarHandleOp", "VariableV2"])
    func ends(_ op: String) throws {
        weak var gpu: SimulatedGPU?
        do {
            let b = GraphBuilder(registry: .standard)
            let assigned = b.device("/gpu:0") {
                let variable = b.add(op, attributes: ["dtype": .type(.float32), "shape": .shape(PartialShape([2]))])[0]
                return b.add(op == "VarHandleOp" ? "AssignVariableOp" : "Assign", [variable, b.constant(Tensor([1, 2] as [Float]))])
            }
            let session = try session(b, gpus: 1)
            gpu = session.devices.places.compactMap { $0.device as? SimulatedGPU }.first
            #expect(gpu != nil)
            _ = try session.run(targets: [assigned.name])
        }
        // A stream's thread may hold it until it has put its last job away.
        let end = ContinuousClock.now + .seconds(10)
        while gpu != nil, ContinuousClock.now < end { sched_yield() }
        #expect(gpu == nil)
    }

    @Test("host code reads poison from a device tensor; a download gives the right values")
    func poison() throws {
        let gpu = try SimulatedGPU(name: name)
        let tensor = try gpu.upload(Tensor([1, 2, 3] as [Float]))
        #expect(tensor.elements(Float.self).allSatisfy { $0.isNaN })
        let back = BlockingCompletion<Tensor>()
        gpu.download(tensor, after: gpu.stream?.record()) { back.finish($0) }
        #expect(try back.wait().get().array(of: Float.self) == [1, 2, 3])
    }

    @Test("new memory is poison on the device, too, until the stream writes it")
    func newMemory() throws {
        let gpu = try SimulatedGPU(name: name)
        let tensor = try Tensor(.int32, [4], in: gpu.allocator)
        let back = BlockingCompletion<Tensor>()
        gpu.download(tensor, after: nil) { back.finish($0) }
        #expect(try back.wait().get().array(of: Int32.self) == [-1, -1, -1, -1])
    }

    @Test("freed memory stays readable for work that was enqueued earlier")
    func streamOrder() throws {
        let gpu = try SimulatedGPU(name: name)
        var tensor: Tensor? = try gpu.upload(Tensor([5, 6] as [Float]))
        struct Address: @unchecked Sendable { let pointer: UnsafeMutableRawPointer }
        let address = Address(pointer: try #require(tensor.flatMap { gpu.elements(of: $0) }))
        let (began, read) = (BlockingCompletion<Void>(), BlockingCompletion<Float>())
        // Blocks the stream until the tensor is freed.
        gpu.enqueue {
            _ = began.wait()
            read.finish(.success(address.pointer.load(as: Float.self)))
        }
        tensor = nil
        #expect(gpu.allocator.bytesInUse == 0)
        began.finish(.success(()))
        #expect(try read.wait().get() == 5)
    }

    @Test("an event is reached after the work enqueued before it, and other streams can wait for it")
    func events() throws {
        let gpu = try SimulatedGPU(name: name)
        let other = try SimulatedGPU(name: name)
        let stream = try #require(gpu.stream)
        let gate = BlockingCompletion<Void>()
        let order = Mutex<[Int]>([])
        gpu.enqueue {
            _ = gate.wait()
            order.withLock { $0.append(1) }
        }
        let event = stream.record()
        #expect(!event.isReached)
        other.stream?.wait(for: event)
        let done = BlockingCompletion<Void>()
        other.enqueue {
            order.withLock { $0.append(2) }
            done.finish(.success(()))
        }
        gate.finish(.success(()))
        try done.wait().get()
        #expect(order.withLock { $0 } == [1, 2] && event.isReached)
    }

    /// An op whose kernels on several devices wait for each other, so they only return if all run at the same time.
    private static func meeting(_ count: Int) -> OpDefinition {
        let arrived = Mutex(0)
        return OpDefinition("Meet", "(x: float) -> (y: float)")
            .shape(ShapeFunctions.unchanged)
            .kernel(gpu: [:]) { _ in
                .sync { context in
                    arrived.withLock { $0 += 1 }
                    let start = ContinuousClock.now
                    while arrived.withLock({ $0 }) < count {
                        guard ContinuousClock.now - start < .seconds(60) else { throw Status.deadlineExceeded("nobody came") }
                    }
                    try context.output(0, .float32, context.shape(0)).copyElements(from: context.input(0))
                }
            }
    }
    private final class Times: StepTrace {
        let all = Mutex<[(node: String, op: String, device: String, start: Int, end: Int)]>([])
        func record(node: String, op: String, device: String, start: Int, end: Int, outputs: [EdgeValue]) {
            all.withLock { $0.append((node, op, device, start, end)) }
        }
    }

    @Test("two GPUs and the CPU run in parallel, and the trace shows it")
    func inParallel() throws {
        let registry = OpRegistry.standard.adding(SimulatedGPUTests.meeting(3))
        let b = GraphBuilder(registry: registry)
        let x = b.placeholder(.float32, shape: [2], name: "x")
        let parts = ["/cpu:0", "/gpu:0", "/gpu:1"].enumerated().map { index, device in
            b.device(device) { b.add("Meet", [b.add("Neg", [x])[0]], name: "meet\(index)")[0] }
        }
        let session = try session(b, registry: registry)
        let times = Times()
        let values = try session.run(feeds: [("x:0", Tensor([1, 2] as [Float]))], fetches: parts.map(\.name), trace: times)
        #expect(try values.map { try $0.array(of: Float.self) } == [[-1, -2], [-1, -2], [-1, -2]])
        let meetings = times.all.withLock { $0.filter { ["meet0", "meet1", "meet2"].contains($0.node) } }
        #expect(Set(meetings.map(\.device)).count == 3, "\(meetings)")
        let (last, first) = (meetings.map(\.start).max() ?? 0, meetings.map(\.end).min() ?? 0)
        #expect(last < first, "all have begun before the first ends: \(meetings)")
    }

    @Test("kernels of one device run in order, and the executor does not wait for them")
    func enqueued() throws {
        let (gate, entered) = (BlockingCompletion<Void>(), BlockingCompletion<Void>())
        let slow = OpDefinition("Slow", "(x: float) -> (y: float)").shape(ShapeFunctions.unchanged).kernel(gpu: [:]) { _ in
            .sync { context in
                _ = gate.wait()
                try context.output(0, .float32, context.shape(0)).copyElements(from: context.input(0))
            }
        }
        // Runs on the host after the slow kernel is enqueued, and opens its gate.
        let opening = OpDefinition("Open", "(shape: int32) -> (y: int32)").shape(ShapeFunctions.unchanged)
            .kernel(gpu: [:], hostMemory: ["shape", "y"]) { _ in
                .sync { context in
                    entered.finish(.success(()))
                    gate.finish(.success(()))
                    context.setOutput(0, context.input(0))
                }
            }
        let registry = OpRegistry.standard.adding(slow).adding(opening)
        let b = GraphBuilder(registry: registry)
        let x = b.placeholder(.float32, shape: [3], name: "x")
        let (sum, opened) = b.device("/gpu:0") {
            let first = b.add("Slow", [x])[0]
            let second = b.add("AddV2", [first, first])[0]
            // The shape is known before the elements are computed.
            return (b.add("AddV2", [second, x])[0], b.add("Open", [b.add("Shape", [second])[0]])[0])
        }
        let session = try session(b, gpus: 1, registry: registry)
        let times = Times()
        let values = try session.run(feeds: [("x:0", Tensor([1, 2, 3] as [Float]))], fetches: [sum.name, opened.name], trace: times)
        #expect(try values[0].array(of: Float.self) == [3, 6, 9])
        #expect(try values[1].array(of: Int32.self) == [3])
        // What the stream runs is traced as the stream's, what the host runs is not.
        func streams(_ op: String) -> Set<Bool> {
            Set(times.all.withLock { $0.filter { $0.op == op }.map { $0.device.contains("/stream:") } })
        }
        #expect(streams("Slow").contains(true))
        #expect(streams("Open") == [false] && streams("Shape") == [false])
    }

    @Test("with any stream delays, a network over two GPUs and the CPU trains as on the CPU", arguments: 1...8 as ClosedRange<UInt64>)
    func delays(_ seed: UInt64) throws {
        func losses(_ devices: [String], gpus: Int, delays: UInt64?) throws -> [Float] {
            let b = GraphBuilder(registry: .standard)
            let x = b.placeholder(.float32, shape: [4, 3], name: "x")
            func variable(_ name: String, _ value: Tensor) -> (handle: Output, initializer: Operation) {
                let handle = b.variableHandle(value.dtype, PartialShape(value.shape), name: name)
                return (handle, handle.assignVariable(b.constant(value)))
            }
            let numbers = (0..<12).map { Float($0 % 5) * 0.1 - 0.2 }
            let first = b.device(devices[0]) { variable("first", Tensor(numbers, ofShape: [3, 4])) }
            let second = b.device(devices[1]) { variable("second", Tensor(numbers.reversed(), ofShape: [4, 3])) }
            func read(_ handle: Output) -> Output { b.add("ReadVariableOp", [handle], attributes: ["dtype": .type(.float32)])[0] }
            let hidden = b.device(devices[0]) { b.add("Tanh", [b.add("MatMul", [x, read(first.handle)])[0]])[0] }
            let output = b.device(devices[1]) { b.add("MatMul", [hidden, read(second.handle)])[0] }
            let loss = b.device(devices[2]) {
                b.add("Mean", [b.add("Square", [b.add("Sub", [output, x])[0]])[0], b.constant(Tensor([Int32(0), 1]))], name: "loss")[0]
            }
            let gradients = b.gradients(of: [loss], with: [first.handle, second.handle])
            let updates = try zip([first, second], gradients).map { variable, gradient in
                b.colocate(with: variable.handle.operation) {
                    b.add("ResourceApplyGradientDescent", [variable.handle, b.scalar(0.5, .float32), gradient!])
                }
            }
            let train = b.noOp(after: updates, name: "train")
            let session = try session(b, gpus: gpus, delays: delays)
            _ = try session.run(targets: [first.initializer.name, second.initializer.name])
            let batch = Tensor((0..<12).map { Float($0) * 0.1 }, ofShape: [4, 3])
            return try (0..<10).map { _ in
                try session.run(feeds: [("x:0", batch)], fetches: [loss.name], targets: [train.name])[0].scalar(of: Float.self)
            }
        }
        let expected = try losses(["/cpu:0", "/cpu:0", "/cpu:0"], gpus: 0, delays: nil)
        let found = try losses(["/gpu:0", "/gpu:1", "/cpu:0"], gpus: 2, delays: seed)
        #expect(found == expected && expected[9] < expected[0])
    }

    @Test("with any stream delays, a loop waits for the condition that a GPU computes", arguments: 1...8 as ClosedRange<UInt64>)
    func loopCondition(_ seed: UInt64) throws {
        let float: Attributes = ["T": .type(.float32)]
        func node(_ name: String, _ op: String, _ inputs: String..., attributes: Attributes) -> NodeDefinition {
            NodeDefinition(name: name, op: op, inputs: inputs, device: "/gpu:0", attributes: attributes)
        }
        func constant(_ name: String, _ value: Float) -> NodeDefinition {
            node(name, "Const", attributes: ["dtype": .type(.float32), "value": .tensor(Tensor(value))])
        }
        let b = GraphBuilder(registry: .standard)
        // The condition is a number, so that the GPU computes it, in several kernels: while it is late, its memory is not 0.
        let roots = (1...6).map { number in
            [
                node("square\(number)", "Square", number == 1 ? "left:z:0" : "root\(number - 1):y:0", attributes: float),
                node("root\(number)", "Sqrt", "square\(number):y:0", attributes: float),
            ]
        }
        b.addFunction(
            FunctionDefinition(
                name: "goesOn", inputs: [.init(name: "x", type: .fixed(.float32))], outputs: [.init(name: "p", type: .fixed(.float32))],
                nodes: [constant("three", 3), node("left", "Sub", "three:output:0", "x", attributes: float)] + roots.flatMap { $0 },
                returns: ["p": "root6:y:0"]))
        b.addFunction(
            FunctionDefinition(
                name: "body", inputs: [.init(name: "x", type: .fixed(.float32))], outputs: [.init(name: "y", type: .fixed(.float32))],
                nodes: [constant("one", 1), node("sum", "AddV2", "x", "one:output:0", attributes: float)], returns: ["y": "sum:z:0"]))
        let start = b.placeholder(.float32, shape: [], name: "start")
        let loop = b.device("/gpu:0") {
            b.add(
                "StatelessWhile", [start], name: "loop",
                attributes: [
                    "T": .types([.float32]), "cond": .function(FunctionReference("goesOn")), "body": .function(FunctionReference("body")),
                ])
        }
        let session = try session(b, gpus: 1, delays: seed)
        for start in 0..<4 {
            let cancellation = Cancellation()
            let done = BlockingCompletion<[Tensor]>()
            let plan = try session.plan(feeds: ["start:0"], fetches: [loop[0].name], targets: [])
            session.start(plan, [Tensor(Float(start))], cancellation: cancellation, timeout: .seconds(10)) { done.finish($0) }
            #expect(try done.wait().get()[0].scalar(of: Float.self) == 3)
        }
    }

    @Test("a kernel that fails on the stream ends the step with its name, and the next step works", arguments: [nil, 3] as [UInt64?])
    func failure(_ delays: UInt64?) throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [2], name: "x")
        let checked = b.device("/gpu:0") { b.add("CheckNumerics", [x], name: "checked", attributes: ["message": "seen"])[0] }
        let sum = b.device("/gpu:0") { b.add("AddV2", [checked, x])[0] }
        let session = try session(b, gpus: 1, delays: delays)
        let error = #expect(throws: Status.self) { try session.run(feeds: [("x:0", Tensor([1, .nan] as [Float]))], fetches: [sum.name]) }
        #expect(error?.code == .invalidArgument && error?.message.contains("{{node checked}}") == true, "\(String(describing: error))")
        #expect(try session.run(feeds: [("x:0", Tensor([1, 2] as [Float]))], fetches: [sum.name])[0].array(of: Float.self) == [2, 4])
    }

    @Test("out of memory is an error that names the device; a step's memory is freed after it")
    func memory() throws {
        let b = GraphBuilder(registry: .standard)
        let count = b.placeholder(.int32, shape: [1], name: "count")
        let sum = b.device("/gpu:0") { b.add("Sum", [b.add("Fill", [count, b.scalar(1, .float32)])[0], b.constant(Tensor([Int32(0)]))])[0] }
        var options = RuntimeOptions()
        options.simulatedGPUCount = 1
        options.simulatedGPUMemory = 1 << 20
        let session = try DirectSession(b.graph(), registry: .standard, options: options)
        func run(_ count: Int32) throws -> Float { try session.run(feeds: [("count:0", Tensor([count]))], fetches: [sum.name])[0].scalar(of: Float.self) }
        for _ in 0..<20 { #expect(try run(100_000) == 100_000) }
        let error = #expect(throws: Status.self) { try run(1 << 20) }
        #expect(error?.code == .resourceExhausted && error?.message.contains("GPU:0") == true)
        #expect(try run(7) == 7)
    }
}

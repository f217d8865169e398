import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

@Suite("PlacementErrors")
struct PlacerTests {
    private static func device(_ text: String, local: Bool = true) throws -> PlacementDevice {
        PlacementDevice(name: try DeviceName(text), incarnation: 1, isLocal: local)
    }
    private func devices() throws -> [PlacementDevice] {
        [
            try PlacerTests.device("/job:worker/replica:0/task:0/device:CPU:0"),
            try PlacerTests.device("/job:worker/replica:0/task:0/device:GPU:0"),
            try PlacerTests.device("/job:ps/replica:0/task:0/device:CPU:0", local: false),
            try PlacerTests.device("/job:ps/replica:0/task:1/device:CPU:0", local: false),
        ]
    }
    private func place(_ b: GraphBuilder, soft: Bool = false) throws -> Graph {
        try Placer(devices: devices(), allowsSoftPlacement: soft).place(b.graph())
    }
    private func variable(_ b: GraphBuilder, _ name: String, _ dtype: DType = .float32) -> Output {
        b.add("VariableV2", name: name, attributes: ["dtype": .type(dtype), "shape": .shape([2])])[0]
    }

    @Test("a node without a device goes to the task's preferred device with a kernel")
    func unconstrained() throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.add("Placeholder", name: "x", attributes: ["dtype": .type(.float32)])[0]
        b.add("MatMul", [x, x], name: "product")
        #expect(try place(b).node(named: "product")?.device?.description == "/job:worker/replica:0/task:0/device:GPU:0")
    }

    @Test("a job without a task means its first task")
    func partial() throws {
        let b = GraphBuilder(registry: .standard)
        b.device("/job:ps") { _ = variable(b, "v") }
        #expect(try place(b).node(named: "v")?.device?.description == "/job:ps/replica:0/task:0/device:CPU:0")
    }

    @Test("an assignment is placed with its variable, whatever its requested device")
    func references() throws {
        let b = GraphBuilder(registry: .standard)
        let v = b.device("/job:ps/task:1") { variable(b, "v") }
        b.device("/job:worker/task:0") { _ = b.add("Assign", [v, b.constant(Tensor([1, 2] as [Float]))], name: "assign") }
        #expect(try place(b).node(named: "assign")?.device?.description == "/job:ps/replica:0/task:1/device:CPU:0")
    }

    @Test("inner device scopes override outer ones part by part, and nil clears them")
    func scopes() throws {
        let b = GraphBuilder(registry: .standard)
        b.device("/job:ps/task:1") {
            b.device("/task:0") { _ = variable(b, "inner") }
            b.device(nil) { _ = b.add("NoOp", name: "free") }
        }
        #expect(b.node(named: "inner")?.requestedDevice == "/job:ps/task:0")
        #expect(b.node(named: "free")?.requestedDevice == "")
    }

    @Test("an integer variable on a GPU is an error of at most eight lines that says why and what to do")
    func integerVariable() throws {
        let b = GraphBuilder(registry: .standard)
        b.device("/gpu:0") { _ = variable(b, "v", .int32) }
        do {
            _ = try place(b)
            Issue.record("must not be placed")
        } catch let status as Status {
            #expect(status.code == .invalidArgument)
            #expect(status.message.split(separator: "\n").count <= 8)
            for part in ["v", "GPU", "VariableV2 of int32", "/device:GPU:0", "Registered kernels", "/cpu:0", "allow_soft_placement"] {
                #expect(status.message.contains(part), "\(part) in: \(status.message)")
            }
        }
        #expect(try place(b, soft: true).node(named: "v")?.device?.type == "CPU")
    }

    @Test("the error for a missing device lists the available ones")
    func missingDevice() throws {
        let b = GraphBuilder(registry: .standard)
        b.device("/job:worker/task:7") { _ = b.add("NoOp", name: "n") }
        do {
            _ = try place(b)
            Issue.record("must not be placed")
        } catch let status as Status {
            #expect(status.message.contains("was explicitly assigned to /job:worker/task:7 but available devices are ["))
        }
    }

    @Test("colocated nodes share a device, and conflicts are an error")
    func colocation() throws {
        let b = GraphBuilder(registry: .standard)
        let v = b.device("/job:ps/task:1") { variable(b, "v") }
        b.colocate(with: v.operation) { _ = b.add("NoOp", name: "near") }
        #expect(try place(b).node(named: "near")?.device?.description == "/job:ps/replica:0/task:1/device:CPU:0")
        b.device("/job:ps/task:0") { _ = b.add("NoOp", name: "far", attributes: ["_class": .strings(["loc:@v"])]) }
        #expect(throws: Status.self) { try place(b) }
    }

    @Test("a constant that waits for another node is placed with its consumer, as TensorFlow places it")
    func generatorWithControlInput() throws {
        let b = GraphBuilder(registry: .standard)
        let gate = b.device("/job:worker/cpu:0") { b.add("NoOp", name: "gate") }
        let c = b.controlDependencies([gate]) { b.constant(Tensor(Float(1)), name: "c") }
        b.device("/job:ps/task:1") { _ = b.add("Neg", [c]) }
        #expect(try place(b).node(named: "c")?.device?.description == "/job:ps/replica:0/task:1/device:CPU:0")
    }

    @Test("a node that only waits for a constant counts as its consumer, as in TensorFlow")
    func controlConsumer() throws {
        let b = GraphBuilder(registry: .standard)
        let c = b.constant(Tensor(Float(1)), name: "c")
        b.device("/job:ps/task:1") { _ = b.add("Neg", [c]) }
        #expect(try place(b).node(named: "c")?.device?.description == "/job:ps/replica:0/task:1/device:CPU:0")
        b.device("/job:ps/task:0") { _ = b.add("NoOp", controls: [c.operation]) }
        // The consumers are on two devices, so the constant is on the preferred one.
        #expect(try place(b).node(named: "c")?.device?.description == "/job:worker/replica:0/task:0/device:GPU:0")
    }

    @Test("a placement report saturates its byte count instead of overflowing")
    func hugeVariables() throws {
        let b = GraphBuilder(registry: .standard)
        for _ in 0..<20 { _ = b.add("VarHandleOp", attributes: ["dtype": .type(.float64), "shape": .shape([1 << 60])]) }
        for _ in 0..<20 { _ = b.add("VarHandleOp", attributes: ["dtype": .type(.float64), "shape": .shape([1 << 58])]) }
        let report = PlacementReport(try place(b))
        #expect(report.rows.reduce(0) { $0 + $1.opCount } == 40 && report.rows.contains { $0.byteCount == .max })
        #expect(report.description.contains("\(Int.max)"))
    }
}

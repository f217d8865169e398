import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirCluster

@Suite("The graph and the callables of a master's session", .timeLimit(.minutes(1)))
struct SessionStateTests {
    private func graphState() throws -> GraphExecutionState {
        let b = GraphBuilder(registry: .standard)
        _ = b.add("NoOp", name: "first")
        let cpu = DeviceName(job: "worker", replica: 0, task: 0, type: "CPU", index: 0)
        let placer = Placer(devices: [PlacementDevice(name: cpu, incarnation: 1, isLocal: true)])
        return try GraphExecutionState(b.graph(), placer: placer, registry: .standard)
    }
    private func addition(_ name: String) -> GraphDefinition { GraphDefinition(nodes: [NodeDefinition(name: name, op: "NoOp")]) }

    @Test("an extension is placed and makes a new version")
    func extending() async throws {
        let state = try graphState()
        let result = try await state.extend(with: addition("second"), version: 0)
        #expect(result.version == 1 && result.nodeCount == 2)
        #expect(state.placed.node(named: "second")?.device?.description == "/job:worker/replica:0/task:0/device:CPU:0")
    }

    @Test("an extension of an older version, or with a node that exists, changes nothing")
    func conflicts() async throws {
        let state = try graphState()
        _ = try await state.extend(with: addition("second"), version: 0)
        for (name, version) in [("third", 0), ("second", 1)] {
            await #expect(throws: Status.self) { _ = try await state.extend(with: addition(name), version: version) }
        }
        #expect(state.placed.nodes.count == 2)
        #expect(try await state.extend(with: addition("third"), version: 1).version == 2)
    }

    @Test("a callable names its feeds by position, until it is released")
    func callables() throws {
        let callables = Callables()
        let handle = callables.add(CallableOptions(feeds: ["a:0", "b:0"], fetches: ["y:0"], targets: ["t"]))
        let feeds = [Tensor(Float(1)), Tensor(Float(2))]
        let step = try callables.step(handle, feeds: feeds, session: "s")
        #expect(step.feedNames == ["a:0", "b:0"] && step.fetches == ["y:0"] && step.targets == ["t"] && step.session == "s")
        #expect(throws: Status.invalidArgument("Expected 2 feed tensors, but got 1")) {
            try callables.step(handle, feeds: [feeds[0]], session: "s")
        }
        callables.release(handle)
        #expect(throws: Status.invalidArgument("Attempted to run callable after handle was released: \(handle)")) {
            try callables.step(handle, feeds: feeds, session: "s")
        }
        #expect(throws: Status.invalidArgument("No such callable handle: 7")) { try callables.step(7, feeds: feeds, session: "s") }
    }

    @Test("callables with connected tensors are unimplemented, as in TensorFlow")
    func unsupported() {
        var options = CallableOptions()
        options.connections = [(from: "a:0", to: "b:0")]
        #expect(throws: Status.self) { try Callables.checkSupported(options) }
    }
}

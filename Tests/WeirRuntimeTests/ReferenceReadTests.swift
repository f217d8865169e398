import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// What is read of a reference variable is its memory; of a resource variable its value at the time.
@Suite("Reads and updates")
struct ReferenceReadTests {
    @Test("a read before an update shows it to who uses the read after it", arguments: [true, false])
    func update(_ isReference: Bool) throws {
        let b = GraphBuilder(registry: .standard)
        let dtype: Attributes = ["dtype": .type(.int64)]
        let zero = b.constant(Tensor(Int64(0))), one = b.constant(Tensor(Int64(1)))
        let v = isReference
            ? b.refVariable(.int64, [], name: "v")
            : b.add("VarHandleOp", name: "v", attributes: ["dtype": .type(.int64), "shape": .shape([]), "shared_name": "v"])[0]
        let initialize = b.add(isReference ? "Assign" : "AssignVariableOp", [v, zero], name: "init")
        let read = isReference ? b.add("Identity", [v], name: "read") : b.add("ReadVariableOp", [v], name: "read", attributes: dtype)
        let update = b.controlDependencies([read]) { b.add(isReference ? "AssignAdd" : "AssignAddVariableOp", [v, one], name: "update") }
        let used = b.controlDependencies([update]) { b.add("Fill", [b.constant(Tensor([Int32(2)])), read[0]], name: "used")[0] }
        let session = try DirectSession(b.graph(), registry: .standard)
        _ = try session.run(targets: [initialize.name])
        for round in 1...3 {
            let expected = Int64(isReference ? round : round - 1)
            #expect(try session.run(fetches: [used.name])[0].array(of: Int64.self) == [expected, expected])
        }
    }

    @Test("what a client fetched does not change, nor does what a queue or another variable took")
    func kept() throws {
        let b = GraphBuilder(registry: .standard)
        let v = b.refVariable(.float32, [100], name: "v"), w = b.refVariable(.float32, [100], name: "w")
        let initialize = b.add("Assign", [v, b.constant(Tensor([Float](repeating: 1, count: 100)))], name: "init")
        let read = b.add("Identity", [v], name: "read")[0]
        let copy = b.add("Assign", [w, read], name: "copy")
        let queue = b.add("FIFOQueueV2", name: "q", attributes: ["component_types": .types([.float32]), "shapes": .shapes([[100]])])[0]
        let put = b.add("QueueEnqueueV2", [queue, read], name: "put", attributes: ["Tcomponents": .types([.float32])])
        let take = b.add("QueueDequeueV2", [queue], name: "take", attributes: ["component_types": .types([.float32])])[0]
        let update = b.add("AssignAdd", [v, b.constant(Tensor([Float](repeating: 1, count: 100)))], name: "update")
        let session = try DirectSession(b.graph(), registry: .standard)
        _ = try session.run(targets: [initialize.name])
        let fetched = try session.run(fetches: [read.name])[0]
        _ = try session.run(targets: [copy.name])
        _ = try session.run(targets: [put.name])
        _ = try session.run(targets: [update.name])
        _ = try session.run(targets: [initialize.name])
        _ = try session.run(targets: [update.name])
        let ones = [Float](repeating: 1, count: 100)
        #expect(try fetched.array(of: Float.self) == ones)
        #expect(try session.run(fetches: ["w:0"])[0].array(of: Float.self) == ones)
        #expect(try session.run(fetches: [take.name])[0].array(of: Float.self) == ones)
        // A constant that a variable began with stays what it was.
        _ = try session.run(targets: [initialize.name])
        #expect(try session.run(fetches: [read.name])[0].array(of: Float.self) == ones)
    }
}

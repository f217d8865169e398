import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// A read of a reference variable shares its memory; a read of a resource variable is its value at that time.
@Suite("Reads and updates")
struct ReferenceReadTests {
    @Test("a value read before an update shows it only for a reference variable", arguments: [true, false])
    func update(_ isReference: Bool) throws {
        let b = GraphBuilder(registry: .standard)
        let dtype: Attributes = ["dtype": .type(.int64)]
        let zero = b.constant(Tensor(Int64(0))), one = b.constant(Tensor(Int64(1)))
        let v =
            isReference
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

    @Test("an update does not change fetched values, queue elements or other variables")
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
        // Updates did not change the constant that initialized the variable.
        _ = try session.run(targets: [initialize.name])
        #expect(try session.run(fetches: [read.name])[0].array(of: Float.self) == ones)
    }

    @Test("removed arithmetic still gives the value before an update")
    func simplified() throws {
        let b = GraphBuilder(registry: .standard)
        func made(_ op: String, _ inputs: [Output], _ attributes: Attributes = [:]) -> Output { b.add(op, inputs, attributes: attributes)[0] }
        func integers(_ values: [Int32], _ shape: Shape) -> Output { b.constant(Tensor(values, ofShape: shape)) }
        let v = b.refVariable(.int32, [2, 3], name: "v")
        let initialize = b.add("Assign", [v, b.constant(Tensor([1, 2, 3, 4, 5, 6] as [Int32], ofShape: [2, 3]))], name: "init")
        let read = b.add("Identity", [v], name: "read")[0]
        let (one, zero, none) = (b.scalar(1, .int32), b.scalar(0, .int32), integers([], [0]))
        let turned = integers([1, 0], [2])
        let values = [
            made("Mul", [read, one]), made("Sub", [read, zero]), made("AddV2", [read, zero]), made("Neg", [made("Neg", [read])]),
            made("Cast", [read], ["DstT": .type(.int32)]), made("AddN", [read]), made("Tile", [read, integers([1, 1], [2])]),
            made("Pad", [read, integers([0, 0, 0, 0], [2, 2])]), made("ReverseV2", [read, none]), made("Sum", [read, none]),
            made("Transpose", [made("Transpose", [read, turned]), turned]),
            made("Reshape", [made("Reshape", [read, integers([6], [1])]), integers([3, 2], [2])]), made("Snapshot", [read]),
        ]
        let update = b.controlDependencies(values.map(\.operation)) { b.add("AssignAdd", [v, v], name: "update") }
        // Reads part of each value after the update.
        let later = b.controlDependencies([update]) { values.map { made("GatherV2", [$0, b.constant(Tensor([Int32(1)])), zero]) } }
        let graph = try b.graph()
        let found = try [GraphOptimizer.none, .standard].map { optimizer in
            var options = RuntimeOptions()
            options.execution.optimizer = optimizer
            let session = try DirectSession(graph, registry: .standard, options: options)
            _ = try session.run(targets: [initialize.name])
            return try session.run(fetches: later.map(\.name)).map { try $0.array(of: Int32.self) }
        }
        for (index, value) in values.enumerated() { #expect(found[0][index] == found[1][index], "\(value)") }
        #expect(found[1][0] == [4, 5, 6])
    }
}

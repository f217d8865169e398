import Testing
import WeirGraph
import WeirOps
import WeirTensor

/// Mistakes of a program that builds a graph. The builder records the first, and `graph()` throws it.
@Suite("Errors while building")
struct BuilderErrorTests {
    private let b = GraphBuilder(registry: .standard)
    private func failure() -> Status? {
        do { _ = try b.graph() } catch { return error }
        return nil
    }

    @Test(
        "a scalar that its type cannot hold is named",
        arguments: [
            (300, .int8), (-1, .uint8), (1e10, .int32), (1e30, .int64), (.nan, .int32), (.infinity, .uint64), (1, .string), (1, .qint8), (1, .resource),
        ] as [(Double, DType)])
    func scalars(_ value: Double, _ dtype: DType) {
        let output = b.scalar(value, dtype)
        #expect(output.dtype == dtype)
        #expect(failure()?.code == .invalidArgument && failure()?.message.contains("Expected a value of \(dtype), found \(value)") == true)
    }

    @Test("a scalar of an integer type is rounded toward zero", arguments: [(127.9, DType.int8, 127), (-128.9, .int8, -128), (-0.5, .uint8, 0)])
    func rounding(_ value: Double, _ dtype: DType, _ expected: Int) throws {
        let name = b.scalar(value, dtype).nodeName
        #expect(try b.graph().node(named: name)?.attributes.tensor("value")?.integer() == expected)
    }

    @Test("an output that a node does not have is named where it is used")
    func missingOutput() {
        let x = b.scalar(1, .float32, name: "x")
        _ = b.add("Neg", [x.operation[3]])
        #expect(failure()?.code == .invalidArgument && failure()?.message.contains("Node 'x' has 1 outputs, found index 3") == true)
    }

    @Test("after an error a program can go on, and the first error stays")
    func later() {
        let split = b.add("Split", [b.scalar(0, .int32), b.add("Nonsense")[0]], attributes: ["num_split": 2])
        #expect(split.outputs.count == 2)
        _ = b.add("AddV2", [split[0], split[1]])
        #expect(failure()?.code == .notFound && failure()?.message.contains("Nonsense") == true)
    }

    @Test("outputs and operations of another graph are refused", arguments: 0..<7)
    func strangers(_ use: Int) {
        let other = GraphBuilder(registry: .standard)
        for _ in 0..<10 { _ = other.scalar(1, .float32) }
        let theirs = other.scalar(1, .float32, name: "theirs"), mine = b.scalar(1, .float32)
        switch use {
        case 0: _ = b.gradients(of: [theirs], with: [mine])
        case 1: _ = b.gradients(of: [mine], with: [mine], initial: [theirs])
        case 2: b.refineShape(of: theirs, [2])
        case 3: b.replaceInput(0, of: b.add("Neg", [mine]), with: theirs)
        case 4: b.addControl(theirs.operation, to: mine.operation)
        case 5: b.controlDependencies([theirs.operation]) { _ = b.scalar(2, .float32) }
        default: _ = b.add("Neg", [mine], controls: [theirs.operation])
        }
        #expect(failure()?.code == .invalidArgument && failure()?.message.contains("belongs to another graph") == true)
    }

    @Test("an input can be replaced only by an output of its type")
    func replacing() {
        let x = b.scalar(1, .float32)
        let negated = b.add("Neg", [x], name: "negated")
        b.replaceInput(0, of: negated, with: b.scalar(2, .float32))
        #expect(failure() == nil)
        b.replaceInput(0, of: negated, with: b.scalar(2, .int32))
        #expect(failure()?.message.contains("Input 0 of node 'negated' must be float, found int32") == true)
    }

    @Test("endpoints of a collection are outputs if they exist")
    func collections() {
        let x = b.scalar(1, .float32)
        b.collections["losses"] = [x.endpoint, Endpoint(x.endpoint.node, 1), Endpoint(99), Endpoint(-1)]
        #expect((b.collections["losses"] ?? []).map { b.output(at: $0) } == [x, nil, nil, nil])
    }

    @Test("a gradient function that asks for an output or constant that cannot be is an error", arguments: [false, true])
    func gradientFunctions(_ asksForConstant: Bool) {
        let odd = OpDefinition("Odd", "(x: float) -> (y: float)").gradient { g in [asksForConstant ? g.constant([Int.max]) : g.gradient(5)] }
        let b = GraphBuilder(registry: OpRegistry.standard.adding(odd))
        let x = b.scalar(1, .float32)
        _ = b.gradients(of: [b.add("Odd", [x])[0]], with: [x])
        let expected = asksForConstant ? "Expected values of int32" : "it has 1 outputs, found index 5"
        #expect(b.failure?.code == .invalidArgument && b.failure?.message.contains(expected) == true)
    }
}

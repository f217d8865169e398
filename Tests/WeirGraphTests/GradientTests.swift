import Testing
import WeirGraph
import WeirOps
import WeirTensor
import WeirTesting

@Suite("Gradients against differences")
struct GradientTests {
    private let square = Tensor([0.5, -1.2, 0.3, 2.1, -0.7, 1.4, 0.9, -0.4, 1.1] as [Double], ofShape: [3, 3])
    private let positive = Tensor([0.5, 1.2, 0.3, 2.1] as [Double], ofShape: [2, 2])
    private let row = Tensor([0.2, -0.6, 1.3] as [Double])

    @Test(
        "of unary functions",
        arguments: [
            "Neg", "Exp", "Log", "Sqrt", "Rsqrt", "Square", "Tanh", "Sigmoid", "Sin", "Cos", "Log1p", "Softplus", "Elu", "Reciprocal",
        ])
    func unary(_ op: String) throws {
        #expect(try NumericGradient.error([positive]) { b, x in b.add(op, [x[0]])[0] } < 1e-6)
    }

    @Test("of binary functions with broadcasting", arguments: ["AddV2", "Sub", "Mul", "RealDiv", "Maximum", "SquaredDifference"])
    func binary(_ op: String) throws {
        #expect(try NumericGradient.error([square, row]) { b, x in b.add(op, x)[0] } < 1e-6)
    }

    @Test("of matrix products, transposed or not", arguments: [(false, false), (true, false), (false, true), (true, true)])
    func product(_ transposed: (Bool, Bool)) throws {
        let error = try NumericGradient.error([square, square]) { b, x in
            b.add("MatMul", x, attributes: ["transpose_a": .bool(transposed.0), "transpose_b": .bool(transposed.1)])[0]
        }
        #expect(error < 1e-6)
    }

    @Test("of reductions", arguments: ["Sum", "Mean", "Max", "Prod"])
    func reductions(_ op: String) throws {
        #expect(try NumericGradient.error([square]) { b, x in b.add(op, [x[0], b.constant(Tensor([Int32(1)]))])[0] } < 1e-6)
    }

    @Test("of a dense layer with cross entropy")
    func crossEntropy() throws {
        let error = try NumericGradient.error([square, square, row]) { b, x in
            let logits = b.add("BiasAdd", [b.add("MatMul", [x[0], x[1]])[0], x[2]])[0]
            return b.add("SparseSoftmaxCrossEntropyWithLogits", [logits, b.constant(Tensor([0, 2, 1] as [Int32]))])[0]
        }
        #expect(error < 1e-6)
    }

    @Test("of shapes taken apart and put together")
    func shapes() throws {
        let error = try NumericGradient.error([square, row]) { b, x in
            let flat = b.add("Reshape", [x[0], b.constant(Tensor([Int32(-1)]))])[0]
            let turned = b.add("Transpose", [x[0], b.constant(Tensor([1, 0] as [Int32]))])[0]
            let back = b.add("Reshape", [turned, b.constant(Tensor([Int32(9)]))])[0]
            return b.add("ConcatV2", [flat, back, x[1], b.scalar(0, .int32)])[0]
        }
        #expect(error < 1e-6)
    }

    @Test("through a conditional, whichever branch is taken", arguments: [-1.0, 1.0])
    func conditional(_ sign: Double) throws {
        let error = try NumericGradient.error([square]) { b, x in
            let predicate = b.add("Greater", [b.scalar(sign, .float64), b.scalar(0, .float64)])[0]
            return b.cond(predicate, then: { [b.add("Square", [x[0]])[0]] }, else: { [b.add("Neg", [x[0]])[0]] })[0]
        }
        #expect(error < 1e-6)
    }

    @Test("through a loop")
    func loop() throws {
        let error = try NumericGradient.error([row]) { b, x in
            b.whileLoop(
                [b.scalar(0, .int32), x[0]],
                while: { state in b.add("Less", [state[0], b.scalar(4, .int32)])[0] },
                body: { state in
                    [b.add("AddV2", [state[0], b.scalar(1, .int32)])[0], b.add("Mul", [state[1], x[0]])[0]]
                })[1]
        }
        #expect(error < 1e-6)
    }

    @Test("an op without a gradient between input and output is an error that names it")
    func missing() throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.add("Placeholder", name: "x", attributes: ["dtype": .type(.float32)])[0]
        let y = b.add("Digamma", [x], name: "y")[0]
        _ = b.gradients(of: [b.add("NextAfter", [y, y], name: "stuck")[0]], with: [x])
        do {
            _ = try b.graph()
        } catch {
            #expect(error.message.contains("stuck"))
        }
    }
}

@Suite("The order of gradients")
struct GradientOrderTests {
    @Test("a graph that is built again has the same gradient nodes, in the same order, with the same inputs")
    func order() throws {
        func built() throws -> [String] {
            let b = GraphBuilder(registry: .standard)
            let w = b.variable("w") { b.constant(Tensor([1, 2] as [Float])) }
            let products = (0..<6).map { _ in w.value * w.value * b.constant(Tensor([3, 4] as [Float])) }
            let sum = b.add("ConcatV2", products + [b.scalar(0, .int32)])[0]
            _ = b.gradients(of: sum, with: [w])
            return try b.graph().definition.nodes.map { "\($0.name) \($0.inputs)" }
        }
        let first = try built()
        for _ in 0..<20 { #expect(try built() == first) }
    }
}

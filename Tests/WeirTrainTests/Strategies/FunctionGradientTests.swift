import Testing
import Weir
import WeirGraph
import WeirTensor

@testable import WeirTrain

/// Models that call functions, for which the graph's library declares gradient functions.
@Suite("Declared gradients of functions")
struct FunctionGradientTests {
    enum Call: CaseIterable { case direct, partitioned, nested, branch }

    /// `OddSquare`, whose declared gradient is not that of a square: the negative of the result's gradient.
    private var library: FunctionLibrary {
        func function(_ name: String, _ arguments: [String], _ node: NodeDefinition, output: String) -> FunctionDefinition {
            FunctionDefinition(
                name: name, inputs: arguments.map { OpSchema.Argument(name: $0, type: .fixed(.float32)) },
                outputs: [OpSchema.Argument(name: "result", type: .fixed(.float32))], nodes: [node], returns: ["result": "\(node.name):\(output):0"])
        }
        let float: Attributes = ["T": .type(.float32)]
        let call: Attributes = ["f": .function(FunctionReference("OddSquare")), "Tin": .types([.float32]), "Tout": .types([.float32])]
        var library = FunctionLibrary([
            function("OddSquare", ["x"], NodeDefinition(name: "square", op: "Mul", inputs: ["x", "x"], attributes: float), output: "z"),
            function("OddGradient", ["x", "dy"], NodeDefinition(name: "negative", op: "Neg", inputs: ["dy"], attributes: float), output: "y"),
            function("Outer", ["x"], NodeDefinition(name: "inner", op: "PartitionedCall", inputs: ["x"], attributes: call), output: "output"),
        ])
        library.gradients["OddSquare"] = "OddGradient"
        return library
    }

    /// The mean of the squares of `features · w`.
    private func model(_ call: Call) throws -> ModelGraph {
        let builder = GraphBuilder(registry: .standard)
        builder.addLibrary(library)
        let features = builder.placeholder(.float32, shape: [nil, RandomNetwork.featureCount], name: "features")
        let labels = builder.placeholder(.int32, shape: [nil], name: "labels")
        let weights = builder.variable("layer/w") { builder.glorotUniform([RandomNetwork.featureCount, 2], seed: 1) }
        let product = builder.nameScope("layer") { features.matMul(weights.value) }
        func partitioned(_ name: String) -> Output {
            builder.add(
                "PartitionedCall", [product],
                attributes: [
                    "f": .function(FunctionReference(name)), "Tin": .types([.float32]), "Tout": .types([.float32]),
                    "_output_shapes": .shapes([product.shape]),
                ])[0]
        }
        let squares: Output =
            switch call {
            case .direct: builder.add("OddSquare", [product])[0]
            case .partitioned: partitioned("OddSquare")
            case .nested: partitioned("Outer")
            case .branch: builder.cond(features.sum(axes: [0, 1]).less(1e6), then: { [partitioned("OddSquare")] }, else: { [product] })[0]
            }
        let loss = builder.nameScope("loss") { squares.mean(axes: [0, 1]) }
        return try ModelGraph(builder.graph(), inputs: ["features": features.endpoint, "labels": labels.endpoint], loss: loss.endpoint)
    }

    @Test("strategies use them, wherever the function is called", arguments: Call.allCases)
    func gradients(_ call: Call) async throws {
        let model = try model(call)
        let rows = try RandomNetwork.table(rows: 8, seed: 2)
        let features = rows.features
        // The loss's gradient is 1/16 for each of the 16 squares, whose declared gradient changes the sign.
        let expected = (0..<RandomNetwork.featureCount).flatMap { feature in
            [Double](repeating: -features.reduce(0) { $0 + Double($1[feature]) } / 16, count: 2)
        }
        let scale = expected.reduce(0) { $0 + $1 * $1 }.squareRoot()
        for (strategy, batchSize) in [(SingleDevice(), 8), (InGraphReplication(), 4), (MeshParallel(["data": 2]), 4)] as [(any Strategy, Int)] {
            let found = try await OneStep.run(
                strategy, model, rows: rows, batchSize: batchSize, devices: strategy is SingleDevice ? ["/cpu:0"] : ["/cpu:0", "/cpu:1"])
            let gradient = try #require(found.gradients["layer/w"])
            let distance = zip(gradient, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
            #expect(gradient.count == expected.count && distance <= 1e-5 * scale, "\(strategy.name), \(call): \(distance)")
        }
    }

    @Test("a declared gradient that is not defined, or has another number of results, is refused")
    func refused() throws {
        for (name, expected) in [("Missing", "is not defined"), ("Pair", "must return a gradient for each of the 1 inputs")] {
            let builder = GraphBuilder(registry: .standard)
            var library = self.library
            let argument = OpSchema.Argument(name: "x", type: .fixed(.float32))
            try library.add(
                FunctionDefinition(
                    name: "Pair", inputs: [argument, OpSchema.Argument(name: "dy", type: .fixed(.float32))],
                    outputs: [OpSchema.Argument(name: "a", type: .fixed(.float32)), OpSchema.Argument(name: "b", type: .fixed(.float32))], nodes: [],
                    returns: ["a": "x", "b": "dy"]))
            library.gradients["OddSquare"] = name
            builder.addLibrary(library)
            let x = builder.placeholder(.float32, shape: [2], name: "x")
            _ = builder.gradients(of: [builder.add("OddSquare", [x])[0]], with: [x])
            #expect(builder.failure?.message.contains(expected) == true, "\(builder.failure.map { "\($0)" } ?? "no error")")
        }
    }
}

import Testing
import Weir
import WeirGraph

@testable import WeirTrain

@Suite("Layers of a model")
struct LayerCutTests {
    /// A model whose predictions a closure builds from features of shape `[rows, 4]`.
    private struct Made: Classifier {
        var inputs: [ModelInput] { [ModelInput("features", .float32, [4]), ModelInput("labels", .int32)] }
        let build: @Sendable (GraphBuilder, Output) -> Output
        init(_ build: @escaping @Sendable (GraphBuilder, Output) -> Output) { self.build = build }
        func predictions(_ inputs: ModelInputs) -> Output { build(inputs.builder, inputs["features"]) }
    }
    private static func dense(_ builder: GraphBuilder, _ name: String, _ x: Output, _ sizes: (Int, Int) = (4, 4)) -> Output {
        builder.nameScope(name) { x.matMul(builder.variable("w") { builder.filled(Shape(sizes.0, sizes.1), with: 0.5) }.value) }
    }
    private func layer(_ cut: LayerCut, _ model: ModelGraph, _ node: String) throws -> String? {
        let id = try #require(model.graph.index[node], "\(node)")
        return cut.layerOfNode[id].map { cut.layers[$0].name }
    }

    @Test("layers are the scopes in order; inputs, variables, loss and metrics go with them")
    func scopes() throws {
        let model = try ModelGraph(DenseNetwork(inputCount: 4, hidden: [8, 8], classCount: 3))
        let cut = try LayerCut(model)
        #expect(cut.layers.map(\.name) == ["hidden1", "hidden2", "output"])
        #expect(cut.layers.map(\.parameterByteCount) == [4 * (32 + 8), 4 * (64 + 8), 4 * (24 + 3)])
        #expect(try layer(cut, model, "features") == "hidden1")
        #expect(try layer(cut, model, "labels") == "output")
        #expect(try layer(cut, model, "hidden2/kernel/Read") == "hidden2")
        #expect(try layer(cut, model, "loss/value") == "output")
        #expect(cut.isJoined == [false, false, false])
    }

    @Test("a skip connection outside of all scopes goes with the last layer that it adds")
    func skip() throws {
        let model = try ModelGraph(
            Made { builder, x in
                let a = LayerCutTests.dense(builder, "a", x)
                let sum = builder.add("AddV2", [a, LayerCutTests.dense(builder, "b", a)], name: "skip")[0]
                return LayerCutTests.dense(builder, "c", sum)
            })
        let cut = try LayerCut(model)
        #expect(cut.layers.map(\.name) == ["a", "b", "c"])
        #expect(try layer(cut, model, "skip") == "b")
    }

    @Test("a variable that two layers share lives with the first")
    func shared() throws {
        let model = try ModelGraph(
            Made { builder, x in
                let shared = builder.variable("shared") { builder.filled(Shape(4, 4), with: 0.5) }
                let a = builder.nameScope("a") { x.matMul(shared.value).relu() }
                return builder.nameScope("b") { a.matMul(shared.read()) }
            })
        let cut = try LayerCut(model)
        #expect(cut.layers.map(\.name) == ["a", "b"])
        #expect(try layer(cut, model, "shared/handle") == "a")
    }

    @Test("if one scope holds the model, the scopes in it are the layers; without scopes there is one")
    func nesting() throws {
        let nested = Made { builder, x in
            builder.nameScope("net") { LayerCutTests.dense(builder, "b", LayerCutTests.dense(builder, "a", x)) }
        }
        #expect(try LayerCut(ModelGraph(nested)).layers.map(\.name) == ["net/a", "net/b"])
        let flat = Made { builder, x in x.matMul(builder.variable("w") { builder.filled(Shape(4, 3), with: 0.5) }.value) }
        #expect(try LayerCut(ModelGraph(flat)).layers.map(\.name) == ["model"])
    }

    @Test("layers that use each other are joined")
    func cycle() throws {
        let model = try ModelGraph(
            Made { builder, x in
                var (a, b) = (x, x)
                // The scope `a` is entered before and after `b`.
                let w = builder.variable("w") { builder.filled(Shape(4, 4), with: 0.5) }
                a = builder.add("MatMul", [x, w.value], name: "a/first")[0]
                b = builder.add("MatMul", [a, w.value], name: "b/middle")[0]
                a = builder.add("MatMul", [b, w.value], name: "a/second")[0]
                return builder.add("MatMul", [a, w.value], name: "c/last")[0]
            })
        let cut = try LayerCut(model)
        #expect(cut.layers.map(\.name) == ["a", "b", "c"])
        #expect(cut.isJoined == [false, true, false])
        let stages = try LayerAssignment.balanced().devices(of: cut, model, among: ["/cpu:0", "/cpu:1"], rowCount: 4)
        #expect(stages == [0, 0, 1])
        let error = #expect(throws: Status.self) {
            try LayerAssignment.balanced().devices(of: cut, model, among: ["/cpu:0", "/cpu:1", "/cpu:2"], rowCount: 4)
        }
        #expect(error?.code == .invalidArgument && error?.message.contains("a, b, c") == true)
    }

    @Test("rules give devices by name, a layer without one stays with the layer before it")
    func rules() throws {
        let model = try ModelGraph(DenseNetwork(inputCount: 4, hidden: [8, 8, 8], classCount: 3))
        let cut = try LayerCut(model)
        let devices = ["/cpu:0", "/cpu:1"]
        func assigned(_ text: String) throws -> [Int] { try LayerAssignment(rules: text).devices(of: cut, model, among: devices, rowCount: 4) }
        #expect(try assigned("hidden3=/cpu:1") == [0, 0, 1, 1])
        #expect(try assigned("hidden1=/cpu:1,hidden*=/cpu:0,out*=/cpu:1") == [1, 0, 0, 1])
        for (text, part) in [
            ("hidden4=/cpu:1", "the model's layers are hidden1, hidden2, hidden3, output"), ("hidden2=/cpu:7", "none of /cpu:0, /cpu:1"),
            ("hidden2", "hidden1=/cpu:0"), ("hidden2=cpu", "Malformed device"),
        ] {
            let error = #expect(throws: Status.self) { try assigned(text) }
            #expect(error?.code == .invalidArgument && error?.message.contains(part) == true, "\(text): \(error?.message ?? "none")")
        }
    }

    @Test(
        "a pattern's stars stand for any characters",
        arguments: [
            ("a*c", "abc", true), ("a*c", "ac", true), ("*", "", true), ("a*b*c", "axbxbxc", true), ("a*b", "abx", false), ("ab", "abc", false),
            ("", "a", false),
        ])
    func patterns(_ pattern: String, _ name: String, _ isMatch: Bool) {
        #expect(LayerAssignment.Rule(pattern, "/cpu:0").matches(name) == isMatch)
    }

    @Test("a layer for which the model asks for a device keeps it, and the others are balanced around it")
    func pinned() throws {
        let model = try ModelGraph(
            Made { builder, x in
                var y = x
                for index in 0..<4 { y = builder.device(index == 1 ? "/cpu:1" : "") { LayerCutTests.dense(builder, "d\(index)", y) } }
                return y
            })
        let cut = try LayerCut(model)
        #expect(cut.layers.map(\.requestedDevice?.index) == [nil, 1, nil, nil])
        #expect(try LayerAssignment.balanced().devices(of: cut, model, among: ["/cpu:0", "/cpu:1"], rowCount: 4) == [0, 1, 1, 1])
        let error = #expect(throws: Status.self) { try LayerAssignment.balanced().devices(of: cut, model, among: ["/cpu:0"], rowCount: 4) }
        #expect(error?.message.contains("'d1' asks for device /device:CPU:1") == true)
    }

    @Test("operations are counted from shapes; measured times are summed by layer")
    func costs() throws {
        let model = try ModelGraph(DenseNetwork(inputCount: 4, hidden: [8], classCount: 3))
        let cut = try LayerCut(model)
        let operations = try LayerCost.operations.layers(of: cut, model, rowCount: 10)
        // A product, a bias and an activation; the loss comes on top of the last layer.
        let (product, bias, activation) = (640.0, 80.0, 80.0)
        #expect(operations[0] == product + bias + activation)
        #expect(operations[1] > 510)
        let measured = LayerCost.measured(["tower0/hidden1/MatMul": 0.25, "output/MatMul": 2, "tower0/hidden1/Relu": 0.5, "other": 7])
        #expect(try measured.layers(of: cut, model, rowCount: 10) == [0.75, 2])
        #expect(throws: Status.self) { try LayerCost.measured(["other": 7]).layers(of: cut, model, rowCount: 10) }
        #expect(throws: Status.self) { try LayerCost.measured(["output/MatMul": .nan]).layers(of: cut, model, rowCount: 10) }
    }

    @Test("products and convolutions cost two operations for each term, other ops one for each element, and views nothing")
    func nodeCosts() throws {
        let builder = GraphBuilder(registry: .standard)
        func input(_ sizes: Int?...) -> Output { builder.placeholder(.float32, shape: PartialShape(sizes), name: "x") }
        func cost(_ op: String, _ inputs: [Output], _ attributes: Attributes = [:]) -> Double {
            builder.cost(of: builder.add(op, inputs, attributes: attributes).id)
        }
        let window: Attributes = ["strides": .ints([1, 1, 1, 1]), "padding": .string("SAME")]
        #expect(cost("MatMul", [input(4, 5), input(5, 6)]) == 240)
        #expect(cost("MatMul", [input(5, 4), input(5, 6)], ["transpose_a": true]) == 240)
        #expect(cost("BatchMatMulV2", [input(3, 4, 5), input(3, 5, 6)]) == 720)
        #expect(cost("BatchMatMulV2", [input(3, 5, 4), input(3, 5, 6)], ["adj_x": true]) == 720)
        #expect(cost("Conv2D", [input(2, 4, 4, 2), input(3, 3, 2, 8)], window) == 9216)
        #expect(cost("DepthwiseConv2dNative", [input(1, 4, 4, 2), input(3, 3, 2, 2)], window) == 1152)
        #expect(cost("Relu", [input(4, 5)]) == 20)
        // An unknown dimension counts as 1.
        #expect(cost("Relu", [input(nil, 5)]) == 5)
        #expect(cost("Shape", [input(4, 5)]) == 0)
        #expect(cost("Identity", [input(4, 5)]) == 0)
        #expect(builder.failure == nil)
    }

    @Test("the balanced cut is the best of all cuts", arguments: UInt64(1)...200)
    func balanced(_ seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let count = Int.random(in: 1...8, using: &random)
        let costs = (0..<count).map { _ in Double(Int.random(in: 0...9, using: &random)) }
        let isJoined = (0..<count).map { $0 > 0 && Int.random(in: 0..<5, using: &random) == 0 }
        let stageCount = Int.random(in: 1...count, using: &random)
        let fixed = (0..<count).map { _ in Int.random(in: 0..<6, using: &random) == 0 ? Int.random(in: 0..<stageCount, using: &random) : nil }
        var best = Double.infinity
        for marks in 0..<(1 << (count - 1)) where marks.nonzeroBitCount == stageCount - 1 {
            let starts = (0..<count).map { (layer: Int) -> Bool in layer > 0 && (marks >> (layer - 1)) & 1 == 1 }
            var sums = [Double](repeating: 0, count: stageCount), stage = 0, isAllowed = true
            for layer in 0..<count {
                if starts[layer] { stage += 1 }
                sums[stage] += costs[layer]
                if starts[layer] && isJoined[layer] || fixed[layer].map({ $0 != stage }) == true { isAllowed = false }
            }
            if isAllowed { best = min(best, sums.max() ?? 0) }
        }
        let found = BalancedCut(costs: costs, fixed: fixed, isJoined: isJoined).stages(stageCount)
        guard best < .infinity else { return #expect(found == nil) }
        let stages = try #require(found)
        var sums = [Double](repeating: 0, count: stageCount)
        for (stage, cost) in zip(stages, costs) { sums[stage] += cost }
        #expect(sums.max() == best && Set(stages).count == stageCount && stages == stages.sorted(), "\(costs) in \(stageCount)")
        #expect(zip(stages, fixed).allSatisfy { $1 == nil || $0 == $1 })
    }
}

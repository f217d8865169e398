import Testing
import WeirOps
import WeirRuntime
import WeirTensor

@testable import WeirGraph
@testable import WeirTrain

@Suite("Sharding pass")
struct ShardingPassTests {
    private static let meshes: [[Int]] = [[2], [3], [2, 2], [2, 3]]

    @Test("a random graph that is divided at random has the values and gradients of the whole graph", arguments: UInt64(1)...80)
    func sameValues(_ seed: UInt64) throws {
        var random = SplitMix(seed: seed &* 7919)
        let source = try RandomGraph(seed: seed, operationCount: Int.random(in: 2...12, using: &random))
        let sizes = try #require(ShardingPassTests.meshes.randomElement(using: &random))
        let mesh = try DeviceMesh(
            sizes.enumerated().map { .init("axis\($0)", $1) }, devices: (0..<sizes.reduce(1, *)).map { "/cpu:\($0)" })
        var layouts: [Endpoint: TensorSharding] = [:]
        for input in source.inputs {
            var sharding = TensorSharding.whole(mesh)
            for axis in mesh.axes.indices {
                let free = input.value.shape.dimensions.indices.filter { dimension in
                    input.value.shape[dimension] % mesh.axes[axis].size == 0 && !sharding.placements.contains(.cut(dimension))
                }
                if let dimension = free.randomElement(using: &random), Int.random(in: 0..<4, using: &random) > 0 {
                    sharding.placements[axis] = .cut(dimension)
                }
            }
            layouts[input.endpoint] = sharding
        }
        let facts = try ShardingFacts(source.graph, roots: source.roots, rowCount: 8)
        let kept = Set(mesh.axes.indices.filter { _ in Bool.random(using: &random) })
        let plan = try ShardingPass(facts, mesh: mesh, roots: source.roots, inputs: layouts, keptAxes: kept).run()

        let builder = GraphBuilder(registry: .standard)
        var sharded = try ShardedGraph(plan, in: builder, replacing: [:])
        let roots = try source.roots.map { try sharded.whole($0) }
        let placeholders = source.inputs.map { sharded.operation($0.endpoint.node)?[0] }
        let found = try values(builder, roots, placeholders, source, deviceCount: mesh.devices.count)

        let whole = GraphBuilder(extending: source.graph, registry: .standard)
        let expected = try values(
            whole, source.roots.map { Output(whole, $0) }, zip(source.inputs, placeholders).map { $1 == nil ? nil : Output(whole, $0.endpoint) }, source,
            deviceCount: 1)
        try #require(found.count == expected.count, "seed \(seed)")
        func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        // A gradient that is zero up to rounding has the rounding of what it is computed from.
        let scale = try expected.map { try norm($0.array(of: Double.self)) }.max() ?? 1
        for (index, (a, b)) in zip(found, expected).enumerated() {
            try #require(a.shape == b.shape, "seed \(seed), value \(index)")
            let distance = try norm(zip(a.array(of: Double.self), b.array(of: Double.self)).map { $0 - $1 })
            #expect(distance <= 1e-11 * max(scale, 1), "seed \(seed), value \(index), mesh \(mesh): \(distance) of \(scale)\n\(source.graph)")
        }
    }

    /// The values of the roots, and the gradients of the sum of their squares with respect to the placeholders that they need.
    private func values(
        _ builder: GraphBuilder, _ roots: [Output], _ placeholders: [Output?], _ source: RandomGraph, deviceCount: Int
    ) throws -> [Tensor] {
        let loss = builder.device("/cpu:0") { builder.add("AddN", roots.map { $0.square().sum() })[0] }
        let targets = placeholders.compactMap { $0 }.filter { $0.dtype == .float64 }
        let gradients = builder.device("/cpu:0") { builder.gradients(of: [loss], with: targets) }
        let session = try DirectSession(builder.graph(), registry: .standard, devices: LocalDevices(cpuCount: deviceCount))
        let feeds = zip(placeholders, source.inputs).compactMap { placeholder, input in placeholder.map { ($0.name, input.value) } }
        return try session.run(feeds: feeds, fetches: (roots + gradients.compactMap { $0 }).map(\.name))
    }

    @Test("gradients of uses on one device are summed there, other gradients where the value is", arguments: ["/cpu:1", "/cpu:2"])
    func placeOfSums(_ second: String) throws {
        let builder = GraphBuilder(registry: .standard)
        let x = builder.device("/cpu:0") { builder.placeholder(.float32, shape: [2], name: "x") }
        let uses = ["/cpu:1", second].map { device in builder.device(device) { x.tanh() } }
        let gradient = try #require(builder.gradients(of: [uses[0] + uses[1]], with: [x])[0])
        let node = builder.node(gradient.endpoint.node)
        let group = try #require(node.attributes.strings("_class")?.first?.description)
        #expect(node.op.name == "AddN")
        #expect(second == "/cpu:1" ? group.hasPrefix("loc:@gradients/") : group == "loc:@x")
    }

    @Test("an op without a rule gets whole inputs")
    func withoutRule() throws {
        let builder = GraphBuilder(registry: .standard)
        let x = builder.placeholder(.float64, shape: [6, 6], name: "x")
        let reversed = builder.add("ReverseV2", [x, builder.constant(Tensor([Int32(0)]))])[0]
        let graph = try builder.graph()
        let mesh = try DeviceMesh([.init("model", 2)], devices: ["/cpu:0", "/cpu:1"])
        let facts = try ShardingFacts(graph, roots: [reversed.endpoint], rowCount: 1)
        let plan = try ShardingPass(facts, mesh: mesh, roots: [reversed.endpoint], inputs: [x.endpoint: .cut(0, along: 0, of: mesh)]).run()
        let node = try #require(plan.nodes[reversed.endpoint.node])
        #expect(node.inputs[0].isWhole)
        #expect(node.outputs[0].isWhole)
    }

    @Test("a cut of columns and a cut of rows need one sum")
    func columnsThenRows() throws {
        let builder = GraphBuilder(registry: .standard)
        let x = builder.placeholder(.float32, shape: [8, 16], name: "x")
        let first = builder.variable("first") { builder.filled([16, 64], with: 1) }
        let second = builder.variable("second") { builder.filled([64, 16], with: 1) }
        let y = x.matMul(first.value).relu().matMul(second.value)
        let mesh = try DeviceMesh([.init("model", 4)], devices: (0..<4).map { "/cpu:\($0)" })
        let facts = try ShardingFacts(builder.graph(), roots: [y.endpoint], rowCount: 8)
        func choices(_ variable: Variable) -> [ShardingPass.Choice] {
            [0, 1].map { .init(.cut($0, along: 0, of: mesh)) } + [.init(.whole(mesh), isUncut: true)]
        }
        let plan = try ShardingPass(
            facts, mesh: mesh, roots: [y.endpoint],
            variables: [first.handle.endpoint.node: choices(first), second.handle.endpoint.node: choices(second)]
        ).run()
        #expect(plan.sharding(of: first.handle.endpoint) == .cut(1, along: 0, of: mesh))
        #expect(plan.sharding(of: second.handle.endpoint) == .cut(0, along: 0, of: mesh))
        // x goes to three devices, and three addends come back: 2 × 3 × 8 × 16 × 4 bytes.
        #expect(abs(plan.movedByteCount - 3072) < 10)
    }

    @Test(
        "a reshape cuts the major dimension of each run",
        arguments: [
            ([8, 12], [8, 3, 4], [true, true], [true, true, false]), ([2, 3, 4], [6, 4], [true, false, true], [true, true]),
            ([nil, 8, 8], [nil, 64], [true, true, false], [true, true]), ([nil, 4, 6], [nil, 6], [true, false, true], [true, true]),
            ([nil, 6], [nil, 4, 6], [true, true], [true, false, true]), ([4, 1, 3], [12], [true, false, false], [true]),
            ([4, 6], [6, 4], [true, false], [true, false]),
        ] as [([Int?], [Int?], [Bool], [Bool])])
    func regrouping(_ from: [Int?], _ to: [Int?], _ input: [Bool], _ output: [Bool]) throws {
        let labels = try #require(ShardingRule.regrouping(PartialShape(from), PartialShape(to)))
        #expect(labels.input.map { $0 != .whole } == input)
        #expect(labels.output.map { $0 != .whole } == output)
        #expect(labels.input.filter { $0 != .whole } == labels.output.filter { $0 != .whole })
    }
}

import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// Fused products and convolutions give the same bits as the separate ops.
@Suite("Fused products and convolutions")
struct ProductFusionTests {
    /// Expects the same bits of each result with and without product fusion.
    private func expectSameBits(_ builder: GraphBuilder, _ results: [Output], _ feeds: [(String, Tensor)], _ label: String) throws {
        func run(_ passes: [any GraphPass]) throws -> [[UInt32]] {
            var options = RuntimeOptions()
            options.execution.optimizer = GraphOptimizer(passes: passes)
            let session = try DirectSession(builder.graph(), registry: .standard, options: options)
            // Fetched one by one, because identical products would be merged in one step.
            return try results.map { try session.run(feeds: feeds, fetches: [$0.name])[0].array(of: Float.self).map(\.bitPattern) }
        }
        let (plain, fused) = (try run([]), try run([ContractionFusion()]))
        for (index, result) in results.enumerated() { #expect(plain[index] == fused[index], "\(label), \(result.name)") }
    }

    @Test("a product fused with bias and activation gives the same bits at every size", arguments: [false, true])
    func products(_ transposed: Bool) throws {
        for (rows, columns, depth) in [(1, 1, 1), (5, 3, 7), (32, 20, 10), (3, 40, 33), (64, 130, 40), (156, 512, 32), (70, 515, 300)] {
            let b = GraphBuilder(registry: .standard)
            func placeholder(_ name: String) -> Output { b.add("Placeholder", name: name, attributes: ["dtype": .type(.float32)])[0] }
            let (x, y, bias, other) = (placeholder("x"), placeholder("y"), placeholder("bias"), placeholder("other"))
            func product() -> Output {
                b.add("MatMul", [x, y], attributes: ["transpose_a": .bool(transposed), "transpose_b": .bool(!transposed)])[0]
            }
            var results = [b.add("AddV2", [other, product()])[0], b.add("AddV2", [product(), bias])[0], b.add("BiasAdd", [product(), bias])[0]]
            for activation in ["Relu", "Relu6", "Elu", "LeakyRelu", "Tanh", "Sigmoid"] {
                results.append(b.add(activation, [b.add("BiasAdd", [product(), bias])[0]])[0])
            }
            func numbers(_ count: Int, _ step: Int) -> [Float] { (0..<count).map { Float($0 * step % 1009) / 400 - 1.25 } }
            let feeds = [
                ("x:0", Tensor(numbers(rows * depth, 17), ofShape: transposed ? [depth, rows] : [rows, depth])),
                ("y:0", Tensor(numbers(depth * columns, 29), ofShape: transposed ? [depth, columns] : [columns, depth])),
                ("bias:0", Tensor(numbers(columns, 5))), ("other:0", Tensor(numbers(rows * columns, 7), ofShape: [rows, columns])),
            ]
            try expectSameBits(b, results, feeds, "\(rows) x \(columns) x \(depth)")
        }
    }

    @Test("a convolution fused with bias and activation gives the same bits", arguments: ["NHWC", "NCHW"])
    func convolutions(_ format: String) throws {
        let isLast = format == "NHWC"
        // Batch, side, input and output channels, filter side: few and many images per block, and one image larger than a block.
        for (batch, side, ins, outs, window) in [(1, 5, 1, 3, 3), (6, 20, 3, 32, 5), (7, 9, 5, 20, 1), (12, 24, 8, 40, 3), (2, 64, 2, 17, 3)] {
            let b = GraphBuilder(registry: .standard)
            func placeholder(_ name: String, _ shape: Shape) -> Output {
                b.add("Placeholder", name: name, attributes: ["dtype": .type(.float32), "shape": .shape(PartialShape(shape))])[0]
            }
            let inputShape = isLast ? Shape([batch, side, side, ins]) : [batch, ins, side, side], filterShape = Shape([window, window, ins, outs])
            let (x, filter, bias) = (placeholder("x", inputShape), placeholder("filter", filterShape), placeholder("bias", [outs]))
            func convolution() -> Output {
                b.add(
                    "Conv2D", [x, filter],
                    attributes: ["strides": .ints([1, 1, 1, 1]), "padding": .string("SAME"), "data_format": .string(ByteString(format))])[0]
            }
            func biased() -> Output { convolution().biasAdd(bias, channelsFirst: !isLast) }
            var results = [biased()]
            if isLast { results.append(b.add("AddV2", [convolution(), bias])[0]) }
            for activation in ["Relu", "Relu6", "Elu", "LeakyRelu", "Tanh", "Sigmoid"] { results.append(b.add(activation, [biased()])[0]) }
            func numbers(_ shape: Shape, _ step: Int) -> Tensor {
                Tensor((0..<shape.elementCount).map { Float($0 * step % 1009) / 400 - 1.25 }, ofShape: shape)
            }
            let feeds = [("x:0", numbers(inputShape, 17)), ("filter:0", numbers(filterShape, 29)), ("bias:0", numbers([outs], 5))]
            let devices = try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0), options: RuntimeOptions())
            let environment = PassEnvironment(registry: .standard, place: devices.client)
            let optimized = try GraphOptimizer(passes: [ContractionFusion()]).run(b.graph(), environment)
            #expect(optimized.nodes.filter { $0.op.name == "_FusedConv2D" }.count == results.count && optimized.nodes.count == results.count + 3)
            try expectSameBits(b, results, feeds, "\(batch) x \(side) x \(ins) -> \(outs)")
        }
    }

    @Test("a fused sum may broadcast the product, and does not overwrite fed tensors")
    func productSums() throws {
        let b = GraphBuilder(registry: .standard)
        func placeholder(_ name: String) -> Output { b.add("Placeholder", name: name, attributes: ["dtype": .type(.float32)])[0] }
        let (x, other) = (placeholder("x"), placeholder("other"))
        let sum = b.add("AddV2", [b.add("MatMul", [x, x], attributes: ["transpose_b": true])[0], other])[0]
        let devices = try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0), options: RuntimeOptions())
        let optimized = try GraphOptimizer.standard.run(b.graph(), PassEnvironment(registry: .standard, place: devices.client))
        #expect(optimized.nodes.map(\.op.name).sorted() == ["Placeholder", "Placeholder", "_FusedMatMul"])
        let session = try DirectSession(b.graph(), registry: .standard)
        let small = Tensor([1, 2] as [Float], ofShape: [2, 1])
        let wide = try session.run(feeds: [("x:0", small), ("other:0", Tensor([10, 20, 30] as [Float], ofShape: [3, 1, 1]))], fetches: [sum.name])[0]
        #expect(wide.shape == [3, 2, 2])
        #expect(try wide.array(of: Float.self) == [11, 12, 12, 14, 21, 22, 22, 24, 31, 32, 32, 34])
        // Large enough to be added in place, but the client holds the tensor.
        let ones = Tensor([Float](repeating: 1, count: 100 * 100), ofShape: [100, 100])
        for _ in 0..<2 {
            let result = try session.run(feeds: [("x:0", ones), ("other:0", ones)], fetches: [sum.name])[0]
            #expect(try result.array(of: Float.self).allSatisfy { $0 == 101 })
        }
        #expect(try ones.array(of: Float.self).allSatisfy { $0 == 1 })
        do {
            _ = try session.run(feeds: [("x:0", small), ("other:0", Tensor([1, 2, 3] as [Float]))], fetches: [sum.name])
            Issue.record("shapes that do not broadcast must fail")
        } catch let status as Status {
            #expect(status.code == .invalidArgument && status.message.contains("Incompatible shapes"))
        }
    }
}

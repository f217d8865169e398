import Weir

extension BenchmarkCase {
    /// Graphs of one op: the cost of the kernel and of the step around it.
    static let kernels: [BenchmarkCase] =
        bySize { kernel("AddV2", $0, $1, [[$2], [$2]]) }
        + bySize { kernel("Tanh", $0, $1, [[$2]]) }
        + bySize { sum($0, $1, [$2]) }
        + [
            kernel("MatMul", "8", 200, [[8, 8], [8, 8]]),
            kernel("MatMul", "64", 10, [[64, 64], [64, 64]]),
            kernel("MatMul", "256", 1, [[256, 256], [256, 256]]),
            kernel("Softmax", "8x10", 200, [[8, 10]]),
            kernel("Softmax", "64x100", 20, [[64, 100]]),
            kernel("Softmax", "256x1000", 2, [[256, 1000]]),
            kernel("BiasAdd", "8x10", 200, [[8, 10], [10]]),
            kernel("BiasAdd", "128x256", 20, [[128, 256], [256]]),
            kernel("BiasAdd", "256x1024", 5, [[256, 1024], [1024]]),
            kernel("Conv2D", "8x8x1-3x3x4", 100, [[1, 8, 8, 1], [3, 3, 1, 4]], convolution),
            kernel("Conv2D", "28x28x1-5x5x32", 5, [[1, 28, 28, 1], [5, 5, 1, 32]], convolution),
            kernel("Conv2D", "14x14x32-5x5x64", 1, [[1, 14, 14, 32], [5, 5, 32, 64]], convolution),
            kernel("_FusedConv2D", "28x28x1-5x5x32-Relu", 5, [[1, 28, 28, 1], [5, 5, 1, 32], [32]], fusedConvolution),
            kernel("MaxPool", "28x28x32-2x2", 20, [[1, 28, 28, 32]], pooling),
            kernel("MaxPoolGrad", "28x28x32-2x2", 20, [[1, 28, 28, 32], [1, 14, 14, 32], [1, 14, 14, 32]], pooling),
        ]

    private static let convolution: Attributes = ["strides": .ints([1, 1, 1, 1]), "padding": "SAME"]
    private static let fusedConvolution: Attributes = [
        "strides": .ints([1, 1, 1, 1]), "padding": "SAME", "num_args": .int(1), "TArgs": .types([.float32]),
        "fused_ops": .strings(["BiasAdd", "Relu"]),
    ]
    private static let pooling: Attributes = ["ksize": .ints([1, 2, 2, 1]), "strides": .ints([1, 2, 2, 1]), "padding": "VALID"]

    /// One case for each of three vector sizes. They are dominated by the cost of a step, of a layer, and of memory.
    private static func bySize(_ make: (_ label: String, _ iterations: Int, _ count: Int) -> BenchmarkCase) -> [BenchmarkCase] {
        [make("64", 200, 64), make("4K", 50, 4 << 10), make("256K", 3, 256 << 10)]
    }

    private static func kernel(
        _ op: String, _ label: String, _ iterations: Int, _ shapes: [Shape], _ attributes: Attributes = [:]
    ) -> BenchmarkCase {
        BenchmarkCase("kernel/\(op)/\(label)", iterations: iterations, warmUp: iterations < 10 ? 2 : 6) {
            let builder = GraphBuilder(registry: .standard)
            let feeds = try shapes.map { (builder.placeholder($0), try Tensor.sample($0)) }
            let result = builder.add(op, feeds.map(\.0), attributes: attributes)[0]
            return try DirectSession.onOneThread(builder.graph(), optimizer: .none)
                .step(feeding: feeds, fetching: result)
        }
    }

    private static func sum(_ label: String, _ iterations: Int, _ shape: Shape) -> BenchmarkCase {
        BenchmarkCase("kernel/Sum/\(label)", iterations: iterations, warmUp: iterations < 10 ? 2 : 6) {
            let builder = GraphBuilder(registry: .standard)
            let x = builder.placeholder(shape)
            let result = builder.add("Sum", [x, builder.constant(Tensor([0] as [Int32]))])[0]
            return try DirectSession.onOneThread(builder.graph(), optimizer: .none)
                .step(feeding: [(x, try .sample(shape))], fetching: result)
        }
    }
}

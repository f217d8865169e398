import OpCaseRunner
import Testing
import WeirDevice
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor

/// Products, convolutions and the like on an emulated card give what they give on the CPU, for sizes that take a kernel's other ways.
/// Elements are small integers, so that sums are exact in any order.
@Suite("Neural network ops on a card and on the CPU", .timeLimit(.minutes(5)))
struct CUDANeuralTests {
    /// The card's libraries: with cuBLASLt and without it.
    enum Libraries: String, CaseIterable {
        case all, withoutProducts
        var runtime: CUDARuntime { self == .all ? EmulatedCUDA.runtime : EmulatedCUDA.withoutProducts }
    }

    /// Integers from -most to most in an order that repeats late.
    private static func integers(_ dimensions: [Int], seed: Int = 1, _ dtype: DType = .float32, most: Int = 3, offset: Float = 0) -> Tensor {
        var state = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15
        let values = (0..<dimensions.reduce(1, *)).map { _ -> Float in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int(state >> 33) % (2 * most + 1) - most) + offset
        }
        let shape = Shape(dimensions)
        switch dtype {
        case .float64: return Tensor(values.map(Double.init), ofShape: shape)
        case .float16: return Tensor(values.map { Float16($0) }, ofShape: shape)
        case .bfloat16: return Tensor(values.map { BFloat16($0) }, ofShape: shape)
        case .complex64: return Tensor(values.map { Complex64($0, $0 - 1) }, ofShape: shape)
        case .complex128: return Tensor(values.map { Complex128(Double($0), Double($0 - 1)) }, ofShape: shape)
        case .int32: return Tensor(values.map { Int32($0) }, ofShape: shape)
        default: return Tensor(values, ofShape: shape)
        }
    }

    /// Runs a graph on both, and records an issue for each output that differs by more than `tolerance` times its greatest number.
    private func compare(
        _ title: String, _ inputs: [Tensor], tolerance: Double = 0, _ libraries: Libraries = .all, at location: SourceLocation = #_sourceLocation,
        _ body: (GraphBuilder, [Output]) -> [Output]
    ) throws {
        func run(onCard: Bool) throws -> [Tensor] {
            let b = GraphBuilder(registry: .standard)
            let places = inputs.enumerated().map { b.placeholder($1.dtype, shape: PartialShape($1.shape), name: "in\($0)") }
            let outputs = b.device(onCard ? "/device:GPU:0" : "/device:CPU:0") { body(b, places) }
            var options = RuntimeOptions()
            options.execution.optimizer = .none
            if onCard {
                options.cuda = libraries.runtime
                options.gpus = GPUOptions(visibleDevices: [0])
            }
            let session = try DirectSession(b.graph(), registry: .standard, options: options)
            return try session.run(feeds: zip(places, inputs).map { ($0.name, $1) }, fetches: outputs.map(\.name))
        }
        for (index, (card, host)) in zip(try run(onCard: true), try run(onCard: false)).enumerated() {
            #expect(card.dtype == host.dtype && card.shape == host.shape, "\(title), output \(index)", sourceLocation: location)
            guard card.shape == host.shape, !card.bytes.elementsEqual(host.bytes) else { continue }
            guard let found = numbers(card), let expected = numbers(host) else {
                Issue.record("\(title), output \(index): other bytes", sourceLocation: location)
                continue
            }
            let most = tolerance * expected.reduce(0) { $1.isFinite ? max($0, abs($1)) : $0 }
            let wrong = zip(found, expected).enumerated().first { !($1.0 == $1.1 || $1.0.isNaN && $1.1.isNaN || abs($1.0 - $1.1) <= most) }
            if let wrong {
                Issue.record("\(title), output \(index), element \(wrong.0): expected \(wrong.1.1), found \(wrong.1.0)", sourceLocation: location)
            }
        }
    }

    @Test("products", arguments: Libraries.allCases)
    func products(_ libraries: Libraries) throws {
        let sizes = [
            (1, 1, 1), (3, 5, 7), (64, 64, 16), (65, 63, 17), (130, 33, 40), (129, 200, 9), (1, 300, 3), (5, 1, 600), (2, 2, 5000), (30, 40, 0),
        ]
        for (rows, columns, depth) in sizes {
            for (a, b) in [(false, false), (true, false), (false, true), (true, true)] {
                let types: [DType] = rows == 65 ? [.float32, .float64, .float16, .bfloat16, .complex64, .complex128] : [.float32]
                for dtype in types {
                    let left = CUDANeuralTests.integers(a ? [depth, rows] : [rows, depth], dtype)
                    let right = CUDANeuralTests.integers(b ? [columns, depth] : [depth, columns], seed: 2, dtype)
                    try compare("\(dtype) \(rows) \(columns) \(depth) \(a) \(b)", [left, right], libraries) { _, x in
                        [x[0].matMul(x[1], transposeA: a, transposeB: b)]
                    }
                }
            }
        }
    }

    @Test("batches of products, some operands repeated", arguments: Libraries.allCases)
    func batches(_ libraries: Libraries) throws {
        for (left, right) in [([5], [5]), ([3, 1], [1, 4]), ([1], [6]), ([6], [1]), ([2, 1, 3], [1, 2, 1]), ([], [4]), ([20, 1], [1, 3])] {
            for (a, b) in [(false, false), (true, true)] {
                let x = CUDANeuralTests.integers(left + (a ? [9, 33] : [33, 9])), y = CUDANeuralTests.integers(right + (b ? [20, 9] : [9, 20]), seed: 3)
                try compare("\(left) \(right) \(a) \(b)", [x, y], libraries) { builder, x in
                    [builder.add("BatchMatMulV2", [x[0], x[1]], attributes: ["adj_x": .bool(a), "adj_y": .bool(b)])[0]]
                }
            }
        }
    }

    @Test("products with bias, activation or sum", arguments: Libraries.allCases)
    func fusedProducts(_ libraries: Libraries) throws {
        for activation in [[], ["Relu"], ["Relu6"], ["Elu"], ["LeakyRelu"], ["Tanh"], ["Sigmoid"], ["GeluExact"], ["GeluApproximate"]] {
            for dtype in activation == ["Relu"] ? [DType.float32, .float16, .bfloat16] : [.float32] {
                let inputs = [[70, 40], [40, 90], [90]].enumerated().map { CUDANeuralTests.integers($1, seed: $0, dtype) }
                try compare("\(activation) \(dtype)", inputs, tolerance: 1e-6, libraries) { b, x in
                    let fused = AttributeValue.strings((["BiasAdd"] + activation).map { ByteString($0) })
                    return [b.add("_FusedMatMul", x, attributes: ["num_args": 1, "fused_ops": fused, "T": .type(dtype)])[0]]
                }
            }
        }
    }

    struct Convolution: Sendable {
        var images = [2, 9, 7, 5]
        var filter = [3, 3, 5, 6]
        var strides = [1, 1]
        var dilations = [1, 1]
        var padding = "SAME"
        var explicit: [Int] = []
        var channelsFirst = false
        var dtype = DType.float32
        var isDepthwise = false
    }
    static let convolutions: [Convolution] = [
        .init(), .init(channelsFirst: true), .init(strides: [2, 2]), .init(strides: [2, 2], channelsFirst: true), .init(strides: [3, 2], padding: "VALID"),
        .init(filter: [2, 2, 5, 3], strides: [4, 3], padding: "VALID"), .init(dilations: [2, 2]), .init(strides: [2, 2], dilations: [3, 2]),
        .init(filter: [4, 5, 5, 33], strides: [2, 1], padding: "EXPLICIT", explicit: [0, 0, 2, 1, 3, 0, 0, 0]),
        .init(images: [3, 8, 8, 12], filter: [1, 1, 12, 40]), .init(images: [3, 8, 8, 12], filter: [1, 1, 12, 40], channelsFirst: true),
        .init(images: [3, 8, 8, 12], filter: [1, 1, 12, 10], strides: [2, 2]), .init(images: [1, 40, 40, 3], filter: [7, 7, 3, 70], strides: [2, 2]),
        .init(images: [2, 6, 6, 8], filter: [3, 3, 4, 6]), .init(images: [2, 6, 6, 8], filter: [3, 3, 4, 6], channelsFirst: true),
        .init(images: [2, 6, 6, 8], filter: [3, 3, 1, 16]), .init(dtype: .float16), .init(dtype: .float64), .init(strides: [2, 2], dtype: .bfloat16),
        .init(images: [6, 20, 20, 4], filter: [3, 3, 4, 5]), .init(images: [0, 9, 7, 5]),
        .init(filter: [3, 3, 5, 2], isDepthwise: true), .init(filter: [3, 3, 5, 1], strides: [2, 2], isDepthwise: true),
        .init(filter: [3, 3, 5, 2], strides: [2, 2], channelsFirst: true, isDepthwise: true),
        .init(filter: [2, 3, 5, 3], dilations: [2, 3], isDepthwise: true),
        .init(images: [4, 30, 30, 40], filter: [3, 3, 40, 1], isDepthwise: true),
        .init(images: [4, 30, 30, 3], filter: [3, 3, 3, 1], channelsFirst: true, isDepthwise: true),
    ]

    @Test("convolutions and their gradients", arguments: Libraries.allCases)
    func convolutions(_ libraries: Libraries) throws {
        for c in CUDANeuralTests.convolutions {
            func format(_ inner: [Int]) -> [Int] { c.channelsFirst ? [1, 1] + inner : [1] + inner + [1] }
            let shape = c.channelsFirst ? [c.images[0], c.images[3], c.images[1], c.images[2]] : c.images
            let (images, filter) = (CUDANeuralTests.integers(shape, c.dtype), CUDANeuralTests.integers(c.filter, seed: 5, c.dtype))
            var attributes: Attributes = [
                "strides": .ints(format(c.strides)), "dilations": .ints(format(c.dilations)), "padding": .string(ByteString(c.padding)),
                "data_format": c.channelsFirst ? "NCHW" : "NHWC", "T": .type(c.dtype),
            ]
            if !c.explicit.isEmpty { attributes["explicit_paddings"] = .ints(c.explicit) }
            let op = c.isDepthwise ? "DepthwiseConv2dNative" : "Conv2D"
            // The output's shape, for its gradient.
            let b = GraphBuilder(registry: .standard)
            let made = b.add(
                op, [b.placeholder(c.dtype, shape: PartialShape(images.shape)), b.placeholder(c.dtype, shape: PartialShape(filter.shape))],
                attributes: attributes)[0]
            let flow = CUDANeuralTests.integers(try #require(made.shape.known).dimensions, seed: 7, c.dtype)
            try compare("\(c)", [images, filter, flow], libraries) { b, x in
                let sizes = [images, filter].map { b.constant(Tensor($0.shape.dimensions.map { Int32($0) })) }
                return [
                    b.add(op, [x[0], x[1]], attributes: attributes)[0],
                    b.add("\(op)BackpropInput", [sizes[0], x[1], x[2]], attributes: attributes)[0],
                    b.add("\(op)BackpropFilter", [x[0], sizes[1], x[2]], attributes: attributes)[0],
                ]
            }
        }
    }

    @Test("rows of any length", arguments: [DType.float32, .float64, .float16])
    func rows(_ dtype: DType) throws {
        for width in [1, 2, 31, 33, 512, 513, 1024, 1025, 4097, 9000] {
            let labels = Tensor([Int32(0), Int32(width / 2), Int32(width - 1)])
            let inputs = [CUDANeuralTests.integers([3, width], dtype), CUDANeuralTests.integers([1, width], seed: 2, dtype), labels]
            try compare("\(width)", inputs, tolerance: dtype == .float64 ? 1e-12 : dtype == .float32 ? 2e-5 : 2e-3) { b, x in
                let logits = x[0]
                let entropy = b.add("SoftmaxCrossEntropyWithLogits", [logits, x[1]])
                // TensorFlow's GPUs have no kernel for float64 here.
                let sparse = dtype == .float64 ? [] : b.add("SparseSoftmaxCrossEntropyWithLogits", [logits, x[2]]).outputs
                return [logits.softmax(), logits.logSoftmax()] + entropy.outputs + sparse
            }
        }
    }

    @Test("the largest elements of rows", arguments: [DType.float32, .int32, .float16])
    func largest(_ dtype: DType) throws {
        for (rows, width, ks) in [
            (40, 5, [1, 2, 5]), (3, 1000, [1, 3, 700]), (2, 1500, [1, 2, 512, 513, 1500]), (1, 70000, [1, 7, 512, 900]), (300, 17, [3]),
        ] {
            try compare("\(width)", [CUDANeuralTests.integers([rows, width], dtype, most: 1000)]) { b, x in
                ks.flatMap { k in b.add("TopKV2", [x[0], b.constant(Tensor(Int32(k)))]).outputs }
            }
        }
    }

    @Test("channels in the last place and in the second")
    func channels() throws {
        for shape in [[5000, 3], [7, 8], [3, 300], [2, 3, 5, 1025], [130, 64]] {
            for dtype in [DType.float32, .float16] {
                let inputs = [shape, [shape[shape.count - 1]], [shape[1]]].map { CUDANeuralTests.integers($0, dtype) }
                try compare("\(shape) \(dtype)", inputs, tolerance: 1e-3) { b, x in
                    let first: Attributes = ["data_format": "NCHW"]
                    return [
                        b.add("BiasAdd", [x[0], x[1]])[0], b.add("BiasAdd", [x[0], x[2]], attributes: first)[0], b.add("BiasAddGrad", [x[0]])[0],
                        b.add("BiasAddGrad", [x[0]], attributes: first)[0],
                    ]
                }
            }
        }
    }

    @Test("batch normalization around a large mean", arguments: [[20, 30, 10, 3], [4, 40, 7, 7], [2, 3, 4, 300]])
    func batchNormalization(_ shape: [Int]) throws {
        for format in ["NHWC", "NCHW"] {
            let channels = format == "NHWC" ? shape[3] : shape[1]
            let vectors = (2...3).map { CUDANeuralTests.integers([channels], seed: $0) }
            for offset: Float in [0, 1000] {
                let inputs = [CUDANeuralTests.integers(shape, offset: offset), CUDANeuralTests.integers(shape, seed: 9)] + vectors
                try compare("\(shape) \(format) \(offset)", inputs, tolerance: offset == 0 ? 1e-5 : 2e-4) { b, x in
                    let attributes: Attributes = ["data_format": .string(ByteString(format)), "epsilon": 0.001, "U": .type(.float32)]
                    let images = x[0], empty = b.constant(Tensor([Float](), ofShape: Shape(0)))
                    let normal = b.add("FusedBatchNormV3", [images, x[2], x[3], empty, empty], attributes: attributes)
                    let gradients = b.add(
                        "FusedBatchNormGradV3", [x[1], images, x[2], normal[3], normal[4], normal[5]], attributes: attributes)
                    return Array(normal.outputs[0...4]) + Array(gradients.outputs[0...2])
                }
            }
        }
    }

    @Test("pooling and its gradients", arguments: ["NHWC", "NCHW"])
    func pooling(_ format: String) throws {
        for (window, stride, padding) in [(3, 2, "SAME"), (2, 2, "VALID"), (3, 1, "SAME"), (2, 3, "VALID"), (5, 1, "VALID")] {
            let shape = format == "NHWC" ? [3, 13, 11, 9] : [3, 9, 13, 11]
            func list(_ n: Int) -> AttributeValue { .ints(format == "NHWC" ? [1, n, n, 1] : [1, 1, n, n]) }
            let attributes: Attributes = [
                "ksize": list(window), "strides": list(stride), "padding": .string(ByteString(padding)), "data_format": .string(ByteString(format)),
            ]
            try compare("\(window) \(stride) \(padding)", [CUDANeuralTests.integers(shape), CUDANeuralTests.integers(shape, seed: 4)], tolerance: 1e-6) {
                b, x in
                let greatest = b.add("MaxPool", [x[0]], attributes: attributes)[0], mean = b.add("AvgPool", [x[0]], attributes: attributes)[0]
                return [
                    greatest, mean, b.add("MaxPoolGrad", [x[0], greatest, mean], attributes: attributes)[0],
                    b.add("AvgPoolGrad", [b.constant(Tensor(shape.map { Int32($0) })), greatest], attributes: attributes)[0],
                    b.add("MaxPoolGradGrad", [x[0], greatest, x[1]], attributes: attributes)[0],
                ]
            }
        }
    }

    @Test("gradients of many windows at one element are added in order")
    func crowdedGradients() throws {
        let flow = CUDANeuralTests.integers([2, 30, 30, 2]), images = CUDANeuralTests.integers([2, 60, 60, 2])
        // All windows of an image at its element 5, and few at the others.
        let places = Tensor((0..<3600).map { $0 % 1800 < 1500 ? Int64(5) : Int64($0 % 1800) }, ofShape: Shape(2, 30, 30, 2))
        try compare("crowded", [images, flow, places]) { b, x in
            [
                b.add(
                    "MaxPoolGradWithArgmax", [x[0], x[1], x[2]],
                    attributes: ["ksize": .ints([1, 2, 2, 1]), "strides": .ints([1, 2, 2, 1]), "padding": "VALID"])[0]
            ]
        }
    }
}

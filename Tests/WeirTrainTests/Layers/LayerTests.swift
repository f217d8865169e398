import Foundation
import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirTrain

@Suite("Layers")
struct LayerTests {
    /// A layer with the input for which Keras's numbers are known.
    struct Sample: Sendable, CustomTestStringConvertible {
        let name: String
        let layer: any Layer
        let shape: [Int]
        var mode = LayerMode.training
        var isInteger = false
        var dtype = DType.float64
        var testDescription: String { name }

        init(_ name: String, _ layer: any Layer, _ shape: [Int], mode: LayerMode = .training, isInteger: Bool = false, dtype: DType = .float64) {
            self.name = name
            self.layer = layer
            self.shape = shape
            self.mode = mode
            self.isInteger = isInteger
            self.dtype = dtype
        }
    }

    private static let own: [Sample] = [
        Sample("dense", Dense(3, activation: .relu), [2, 4]),
        Sample("dense of sequences", Dense(3, usesBias: false), [2, 3, 4]),
        Sample("embedding", Embedding(5, 3), [2, 4], isInteger: true),
        Sample("conv1d", Conv1D(3, 3, strides: 2, padding: .same), [2, 7, 2]),
        Sample("conv1d, causal", Conv1D(3, 2, dilations: 2, isCausal: true), [2, 7, 2]),
        Sample("conv2d", Conv2D(3, [3, 2], strides: [2, 1], activation: .tanh), [2, 5, 4, 2]),
        Sample("conv2d, dilated", Conv2D(2, 2, padding: .same, dilations: 2), [1, 5, 5, 2]),
        Sample("conv3d", Conv3D(2, 2, padding: .same), [1, 3, 3, 2, 2]),
        Sample("depthwise_conv2d", DepthwiseConv2D(2, multiplier: 2), [2, 4, 3, 2]),
        Sample("conv2d_transpose", Conv2DTranspose(3, 3, strides: 2, padding: .same), [2, 3, 2, 2]),
        Sample("conv2d_transpose, valid", Conv2DTranspose(3, 3, strides: 2), [2, 3, 2, 2]),
        Sample("max_pooling1d", MaxPool1D(2), [2, 5, 2]),
        Sample("max_pooling2d", MaxPool2D(3, strides: 2, padding: .same), [2, 5, 4, 2]),
        Sample("max_pooling3d", MaxPool3D(2), [1, 4, 2, 5, 2], dtype: .float32),
        Sample("average_pooling1d", AveragePool1D(2, padding: .same), [2, 5, 2]),
        Sample("average_pooling2d", AveragePool2D(2), [2, 5, 4, 2]),
        Sample("average_pooling3d", AveragePool3D(2, padding: .same), [1, 3, 2, 4, 2], dtype: .float32),
        Sample("global_average_pooling", GlobalAveragePool(), [2, 3, 4, 2]),
        Sample("global_max_pooling", GlobalMaxPool(), [2, 5, 3]),
        Sample("batch_normalization", BatchNormalization(), [3, 4]),
        Sample("batch_normalization of images", BatchNormalization(momentum: 0.9, epsilon: 1e-2), [2, 3, 2, 3]),
        Sample("batch_normalization, inference", BatchNormalization(), [3, 4], mode: .inference),
        Sample("layer_normalization", LayerNormalization(), [2, 3, 4]),
        Sample("simple_rnn", SimpleRNN(3), [2, 4, 2]),
        Sample("lstm", LSTM(3), [2, 4, 2]),
        Sample("lstm, sequences", LSTM(2, returnsSequences: true, goesBackwards: true), [2, 3, 2]),
        Sample("gru", GRU(3), [2, 4, 2]),
        Sample("bidirectional", Bidirectional(LSTM(2, returnsSequences: true)), [2, 3, 2]),
        Sample("bidirectional, sum", Bidirectional(GRU(2), merge: .sum), [2, 3, 2]),
        Sample("multi_head_attention", MultiHeadAttention(heads: 2, keySize: 3), [2, 4, 5]),
        Sample("multi_head_attention, causal", MultiHeadAttention(heads: 2, keySize: 2, valueSize: 3, isCausal: true), [2, 4, 5]),
        Sample("normalization", Normalization(means: [0.1, 0.2, 0.3], variances: [1, 2, 3]), [2, 3]),
        Sample("rescaling", Rescaling(0.5, offset: -1), [2, 3]),
        Sample("permute", Permute([2, 1]), [2, 3, 4]),
    ]
    static let samples = own + activations.map { name, activation in Sample(name, Lambda { activation($0 * 8) }, [3, 4]) }

    private static let activations: [(String, Activation)] = [
        ("relu", .relu), ("relu6", .relu6), ("leaky_relu", .leakyRelu()), ("elu", .elu), ("selu", .selu), ("gelu", .gelu), ("sigmoid", .sigmoid),
        ("tanh", .tanh), ("softplus", .softplus), ("softsign", .softsign), ("silu", .swish), ("hard_sigmoid", .hardSigmoid), ("hard_silu", .hardSwish),
        ("mish", .mish), ("exponential", .exponential), ("softmax", .softmax), ("log_softmax", .logSoftmax), ("approximate gelu", .approximateGelu),
    ]

    /// What `make_layers.py` prints of a tensor.
    private func mark(_ values: [Double]) -> [Double] {
        [values.enumerated().reduce(0) { $0 + $1.1 * sin(0.5 * Double($1.0) + 1) }, values.reduce(0) { $0 + $1 * $1 }]
    }
    private func tensor(_ values: [Double], _ shape: Shape, _ dtype: DType) -> Tensor {
        dtype == .float64 ? Tensor(values, ofShape: shape) : Tensor(values.map(Float.init), ofShape: shape)
    }
    private func values(_ tensor: Tensor) throws -> [Double] {
        tensor.dtype == .float64 ? try tensor.array(of: Double.self) : try tensor.array(of: Float.self).map(Double.init)
    }

    @Test("outputs, gradients and updates are Keras's", arguments: samples)
    func numbers(_ sample: Sample) async throws {
        let builder = GraphBuilder()
        let open = PartialShape([nil] + sample.shape.dropFirst().map { Optional($0) })
        let x = builder.placeholder(sample.isInteger ? .int32 : sample.dtype, shape: open, name: "x")
        let context = LayerContext(builder, dtype: sample.dtype, mode: sample.mode)
        let y = sample.layer(x, context)
        let sizes = try #require(y.shape.dimensions)
        #expect(sizes.first == .some(nil), "the number of rows is open")
        let count = sizes.reduce(1) { $0 * ($1 ?? sample.shape[0]) }
        let weights = tensor((0..<count).map { cos(0.3 * Double($0)) }, [count], sample.dtype)
        let loss = (y.flattened() * builder.constant(weights)).sum()
        let trained = context.variables.filter { !$0.name.hasPrefix("batch_normalization/moving") }
        let flows = builder.gradients(of: [loss], with: (sample.isInteger ? [] : [x]) + trained.map(\.handle)).compactMap { $0 }
        #expect(flows.count == trained.count + (sample.isInteger ? 0 : 1))
        let assignments = context.variables.enumerated().map { number, variable in
            var elements = (0..<variable.shape.elementCount).map { sin(0.7 * Double($0) + Double(number)) / 2 }
            if variable.name.hasSuffix("moving_variance") { elements = elements.map { abs($0) + 0.5 } }
            return variable.assign(builder.constant(tensor(elements, variable.shape, sample.dtype)))
        }
        let assignment = builder.group(assignments), update = builder.group(context.updates)
        let changed = context.updates.isEmpty ? [] : context.variables.suffix(2).map(\.value)

        let session = try await Session(builder.graph())
        try await session.run(assignment)
        let elements = sample.shape.reduce(1, *)
        let input: Tensor =
            sample.isInteger
            ? Tensor((0..<elements).map { Int32((7 * $0 + 3) % 5) }, ofShape: Shape(sample.shape))
            : tensor((0..<elements).map { cos(0.9 * Double($0)) }, Shape(sample.shape), sample.dtype)
        var found = try await session.run([y] + flows, feeding: [x: input]).flatMap { try mark(values($0)) }
        if !changed.isEmpty {
            try await session.run(update, feeding: [x: input])
            found += try await session.run(changed).flatMap { try mark(values($0)) }
        }
        let expected = try #require(KerasNumbers.table(KerasNumbers.layers)[sample.name])
        try #require(found.count == expected.count, "found \(found)")
        let limit = sample.dtype == .float64 ? 1e-8 : 1e-5
        for (a, b) in zip(found, expected) { #expect(abs(a - b) <= limit * max(1, abs(b)), "found \(found), expected \(expected)") }
        try await session.close()
    }

    @Test("every number of Keras's is compared")
    func coverage() { #expect(Set(LayerTests.samples.map(\.name)) == Set(KerasNumbers.table(KerasNumbers.layers).keys)) }

    @Test("variables have Keras's names and shapes, in scopes of the layers' names")
    func names() throws {
        let builder = GraphBuilder()
        let context = LayerContext(builder)
        let network = Sequential {
            Dense(4)
            Dense(4)
            Reshape([2, -1])
            LSTM(3, returnsSequences: true)
            MultiHeadAttention(heads: 2, keySize: 2)
            Flatten()
            BatchNormalization(name: "norm")
        }
        let output = network(builder.placeholder(.float32, shape: [nil, 6]), context)
        _ = try builder.graph()
        #expect(output.shape == [nil, 6])
        #expect(
            context.variables.map { "\($0.name) \($0.shape.dimensions)" } == [
                "dense/kernel [6, 4]", "dense/bias [4]", "dense_1/kernel [4, 4]", "dense_1/bias [4]", "lstm/kernel [2, 12]", "lstm/recurrent_kernel [3, 12]",
                "lstm/bias [12]", "multi_head_attention/query/kernel [3, 4]", "multi_head_attention/query/bias [4]", "multi_head_attention/key/kernel [3, 4]",
                "multi_head_attention/key/bias [4]", "multi_head_attention/value/kernel [3, 4]", "multi_head_attention/value/bias [4]",
                "multi_head_attention/attention_output/kernel [4, 3]", "multi_head_attention/attention_output/bias [3]", "norm/gamma [6]", "norm/beta [6]",
                "norm/moving_mean [6]", "norm/moving_variance [6]",
            ])
    }

    @Test(
        "what a layer cannot be applied to is an error with its name, and what was expected and found",
        arguments: [
            (Dense(3, name: "head"), [nil, nil], ["head", "[?,?]"]), (Dense(0), [nil, 2], ["dense", "positive", "[2, 0]"]),
            (Dense(.max), [nil, 3], ["overflow"]), (Conv2D(2, 3, name: "conv"), [nil, 4, 4], ["conv", "[rows, height, width, channels]", "[?,4,4]"]),
            (Conv2D(2, [3, 3, 3]), [nil, 4, 4, 1], ["kernel size", "[3, 3, 3]"]), (Conv2D(2, 3, strides: 2, dilations: 2), [nil, 9, 9, 1], ["strides"]),
            (Dropout(1), [nil, 2], ["rate", "1.0"]), (LSTM(2), [nil, nil, 3], ["lstm", "[rows, steps, features]"]),
            (Flatten(), [nil, nil], ["flatten"]), (Reshape([3, -1]), [nil, 4], ["[4]", "[3, -1]"]), (Embedding(4, 2), [nil, 3], ["embedding", "int32"]),
            (MaxPool2D(0), [nil, 4, 4, 1], ["pool size"]), (GlobalMaxPool(), [nil, 4], ["global_max_pooling"]),
            (Residual { Dense(3) }, [nil, 4], ["residual", "[?,3]", "[?,4]"]), (Normalization(means: [1, 2], variances: [1]), [nil, 3], ["3 features"]),
            (MultiHeadAttention(heads: 0, keySize: 1), [nil, 2, 2], ["heads"]), (Permute([1, 3]), [nil, 2, 2], ["[1, 3]"]),
        ] as [(any Layer, [Int?], [String])])
    func errors(_ sample: (layer: any Layer, shape: [Int?], texts: [String])) {
        let builder = GraphBuilder()
        _ = sample.layer(builder.placeholder(.float32, shape: PartialShape(sample.shape)), LayerContext(builder))
        let message = builder.failure?.message ?? ""
        #expect(builder.failure?.code == .invalidArgument)
        for text in sample.texts { #expect(message.contains(text), "\(message)") }
    }

    @Test("dropout drops the fraction, keeps the mean, and does nothing in inference")
    func dropout() async throws {
        let builder = GraphBuilder()
        let ones = builder.filled([100, 100], with: 1)
        #expect(Dropout(0.25)(ones, LayerContext(builder, mode: .inference)) == ones)
        let dropped = Dropout(0.25)(ones, LayerContext(builder)), other = Dropout(0.25)(ones, LayerContext(builder))
        let session = try await Session(builder.graph())
        let found = try await session.run([dropped, other])
        let values = try found[0].array(of: Float.self)
        #expect(Set(values) == [0, 1 / 0.75])
        #expect(abs(values.reduce(0, +) / 10_000 - 1) < 0.03)
        #expect(try values != found[1].array(of: Float.self), "each layer draws its own numbers")
        try await session.close()
    }

    @Test(
        "a sequence in two parts, with states from the first to the second, is the sequence",
        arguments: [SimpleRNN(3), LSTM(3), GRU(3)] as [any RecurrentLayer])
    func states(_ layer: any RecurrentLayer) async throws {
        let builder = GraphBuilder()
        let context = LayerContext(builder, dtype: .float64)
        let x = builder.constant(Tensor((0..<24).map { cos(Double($0)) }, ofShape: [2, 6, 2]))
        let whole = layer(x, initialStates: nil, context).output
        let first = layer(x.sliced(at: [0, 0, 0], size: [2, 4, 2]), initialStates: nil, context)
        let second = layer(x.sliced(at: [0, 4, 0], size: [2, 2, 2]), initialStates: first.states, context).output
        let own = context.variables.count / 3
        let assignments = context.variables.enumerated().map { number, variable in
            variable.assign(builder.constant(Tensor((0..<variable.shape.elementCount).map { sin(Double($0 + number % own)) }, ofShape: variable.shape)))
        }
        let assignment = builder.group(assignments)
        let session = try await Session(builder.graph())
        try await session.run(assignment)
        let found = try await session.run([whole, second]).map { try $0.array(of: Double.self) }
        for (a, b) in zip(found[0], found[1]) { #expect(abs(a - b) < 1e-12) }
        try await session.close()
    }

    @Test("a mask hides what a causal attention hides, and keys may be of another input")
    func mask() async throws {
        let builder = GraphBuilder()
        let x = builder.constant(Tensor((0..<24).map { cos(Double($0)) }, ofShape: [2, 3, 4]))
        func attention(_ isCausal: Bool, _ mask: Output?) -> (Output, [Variable]) {
            let context = LayerContext(builder, seed: 3, dtype: .float64)
            let layer = MultiHeadAttention(heads: 2, keySize: 2, isCausal: isCausal, kernelInitializer: .constant(0.3))
            return (layer(query: x, value: x, mask: mask, context), context.variables)
        }
        let lower = builder.constant(Tensor([true, false, false, true, true, false, true, true, true], ofShape: [1, 3, 3]))
        let causal = attention(true, nil), masked = attention(false, lower), open = attention(false, nil)
        let initializer = builder.group((causal.1 + masked.1 + open.1).map(\.initializer))
        let context = LayerContext(builder, dtype: .float64)
        let other = builder.constant(Tensor((0..<30).map { sin(Double($0)) }, ofShape: [2, 5, 3]))
        let crossed = MultiHeadAttention(heads: 2, keySize: 2, valueSize: 3, outputSize: 6)(query: x, value: other, context)
        #expect(crossed.shape == [2, 3, 6])
        let session = try await Session(builder.graph())
        try await session.run(initializer)
        let found = try await session.run([causal.0, masked.0, open.0]).map { try $0.array(of: Double.self) }
        #expect(found[0] == found[1] && found[0] != found[2])
        try await session.close()
    }

    @Test("sines and cosines of positions are those of the paper")
    func sines() async throws {
        let builder = GraphBuilder()
        let output = SinePositionEncoding()(builder.filled([1, 3, 4], with: 0, .float64), LayerContext(builder, dtype: .float64))
        let session = try await Session(builder.graph())
        let found = try await session.run(output).array(of: Double.self)
        let expected: [Double] = (0..<3).flatMap { position in
            [1, 100].flatMap { wave in [sin(Double(position) / wave), cos(Double(position) / wave)] }
        }
        for (a, b) in zip(found, expected) { #expect(abs(a - b) < 1e-12) }
        try await session.close()
    }
}

extension KerasNumbers {
    /// The numbers by name.
    static func table(_ text: String) -> [String: [Double]] {
        Dictionary(
            uniqueKeysWithValues: text.split(separator: "\n").map { line in
                let parts = line.split(separator: ":")
                return (String(parts[0]), parts[1].split(separator: " ").compactMap { Double($0) })
            })
    }
}

import Weir
import WeirGraph
import WeirTensor

@testable import WeirTrain

/// A random network of layers of every kind that a strategy has to split: the same for the same seed.
struct RandomNetwork: Classifier {
    enum Layer: CaseIterable { case dense, convolution, embedding, attention, normalization }
    let layers: [Layer]
    let dtype: DType
    let seed: UInt64
    /// A layer of width `width` has 4 heads, or is an image of 4 × 4 pixels and `width / 16` channels, or has `width / 8` tokens.
    let width: Int
    /// Whether an embedding gathers rows of its table through the handle, so that the table's gradient is sparse.
    let gathersRows: Bool
    static let classCount = 6
    static let featureCount = 16

    init(seed: UInt64, dtype: DType, kinds: [Layer] = Layer.allCases, layerCount: ClosedRange<Int> = 2...5, gathersRows: Bool = false) {
        var random = SplitMix(seed: seed)
        self.seed = seed
        self.dtype = dtype
        self.gathersRows = gathersRows
        layers = (0..<Int.random(in: layerCount, using: &random)).map { _ in kinds.randomElement(using: &random) ?? .dense }
        width = [64, 128].randomElement(using: &random) ?? 64
    }

    var inputs: [ModelInput] { [ModelInput("features", dtype, [RandomNetwork.featureCount]), ModelInput("labels", .int32)] }

    func predictions(_ inputs: ModelInputs) -> Output {
        let builder = inputs.builder
        var random = SplitMix(seed: seed &+ 17)
        func variable(_ name: String, _ shape: [Int]) -> Variable {
            let fanIn = max(1, shape.dropLast().reduce(1, *))
            let values = (0..<shape.reduce(1, *)).map { _ in Double.random(in: -1...1, using: &random) / Double(fanIn).squareRoot() }
            return builder.variable(name) {
                builder.constant(
                    dtype == .float64 ? Tensor(values, ofShape: Shape(shape)) : Tensor(values.map(Float.init), ofShape: Shape(shape)))
            }
        }
        func weights(_ name: String, _ shape: [Int]) -> Output { variable(name, shape).value }
        var x = builder.nameScope("input") { inputs["features"].matMul(weights("weights", [RandomNetwork.featureCount, width])).tanh() }
        for (index, layer) in layers.enumerated() {
            x = builder.nameScope("\(layer)\(index)") {
                switch layer {
                case .dense:
                    let hidden = x.matMul(weights("up", [width, 2 * width])).biasAdd(weights("bias", [2 * width])).tanh()
                    return x + hidden.matMul(weights("down", [2 * width, width]))
                case .convolution:
                    let channels = width / 16
                    let image = x.reshaped(to: [-1, 4, 4, channels])
                    let hidden = image.conv2D(weights("filter", [3, 3, channels, 2 * channels]), strides: (1, 1), padding: .same)
                        .biasAdd(weights("bias", [2 * channels])).tanh()
                    return hidden.conv2D(weights("filter2", [3, 3, 2 * channels, channels]), strides: (1, 1), padding: .same).reshaped(to: [-1, width])
                case .embedding:
                    let table = variable("table", [24, width])
                    let ids = (inputs["features"].sliced(at: [0, 0], size: [-1, 1]) * 3).cast(to: .int32).reshaped(to: [-1]) % builder.scalar(24, .int32)
                    return x + (gathersRows ? table.handle.gatherVariable(ids, dtype) : table.value.gathered(indices: ids))
                case .attention:
                    let (tokens, size, headCount) = (width / 8, 8, 4)
                    func heads(_ name: String) -> Output {
                        x.reshaped(to: [-1, size]).matMul(weights(name, [size, size])).reshaped(to: [-1, tokens, headCount, size / headCount])
                            .transposed(permutation: [0, 2, 1, 3])
                    }
                    let (query, key, value) = (heads("query"), heads("key"), heads("value"))
                    let scores = (query.matMul(key, transposeB: true) * (1 / Double(size / headCount).squareRoot())).softmax()
                    let mixed = scores.matMul(value).transposed(permutation: [0, 2, 1, 3]).reshaped(to: [-1, size])
                    return x + mixed.matMul(weights("output", [size, size])).reshaped(to: [-1, width])
                case .normalization:
                    let centred = x - x.mean(axes: [1], keepDimensions: true)
                    let variance = (centred * centred).mean(axes: [1], keepDimensions: true)
                    return centred / (variance + 1e-3).sqrt() * weights("gamma", [width]) + weights("beta", [width])
                }
            }
        }
        return builder.nameScope("output") { x.matMul(weights("weights", [width, RandomNetwork.classCount])) }
    }

    /// Rows with random features and labels.
    static func table(rows: Int, seed: UInt64) throws -> Table {
        var random = SplitMix(seed: seed)
        var text = (0..<featureCount).map { "x\($0)" }.joined(separator: ",") + ",label\n"
        for row in 0..<rows {
            let numbers = (0..<featureCount).map { _ in "\(Float.random(in: -1...1, using: &random))" }
            text += numbers.joined(separator: ",") + ",c\(row < classCount ? row : Int.random(in: 0..<classCount, using: &random))\n"
        }
        return try Table(csv: text, source: "random rows")
    }
}

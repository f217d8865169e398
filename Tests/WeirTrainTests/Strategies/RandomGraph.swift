import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirTrain

/// A random graph of ops that can be divided, with placeholders of known shapes, and values for these.
struct RandomGraph {
    let graph: Graph
    /// The placeholders with the values to feed.
    let inputs: [(endpoint: Endpoint, name: String, value: Tensor)]
    /// Outputs of the graph, all `float64`.
    let roots: [Endpoint]

    /// - Parameter operationCount: the number of ops, apart from placeholders and what belongs to an op.
    init(seed: UInt64, operationCount: Int) throws {
        var maker = RandomGraphMaker(seed: seed)
        for _ in 0..<operationCount { maker.addOperation() }
        graph = try maker.builder.graph()
        inputs = maker.inputs.map { ($0.endpoint, $0.name, $1) }
        roots = maker.values.suffix(2).map(\.endpoint)
    }
}

private struct RandomGraphMaker {
    let builder = GraphBuilder(registry: .standard)
    var random: SplitMix
    var values: [Output] = []
    var inputs: [(Output, Tensor)] = []
    /// Sizes that meshes of 2 and of 3 devices divide, and one that they do not.
    private let sizes = [6, 6, 12, 1, 5]

    init(seed: UInt64) {
        random = SplitMix(seed: seed)
        for rank in [2, 3, 2] { _ = value((0..<rank).map { _ in pick([6, 12]) }) }
    }

    private mutating func pick<T>(_ choices: [T]) -> T { choices[Int.random(in: 0..<choices.count, using: &random)] }
    private mutating func flip() -> Bool { Bool.random(using: &random) }

    /// A new placeholder of this shape.
    private mutating func input(_ shape: [Int]) -> Output {
        let numbers = (0..<shape.reduce(1, *)).map { _ in Double.random(in: -1...1, using: &random) }
        let output = builder.placeholder(.float64, shape: PartialShape(shape.map { Optional($0) }), name: "input")
        inputs.append((output, Tensor(numbers, ofShape: Shape(shape))))
        return output
    }
    private mutating func value(_ shape: [Int]) -> Output {
        values.append(input(shape))
        return values[values.count - 1]
    }
    private func shape(_ output: Output) -> [Int] { output.shape.known?.dimensions ?? [] }

    /// An operand that can be broadcast with a value of this shape.
    private mutating func mate(_ sizes: [Int]) -> Output {
        if let same = values.first(where: { shape($0) == sizes }), flip() { return same }
        let kept = Array(sizes.suffix(Int.random(in: 0...sizes.count, using: &random)))
        var smaller: [Int] = []
        for size in kept { smaller.append(pick([size, size, 1])) }
        return input(smaller)
    }

    mutating func addOperation() {
        let x = pick(values)
        let sizes = shape(x)
        let rank = sizes.count
        let axis = rank == 0 ? 0 : Int.random(in: 0..<rank, using: &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0: values.append(x.tanh())
        case 1: values.append(-x)
        case 2: values.append(x + mate(sizes))
        case 3: values.append(x * mate(sizes))
        case 4: values.append(x - mate(sizes))
        case 5 where rank >= 2: values.append(x.matMul(input([sizes[rank - 1], pick(self.sizes)])))
        case 6 where rank == 2: values.append(input([pick(self.sizes), sizes[0]]).matMul(x))
        case 7 where rank == 3:
            let other = input([pick([sizes[0], 1]), pick(self.sizes), sizes[2]])
            values.append(x.matMul(other, transposeB: true))
        case 8 where rank >= 1: values.append(x.sum(axes: [axis], keepDimensions: flip()))
        case 9 where rank >= 1: values.append(x.mean(axes: [axis], keepDimensions: flip()))
        case 10 where rank >= 1: values.append(x.max(axes: [axis], keepDimensions: flip()))
        case 11 where rank >= 1: values.append(x.softmax())
        case 12: values.append(x.transposed(permutation: Array(0..<rank).shuffled(using: &random)))
        case 13 where rank >= 1:
            // Cuts one dimension in two, or joins two.
            if sizes[axis] % 2 == 0, flip() {
                values.append(x.reshaped(to: Array(sizes[..<axis]) + [sizes[axis] / 2, 2] + Array(sizes[(axis + 1)...])))
            } else if axis + 1 < rank {
                values.append(x.reshaped(to: Array(sizes[..<axis]) + [sizes[axis] * sizes[axis + 1]] + Array(sizes[(axis + 2)...])))
            } else {
                values.append(x.reshaped(to: [-1]))
            }
        case 14 where rank >= 1: values.append(builder.concatenated([x, x.tanh()], axis: axis))
        case 15: values.append(builder.stacked([x, -x], axis: Int.random(in: 0...rank, using: &random)))
        case 16 where rank >= 1:
            let size = Int.random(in: 1...sizes[axis], using: &random)
            values.append(x.sliced(at: sizes.indices.map { $0 == axis ? sizes[axis] - size : 0 }, size: sizes.indices.map { $0 == axis ? size : -1 }))
        case 17 where rank >= 1:
            let rows = (0..<6).map { _ in Int32.random(in: 0..<Int32(sizes[axis]), using: &random) }
            let indices = builder.placeholder(.int32, shape: [6], name: "indices")
            inputs.append((indices, Tensor(rows)))
            values.append(x.gathered(indices: indices, axis: axis))
        case 18: values.append(x.expandedDimension(at: Int.random(in: 0...rank, using: &random)))
        case 19 where rank >= 2: values.append(x.biasAdd(input([sizes[rank - 1]])))
        default: values.append(x.square())
        }
        // Tensors stay small, and the rank too.
        if let last = values.last, shape(last).count > 4 || shape(last).reduce(1, *) > 4096 { values.removeLast() }
    }
}

import Weir

/// A tensor in a graph that is being made.
struct Item {
    var output: Output
    var dtype: DType
    var shape: [Int]
    /// Whether it depends only on feeds and constants, without side effects.
    var isPure = true

    var count: Int { shape.reduce(1, *) }
    func fits(_ other: Item) -> Bool { dtype == other.dtype && shape == other.shape }
}

/// Makes a graph at random, node by node, with a device for each.
///
/// A graph's results are deterministic: control edges put all accesses to variables and queues in one order.
final class GraphMaker {
    var random: SplitMix64
    /// The builder of the graph or, inside a function, of its body.
    var builder: GraphBuilder
    let root: GraphBuilder
    private let devices: [String]
    private var device = ""
    /// A prefix that makes resource names unique to this graph.
    let prefix: String
    var counter = 0
    /// The nesting depth of conditionals, loops and functions.
    var depth = 0
    /// Whether nodes in functions have devices.
    let placesFunctions: Bool
    /// Kinds of nodes to leave out, to skip known findings.
    let omits: Set<String>
    /// Run once before any step.
    var initializers: [Operation] = []
    /// The last operation that accessed state.
    var lastEffect: Operation?
    var placeholders: [Item] = []
    var maximumCount = 600

    static let dtypes: [DType] = [.float32, .float32, .float32, .int32, .int32, .float64, .int64, .bool, .float16, .bfloat16, .complex64, .string]

    init(_ random: SplitMix64, devices: [String], prefix: String, omits: Set<String>) {
        self.random = random
        self.omits = omits
        self.devices = devices
        self.prefix = prefix
        root = GraphBuilder(registry: .standard)
        builder = root
        placesFunctions = self.random.chance(40) && !omits.contains("placed-functions")
        // Tensors of these sizes take other paths between tasks.
        if self.random.chance(10), !omits.contains("large") { maximumCount = 40_000 }
    }

    /// Devices for nodes with state, which always name one.
    var statefulDevices: [String] { devices }

    /// The device of the next node: often that of the last one.
    func place() -> String {
        if builder !== root, !placesFunctions { return "" }
        if random.chance(45) { device = random.chance(15) ? "" : random.pick(devices) }
        return device
    }

    func add(
        _ op: String, _ inputs: [Output] = [], _ attributes: Attributes = [:], name: String? = nil, controls: [Operation?] = [], device: String? = nil
    ) -> Operation {
        counter += 1
        return builder.add(
            op, inputs, name: name ?? "n\(counter)_\(op)", attributes: attributes, controls: controls.compactMap { $0 }, device: device ?? place())
    }

    func constant(_ tensor: Tensor, anchor: Operation?) -> Item {
        let made = add("Const", [], ["dtype": .type(tensor.dtype), "value": .tensor(tensor)], controls: [anchor])
        return Item(output: made[0], dtype: tensor.dtype, shape: tensor.shape.dimensions)
    }
    func constant(like item: Item, anchor: Operation?) -> Item { constant(tensor(item.dtype, item.shape), anchor: anchor) }

    /// A tensor whose values stay finite over a few sums and products.
    func tensor(_ dtype: DType, _ shape: [Int]) -> Tensor {
        let shape = Shape(shape)
        let count = shape.elementCount
        let numbers = (0..<count).map { _ in random.int(-8...8) }
        switch dtype {
        case .float32: return Tensor(numbers.map { Float($0) / 4 }, ofShape: shape)
        case .float64: return Tensor(numbers.map { Double($0) / 4 }, ofShape: shape)
        case .float16: return Tensor(numbers.map { Float16($0) / 4 }, ofShape: shape)
        case .bfloat16: return Tensor(numbers.map { BFloat16(Float($0) / 4) }, ofShape: shape)
        case .complex64: return Tensor(numbers.map { Complex(Float($0) / 4, 1) }, ofShape: shape)
        case .int32: return Tensor(numbers.map { Int32($0) }, ofShape: shape)
        case .int64: return Tensor(numbers.map { Int64($0) }, ofShape: shape)
        case .bool: return Tensor(numbers.map { $0 > 0 }, ofShape: shape)
        default: return Tensor(numbers.map { ByteString("s\($0)") }, ofShape: shape)
        }
    }
    func shape() -> [Int] {
        if maximumCount > 1000, random.chance(30) { return random.pick([[130, 130], [17000], [64, 300]]) }
        return random.pick([[], [], [3], [2, 3], [4, 4], [1, 3], [2, 1], [2, 2, 3], [5], [0], [0, 3]])
    }

    /// Adds nodes that use `items`, and appends their outputs to `items`.
    ///
    /// - Parameter anchor: the control input of nodes without inputs, so that they belong to a branch or a loop.
    func grow(_ items: inout [Item], _ count: Int, anchor: Operation?) {
        for _ in 0..<count where builder.failure == nil {
            let roll = random.below(100)
            let made: [Item]
            switch roll {
            case 0..<5 where depth < 3 && !omits.contains("conditionals"): made = conditional(items, anchor: anchor)
            case 5..<9 where depth < 2 && !omits.contains("loops"): made = loop(items, anchor: anchor)
            case 9..<17 where depth < 3 && !omits.contains("calls"): made = call(items, anchor: anchor)
            case 17..<21: made = [constant(tensor(random.pick(GraphMaker.dtypes), shape()), anchor: anchor)]
            case 21..<24: made = [fill(items, anchor: anchor)].compactMap { $0 }
            default: made = compute(items, anchor: anchor)
            }
            items += made.filter { $0.count <= maximumCount }
        }
    }

    private func fill(_ items: [Item], anchor: Operation?) -> Item? {
        let shape = self.shape()
        guard let value = any(items, where: { $0.shape.isEmpty }) else { return nil }
        let dimensions = constant(Tensor(shape.map { Int32($0) }), anchor: anchor)
        let made = add("Fill", [dimensions.output, value.output], controls: random.chance(20) ? [anchor] : [])
        return Item(output: made[0], dtype: value.dtype, shape: shape, isPure: value.isPure)
    }

    func any(_ items: [Item], where suits: (Item) -> Bool = { _ in true }) -> Item? {
        // Prefers recent ones, so that graphs get deep.
        let choices = items.filter(suits)
        guard !choices.isEmpty else { return nil }
        let start = random.chance(60) ? max(0, choices.count - 6) : 0
        return choices[random.int(start...choices.count - 1)]
    }

    /// A bool scalar: an existing one, or one computed from another item.
    func predicate(_ items: [Item], anchor: Operation?) -> Item? {
        if random.chance(40), let found = any(items, where: { $0.dtype == .bool && $0.shape.isEmpty }) { return found }
        guard let item = any(items, where: { [.float32, .int32, .float64, .int64].contains($0.dtype) && $0.count > 0 && $0.count <= 64 }) else { return nil }
        var value = item
        if !item.shape.isEmpty {
            let axes = constant(Tensor(item.shape.indices.map { Int32($0) }), anchor: anchor)
            value = Item(output: add(random.pick(["Sum", "Max", "Min"]), [item.output, axes.output])[0], dtype: item.dtype, shape: [], isPure: item.isPure)
        }
        let other = any(items) { $0.fits(value) } ?? constant(like: value, anchor: anchor)
        let made = add(random.pick(["Less", "Greater", "LessEqual", "NotEqual"]), [value.output, other.output])
        return Item(output: made[0], dtype: .bool, shape: [], isPure: value.isPure && other.isPure)
    }
}

import Weir

/// A graph and its steps.
struct GraphCase {
    struct Step {
        var name: String
        var fetches: [String]
        var targets: [String] = []
        /// Tensors inside the graph that are fed in this step.
        var replaced: [(String, Tensor)] = []
        var fails = false
    }
    let graph: Graph
    let feeds: [(String, Tensor)]
    let initialization: Step?
    let steps: [Step]
    /// Indices into `steps`, in the order of execution.
    let order: [Int]

    init(graph: Graph, feeds: [(String, Tensor)], initialization: Step?, steps: [Step], order: [Int]) {
        self.graph = graph
        self.feeds = feeds
        self.initialization = initialization
        self.steps = steps
        self.order = order
    }

    init(_ random: SplitMix64, devices: [String], prefix: String, omits: Set<String> = []) throws {
        let maker = GraphMaker(random, devices: devices, prefix: prefix, omits: omits)
        var items: [Item] = []
        var feeds: [(String, Tensor)] = []
        for index in 0..<maker.random.int(2...5) {
            let dtype = maker.random.pick(GraphMaker.dtypes)
            let shape = maker.shape()
            let made = maker.add("Placeholder", [], ["dtype": .type(dtype), "shape": .shape(.unknown)], name: "feed\(index)")
            items.append(Item(output: made[0], dtype: dtype, shape: shape))
            feeds.append((made[0].name, maker.tensor(dtype, shape)))
        }
        let zero = maker.add("Placeholder", [], ["dtype": .type(.int32), "shape": .shape(.unknown)], name: "zero")
        let far = maker.add("Placeholder", [], ["dtype": .type(.int32), "shape": .shape(.unknown)], name: "far")
        let zeroItem = Item(output: zero[0], dtype: .int32, shape: [])
        let farItem = Item(output: far[0], dtype: .int32, shape: [])
        feeds.append((zero[0].name, Tensor(Int32(0))))
        feeds.append((far[0].name, Tensor([Int32(1_000_003)])))
        maker.grow(&items, maker.random.int(5...30), anchor: nil)
        if maker.random.chance(60), !omits.contains("state") {
            for _ in 0..<maker.random.int(1...3) {
                switch maker.random.below(3) {
                case 0: items += maker.referenceVariable(items)
                case 1: items += maker.resourceVariable(items)
                default: items += maker.queue(items)
                }
                maker.grow(&items, maker.random.int(0...6), anchor: nil)
            }
        }
        var failures: [Item] = []
        if maker.random.chance(30), !omits.contains("failures") {
            failures = (0..<maker.random.int(1...2)).compactMap { _ in maker.failure(items, zero: zeroItem, far: farItem) }
        }
        graph = try maker.root.graph()
        self.feeds = feeds
        var start: Step?
        if !maker.initializers.isEmpty { start = Step(name: "init", fetches: [], targets: maker.initializers.map(\.name)) }
        initialization = start
        // Fed tensors cannot be fetched.
        items.removeFirst(feeds.count - 2)
        guard !items.isEmpty else { throw FuzzFailure("nothing but feeds") }
        steps = GraphCase.steps(items, failures, &maker.random)
        var order: [Int] = []
        for _ in 0..<maker.random.int(4...12) { order.append(maker.random.below(steps.count)) }
        self.order = order
    }

    private static func steps(_ items: [Item], _ failures: [Item], _ random: inout SplitMix64) -> [Step] {
        var steps: [Step] = []
        let count = random.int(2...4)
        for index in 0..<count {
            let wanted = random.some(Array(items.suffix(random.chance(50) ? 12 : items.count)), random.int(1...5))
            var step = Step(name: "step\(index)", fetches: [])
            for item in wanted {
                if random.chance(85) { step.fetches.append(item.output.name) } else { step.targets.append(item.output.nodeName) }
            }
            steps.append(step)
        }
        for (index, item) in failures.enumerated() {
            var step = Step(name: "failing\(index)", fetches: [item.output.name], fails: true)
            for other in random.some(items.filter(\.isPure), random.int(0...2)) { step.fetches.append(other.output.name) }
            step.fetches = random.shuffled(step.fetches)
            steps.append(step)
        }
        // Removes duplicate fetches and targets.
        return steps.map { step in
            var step = step
            step.fetches = step.fetches.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
            step.targets = step.targets.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
            return step
        }
    }

    /// The graph with its device names replaced, also in functions.
    static func graph(_ graph: Graph, mapping: (String) -> String) -> Graph {
        var result = graph
        for index in result.nodes.indices { result.nodes[index].requestedDevice = mapping(result.nodes[index].requestedDevice) }
        var functions: [FunctionDefinition] = []
        for function in graph.library.functions.values {
            var function = function
            for index in function.nodes.indices { function.nodes[index].device = mapping(function.nodes[index].device) }
            functions.append(function)
        }
        var library = FunctionLibrary(functions)
        library.gradients = graph.library.gradients
        result.library = library
        return result
    }

    /// A description: the nodes and the steps.
    var words: String {
        var lines = ["graph of \(graph.nodes.count) nodes, \(graph.library.functions.count) functions"]
        let definition = graph.definition
        func line(_ node: NodeDefinition) -> String {
            let attributes = node.attributes.sorted { $0.key < $1.key }.compactMap { name, value -> String? in
                if case .tensor(let tensor) = value { return "\(name)=\(tensor.sketch)" }
                if case .emptyList = value { return nil }
                return "\(name)=\(String(describing: value).prefix(60))"
            }
            return "\(node.name) = \(node.op)(\(node.inputs.joined(separator: ", "))) @\(node.device) {\(attributes.joined(separator: ", "))}"
        }
        for node in definition.nodes { lines.append("    " + line(node)) }
        for function in graph.library.functions.values.sorted(by: { $0.name < $1.name }) {
            lines.append("  function \(function.name)(\(function.inputs.map(\.name).joined(separator: ", "))) -> \(function.returns)")
            for node in function.nodes { lines.append("      " + line(node)) }
        }
        for feed in feeds { lines.append("  feed \(feed.0): \(feed.1.sketch)") }
        for step in steps { lines.append("  \(step.name): fetches \(step.fetches) targets \(step.targets)") }
        lines.append("  order \(order.map { steps[$0].name })")
        return lines.joined(separator: "\n")
    }
}

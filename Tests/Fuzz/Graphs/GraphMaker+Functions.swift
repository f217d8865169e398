import Weir

// Functions and their calls.
extension GraphMaker {
    func call(_ items: [Item], anchor: Operation?) -> [Item] {
        depth += 1
        defer { depth -= 1 }
        let arguments = (0..<random.int(1...3)).compactMap { _ in any(items) { $0.count <= 2000 } }
        guard !arguments.isEmpty else { return [] }
        let inputs = arguments.map(\.output)
        let types = AttributeValue.types
        func results(_ made: Operation, _ models: [Item], _ others: [Item] = []) -> [Item] {
            let isPure = (arguments + others).allSatisfy(\.isPure)
            return models.enumerated().map { Item(output: made[$0], dtype: $1.dtype, shape: $1.shape, isPure: isPure) }
        }
        switch random.below(6) {
        case 0, 1:
            let (name, models) = function(arguments, models: nil)
            let op = random.pick(["PartitionedCall", "StatefulPartitionedCall", name])
            guard op != name else { return results(add(name, inputs), models) }
            let attributes: Attributes = ["f": .function(FunctionReference(name)), "Tout": types(models.map(\.dtype))]
            return results(add(op, inputs, attributes), models)
        case 2, 3:
            guard let test = predicate(items, anchor: anchor) else { return [] }
            let (first, models) = function(arguments, models: nil)
            let (second, _) = function(arguments, models: models)
            let attributes: Attributes = [
                "then_branch": .function(FunctionReference(first)), "else_branch": .function(FunctionReference(second)),
                "Tout": types(models.map(\.dtype)), "output_shapes": .emptyList,
            ]
            return results(add(random.pick(["If", "StatelessIf"]), [test.output] + inputs, attributes), models, [test])
        case 4:
            let index = any(items) { $0.dtype == .int32 && $0.shape.isEmpty } ?? constant(Tensor(Int32(random.int(-1...3))), anchor: anchor)
            let (first, models) = function(arguments, models: nil)
            let names = [first] + (0..<random.int(0...2)).map { _ in function(arguments, models: models).0 }
            let attributes: Attributes = [
                "branches": .functions(names.map { FunctionReference($0) }), "Tout": types(models.map(\.dtype)), "output_shapes": .emptyList,
            ]
            return results(add(random.pick(["Case", "StatelessCase"]), [index.output] + inputs, attributes), models, [index])
        default:
            let start = constant(Tensor(Int32(0)), anchor: anchor)
            let variables = [start] + arguments
            let condition = loopFunction(variables, isCondition: true)
            let body = loopFunction(variables, isCondition: false)
            let attributes: Attributes = [
                "cond": .function(FunctionReference(condition)), "body": .function(FunctionReference(body)), "output_shapes": .emptyList,
                "parallel_iterations": 10,
            ]
            return results(add(random.pick(["While", "StatelessWhile"]), variables.map(\.output), attributes), variables)
        }
    }

    /// A function with these arguments, and results of the models' types and shapes, or of any.
    private func function(_ arguments: [Item], models: [Item]?) -> (String, [Item]) {
        body(arguments) { items in
            grow(&items, random.int(1...5), anchor: nil)
            if let models { return models.map { value(like: $0, from: items, anchor: nil) } }
            return (0..<random.int(1...2)).map { _ in random.chance(70) ? items[items.count - 1] : random.pick(items) }
        }
    }
    private func loopFunction(_ variables: [Item], isCondition: Bool) -> String {
        body(variables) { items in
            if isCondition {
                let limit = constant(Tensor(Int32(random.int(0...4))), anchor: nil)
                return [Item(output: add("Less", [items[0].output, limit.output])[0], dtype: .bool, shape: [])]
            }
            let start = items
            grow(&items, random.int(1...4), anchor: nil)
            let one = constant(Tensor(Int32(1)), anchor: nil)
            let next = Item(output: add("AddV2", [start[0].output, one.output])[0], dtype: .int32, shape: [])
            return [next] + variables.dropFirst().map { value(like: $0, from: items, anchor: nil) }
        }.0
    }

    /// Makes a function with the body that `build` adds.
    private func body(_ arguments: [Item], _ build: (inout [Item]) -> [Item]) -> (String, [Item]) {
        let outer = builder
        let inner = GraphBuilder(registry: .standard)
        for function in root.library.functions.values { inner.addFunction(function) }
        builder = inner
        counter += 1
        let name = "f\(counter)"
        var items = arguments.enumerated().map { index, item -> Item in
            let made = inner.add(
                "Placeholder", name: "arg_\(index)", attributes: ["dtype": .type(item.dtype), "shape": .shape(PartialShape(Shape(item.shape)))])
            return Item(output: made[0], dtype: item.dtype, shape: item.shape)
        }
        let results = build(&items)
        builder = outer
        if let failure = inner.failure { outer.record(failure) }
        do {
            let definition = try FunctionBuilder(inner.graph(), arguments: arguments.count, results: results.map(\.output)).definition(name)
            root.addFunction(definition)
            if builder !== root { builder.addFunction(definition) }
        } catch { outer.record(error) }
        return (name, results)
    }
}

/// Converts a graph to a function definition.
struct FunctionBuilder {
    private let graph: Graph
    private let arguments: Int
    private let results: [Output]

    init(_ graph: Graph, arguments: Int, results: [Output]) {
        self.graph = graph
        self.arguments = arguments
        self.results = results
    }

    func definition(_ name: String) throws(Status) -> FunctionDefinition {
        var nodes: [NodeDefinition] = []
        for node in graph.nodes.dropFirst(arguments) {
            var inputs: [String] = []
            for input in node.inputs { inputs.append(try reference(input)) }
            for control in node.controlInputs where control >= arguments { inputs.append("^\(graph.nodes[control].name)") }
            nodes.append(NodeDefinition(name: node.name, op: node.op.name, inputs: inputs, device: node.requestedDevice, attributes: node.attributes))
        }
        var returns: [String: String] = [:]
        for (index, result) in results.enumerated() { returns["out_\(index)"] = try reference(result.endpoint) }
        return FunctionDefinition(
            name: name,
            inputs: (0..<arguments).map { OpSchema.Argument(name: "arg_\($0)", type: .fixed(graph.nodes[$0].outputTypes[0].dtype)) },
            outputs: results.enumerated().map { OpSchema.Argument(name: "out_\($0)", type: .fixed($1.dtype)) },
            nodes: nodes, returns: returns, isStateful: nodes.contains { OpRegistry.standard[$0.op]?.isStateful == true })
    }

    private func reference(_ endpoint: Endpoint) throws(Status) -> String {
        let node = graph.nodes[endpoint.node]
        if endpoint.node < arguments { return node.name }
        let outputs = node.op.schema.outputs
        for (output, range) in zip(outputs, try node.op.schema.ranges(outputs, node.attributes)) where range.contains(endpoint.index) {
            return "\(node.name):\(output.name):\(endpoint.index - range.lowerBound)"
        }
        throw .internalError("node '\(node.name)' has no output \(endpoint.index)")
    }
}

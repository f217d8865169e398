import Weir

/// Mutates the structure of graphs: edges, ops, attributes, constants, calls. More of these pass the first check than graphs
/// with mutated bytes.
struct DefinitionMutator {
    var random: SplitMix64
    private var make: TensorMaker
    private static let ops = OpRegistry.standard.definitions.filter { $0.name != "Abort" }

    init(_ random: SplitMix64) {
        self.random = random
        make = TensorMaker(SplitMix64(seed: self.random.next()))
    }

    mutating func mutate(_ definition: GraphDefinition) -> GraphDefinition {
        var definition = definition
        for _ in 0..<random.int(1...4) {
            var functions = definition.library.functions.values.sorted { $0.name < $1.name }
            if !functions.isEmpty, random.chance(35) {
                let index = random.below(functions.count)
                if random.chance(15) {
                    call(from: &functions[index], random.pick(functions))
                } else {
                    change(&functions[index].nodes, own: functions[index].name, functions.map(\.name))
                }
                var library = FunctionLibrary(functions)
                library.gradients = definition.library.gradients
                if random.chance(5) { library.gradients[functions[index].name] = random.pick(functions).name }
                definition.library = library
            } else {
                change(&definition.nodes, own: "", functions.map(\.name))
            }
        }
        return definition
    }

    private mutating func change(_ nodes: inout [NodeDefinition], own: String, _ functions: [String]) {
        guard !nodes.isEmpty else { return }
        let index = random.below(nodes.count)
        let other = random.pick(nodes)
        switch random.below(14) {
        case 0, 1:
            guard !nodes[index].inputs.isEmpty else { return }
            nodes[index].inputs[random.below(nodes[index].inputs.count)] =
                own.isEmpty ? random.pick([other.name, "\(other.name):1"]) : random.pick(other.inputs + nodes[index].inputs)
        case 2: nodes[index].inputs.append("^\(other.name)")
        case 3: if !nodes[index].inputs.isEmpty { nodes[index].inputs.remove(at: random.below(nodes[index].inputs.count)) }
        case 4:
            guard let op = OpRegistry.standard[nodes[index].op] else { return }
            let alike = DefinitionMutator.ops.filter { $0.schema.inputs.count == op.schema.inputs.count && $0.schema.outputs.count == op.schema.outputs.count }
            let chosen = random.pick(alike)
            nodes[index].op = chosen.name
            for spec in chosen.schema.attributes where nodes[index].attributes[spec.name] == nil && spec.defaultValue == nil {
                switch spec.kind {
                case .type: nodes[index].attributes[spec.name] = .type(random.pick([.float32, .int32]))
                case .int: nodes[index].attributes[spec.name] = .int(make.number())
                case .ints: nodes[index].attributes[spec.name] = .ints((0..<4).map { _ in make.number() })
                default: break
                }
            }
        case 5, 6, 7:
            let names = nodes[index].attributes.values.keys.sorted()
            guard !names.isEmpty else { return }
            let name = random.pick(names)
            nodes[index].attributes[name] = changed(nodes[index].attributes[name], functions)
        case 8, 9, 10:
            // Constants give shapes, axes and counts.
            let constants = nodes.indices.filter { nodes[$0].op == "Const" }
            guard !constants.isEmpty else { return }
            let place = random.pick(constants)
            if case .tensor(let tensor)? = nodes[place].attributes["value"] {
                let shape = random.chance(60) ? tensor.shape : random.chance(50) ? make.hugeEmptyShape() : make.shape()
                let isSmall = shape.elementCount <= 64 && (tensor.dtype == .int32 || tensor.dtype == .int64)
                nodes[place].attributes["value"] = .tensor(isSmall ? numbers(tensor.dtype, shape) : make.tensor(tensor.dtype, shape))
            }
        case 11: nodes[index].device = random.pick(["", "/device:CPU:0", "/device:CPU:1", "/device:GPU:0", "/job:other", other.device])
        case 12:
            // A call, perhaps a recursive one.
            guard let name = own.isEmpty || random.chance(30) ? functions.randomElement(using: &random) : own else { return }
            if random.chance(50) {
                nodes[index].op = name
            } else {
                for (key, value) in nodes[index].attributes {
                    if case .function = value { nodes[index].attributes[key] = .function(FunctionReference(name)) }
                }
            }
        default:
            var copy = other
            if random.chance(80) { copy.name += "_again" }
            nodes.insert(copy, at: random.below(nodes.count))
        }
    }

    /// Makes a function first call another one with the same arguments, often itself.
    private mutating func call(from function: inout FunctionDefinition, _ other: FunctionDefinition) {
        let called = other.inputs.map(\.type) == function.inputs.map(\.type) && random.chance(40) ? other : function
        guard !function.nodes.isEmpty else { return }
        let first = random.below(function.nodes.count)
        var node = NodeDefinition(name: "again", op: called.name, inputs: function.inputs.map(\.name))
        let types = { (arguments: [OpSchema.Argument]) -> [DType] in
            arguments.compactMap { if case .fixed(let type) = $0.type { type } else { nil } }
        }
        if random.chance(40) {
            node.op = random.pick(["PartitionedCall", "StatefulPartitionedCall"])
            node.attributes = [
                "f": .function(FunctionReference(called.name)), "Tin": .types(types(called.inputs)), "Tout": .types(types(called.outputs)),
            ]
        }
        for index in function.nodes.indices where index == first || random.chance(10) { function.nodes[index].inputs.append("^again") }
        function.nodes.append(node)
        if random.chance(30) {
            node.name = "twice"
            function.nodes.append(node)
            function.nodes[first].inputs.append("^twice")
        }
    }

    private mutating func numbers(_ dtype: DType, _ shape: Shape) -> Tensor {
        let values = (0..<shape.elementCount).map { _ in make.number() }
        return dtype == .int32 ? Tensor(values.map { Int32(clamping: $0) }, ofShape: shape) : Tensor(values.map { Int64($0) }, ofShape: shape)
    }

    private mutating func changed(_ value: AttributeValue?, _ functions: [String]) -> AttributeValue? {
        switch value {
        case .int?: .int(random.chance(50) ? make.number() : random.pick(TensorMaker.extremes))
        case .type?: .type(random.pick(DType.allCases))
        case .types(let types)?: .types(types.map { random.chance(50) ? $0 : random.pick(DType.allCases) } + (random.chance(30) ? [.float32] : []))
        case .shape?: .shape(make.partialShape())
        case .bool(let flag)?: .bool(!flag)
        case .float?: .float(random.pick([0, -1, .nan, .infinity, 3e38]))
        case .string?: .string(make.text())
        case .function?: functions.randomElement(using: &random).map { .function(FunctionReference($0)) } ?? .function(FunctionReference("nowhere"))
        case .functions(let list)?: random.chance(50) ? .functions(list + list) : .functions([])
        case .ints?: .ints((0..<random.int(0...5)).map { _ in make.number() })
        case .tensor(let tensor)?: .tensor(make.tensor(random.chance(80) ? tensor.dtype : random.pick(DType.allCases)))
        default: random.chance(50) ? nil : .emptyList
        }
    }
}

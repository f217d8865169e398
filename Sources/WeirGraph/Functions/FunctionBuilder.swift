import Synchronization
import WeirTensor

/// Creates a function from a part of a graph that is being built.
struct FunctionExtraction {
    let builder: GraphBuilder
    /// The outputs that become the function's arguments, in order.
    let arguments: [Endpoint]
    /// The outputs that become the function's results, in order.
    let results: [Endpoint]
    /// Nodes that run even if no result depends on them.
    var keeping: [NodeID] = []
    /// A name scope that is removed from the nodes' names.
    var scope = ""

    /// The function of the nodes between arguments and results.
    /// - Throws: `invalidArgument` when a node uses an argument as a reference to a variable.
    func function(named base: String) throws(Status) -> FunctionDefinition {
        let nodes = nodesBetween()
        var names: [NodeID: String] = [:]
        var taken = Set<String>()
        for id in nodes {
            var name = localName(builder.node(id).name)
            while !taken.insert(name).inserted { name += "_" }
            names[id] = name
        }
        var argumentNames: [Endpoint: String] = [:]
        var inputs: [OpSchema.Argument] = []
        for (index, argument) in arguments.enumerated() {
            var name = "arg_\(index)"
            while taken.contains(name) { name += "_" }
            if argumentNames[argument] == nil { argumentNames[argument] = name }
            inputs.append(OpSchema.Argument(name: name, type: .fixed(builder.portType(argument).dtype)))
        }
        func reference(_ endpoint: Endpoint) throws(Status) -> String {
            if let name = argumentNames[endpoint] { return name }
            let node = builder.node(endpoint.node)
            let outputs = node.op.schema.outputs
            for (output, range) in zip(outputs, try node.op.schema.ranges(outputs, node.attributes))
            where range.contains(endpoint.index) {
                return "\(names[endpoint.node] ?? node.name):\(output.name):\(endpoint.index - range.lowerBound)"
            }
            throw .internalError("Node '\(node.name)' has no output \(endpoint.index)")
        }
        var definitions: [NodeDefinition] = []
        var isStateful = false
        for id in nodes {
            let node = builder.node(id)
            if node.op.isStateful { isStateful = true }
            var texts: [String] = []
            for (position, input) in node.inputs.enumerated() {
                if argumentNames[input] != nil, node.inputTypes[position].isReference {
                    throw .invalidArgument(
                        "Node '\(node.name)' changes the variable '\(builder.node(input.node).name)' from outside of "
                            + "the "
                            + "function it is in: use a resource variable, or make the variable inside")
                }
                texts.append(try reference(input))
            }
            for control in node.controlInputs { if let name = names[control] { texts.append("^\(name)") } }
            var attributes = node.attributes
            attributes["_class"] = localColocation(attributes["_class"], names)
            definitions.append(
                NodeDefinition(
                    name: names[id] ?? node.name, op: node.op.name, inputs: texts, device: node.requestedDevice,
                    attributes: attributes))
        }
        var outputs: [OpSchema.Argument] = []
        var returns: [String: String] = [:]
        for (index, result) in results.enumerated() {
            outputs.append(OpSchema.Argument(name: "out_\(index)", type: .fixed(builder.portType(result).dtype)))
            returns["out_\(index)"] = try reference(result)
        }
        var controls: [String: String] = [:]
        for id in keeping { if let name = names[id] { controls["control_\(controls.count)"] = name } }
        return FunctionDefinition(
            name: FunctionNames.next(base, in: builder.library), inputs: inputs, outputs: outputs, nodes: definitions,
            returns: returns, controlReturns: controls, isStateful: isStateful)
    }

    private func nodesBetween() -> [NodeID] {
        let ends = Set(arguments)
        // The nodes of the arguments themselves are not part of the body.
        var seen = Set(arguments.map(\.node).filter { builder.node($0).inputs.isEmpty })
        let ownNodes = seen
        var stack = results.filter { !ends.contains($0) }.map(\.node) + keeping
        while let id = stack.popLast() {
            guard seen.insert(id).inserted else { continue }
            let node = builder.node(id)
            for input in node.inputs where !ends.contains(input) { stack.append(input.node) }
            stack += node.controlInputs
        }
        return seen.subtracting(ownNodes).sorted()
    }

    private func localName(_ name: String) -> String {
        !scope.isEmpty && name.hasPrefix(scope + "/") ? String(name.dropFirst(scope.utf8.count + 1)) : name
    }
    /// The colocation groups with nodes of the body. Groups with nodes outside of it are removed, because these nodes do not
    /// exist in the function.
    private func localColocation(_ value: AttributeValue?, _ names: [NodeID: String]) -> AttributeValue? {
        guard case .strings(let groups)? = value else { return nil }
        let local = groups.compactMap { group -> ByteString? in
            let text = group.description
            guard text.hasPrefix("loc:@"), let id = builder.operation(named: String(text.dropFirst(5)))?.id,
                let name = names[id]
            else {
                return nil
            }
            return ByteString("loc:@\(name)")
        }
        return local.isEmpty ? nil : .strings(local)
    }
}

/// Function names. No name is returned twice in this process.
enum FunctionNames {
    private static let counter = Atomic<Int>(0)
    static func next(_ base: String, in library: FunctionLibrary) -> String {
        while true {
            let name = "\(base)_\(counter.wrappingAdd(1, ordering: .relaxed).oldValue)"
            if library[name] == nil { return name }
        }
    }
}

extension GraphBuilder {
    /// Adds a function's nodes to the graph instead of a call.
    ///
    /// - Parameter attributes: the attributes of the call.
    /// - Returns: the function's results.
    /// - Throws: `invalidArgument` when the number of arguments is wrong or the body uses a name that does not exist;
    ///   `unimplemented` when the body contains a cycle.
    func inline(_ function: FunctionDefinition, _ arguments: [Output], attributes: Attributes = [:]) throws(Status)
        -> [Output]
    {
        let ranges = try function.schema.ranges(function.inputs, attributes)
        guard ranges.last?.upperBound ?? 0 == arguments.count else {
            throw .invalidArgument(
                "Function '\(function.name)' takes \(ranges.last?.upperBound ?? 0) arguments, found \(arguments.count)")
        }
        var inliner = FunctionInliner(builder: self, function: function, attributes: attributes)
        for (input, range) in zip(function.inputs, ranges) { inliner.values[input.name] = Array(arguments[range]) }
        return try inliner.run()
    }
}

/// The state of adding one function's nodes to a graph.
private struct FunctionInliner {
    let builder: GraphBuilder
    let function: FunctionDefinition
    let attributes: Attributes
    /// Values by name: arguments by `argument`, outputs by `node:output name`.
    var values: [String: [Output]] = [:]
    private var operations: [String: Operation] = [:]

    init(builder: GraphBuilder, function: FunctionDefinition, attributes: Attributes) {
        self.builder = builder
        self.function = function
        self.attributes = attributes
    }

    mutating func run() throws(Status) -> [Output] {
        for node in try ordered() { try add(node) }
        var results: [Output] = []
        for output in function.outputs {
            guard let text = function.returns[output.name] else {
                throw .invalidArgument("Function '\(function.name)': output '\(output.name)' is not returned")
            }
            results += try resolve(text)
        }
        return results
    }

    /// The nodes in topological order.
    private func ordered() throws(Status) -> [NodeDefinition] {
        let positions = Dictionary(
            function.nodes.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        var order: [NodeDefinition] = []
        // 0: not visited, 1: waiting for its inputs, 2: done.
        var marks = [UInt8](repeating: 0, count: function.nodes.count)
        for start in function.nodes.indices where marks[start] == 0 {
            var stack = [start]
            while let index = stack.last {
                if marks[index] != 0 {
                    stack.removeLast()
                    if marks[index] == 1 {
                        marks[index] = 2
                        order.append(function.nodes[index])
                    }
                    continue
                }
                marks[index] = 1
                for input in function.nodes[index].inputs {
                    guard let used = positions[FunctionInliner.nodeName(input)], marks[used] != 2 else { continue }
                    guard marks[used] == 0 else {
                        throw .unimplemented(
                            "Function '\(function.name)': node '\(function.nodes[used].name)' uses its own result; "
                                + "loops of "
                                + "primitive ops in functions are not supported here")
                    }
                    stack.append(used)
                }
            }
        }
        return order
    }

    private static func nodeName(_ input: String) -> String {
        String(input.drop { $0 == "^" }.prefix { $0 != ":" })
    }

    private mutating func add(_ definition: NodeDefinition) throws(Status) {
        var inputs: [Output] = []
        var controls: [Operation] = []
        for input in definition.inputs {
            if input.hasPrefix("^") {
                if let operation = operations[FunctionInliner.nodeName(input)] { controls.append(operation) }
            } else {
                inputs += try resolve(input)
            }
        }
        var given = Attributes()
        for (name, value) in definition.attributes where name != "_class" { given[name] = substituted(value) }
        let operation = builder.add(
            definition.op, inputs, name: definition.name, attributes: given, controls: controls,
            device: definition.device.isEmpty ? nil : definition.device)
        operations[definition.name] = operation
        let node = builder.node(operation.id)
        let schema = node.op.schema
        for (output, range) in zip(schema.outputs, try schema.ranges(schema.outputs, node.attributes)) {
            values["\(definition.name):\(output.name)"] = range.map { operation[$0] }
        }
    }

    /// The outputs for `argument`, `argument:index`, `node:output` or `node:output:index`.
    private func resolve(_ text: String) throws(Status) -> [Output] {
        if let all = values[text] { return all }
        if let colon = text.lastIndex(of: ":"), let index = Int(text[text.index(after: colon)...]),
            let all = values[String(text[..<colon])], all.indices.contains(index)
        {
            return [all[index]]
        }
        throw .invalidArgument("Function '\(function.name)': '\(text)' is neither an argument nor a node's output")
    }

    private func substituted(_ value: AttributeValue) -> AttributeValue {
        switch value {
        case .placeholder(let name): attributes[name] ?? value
        case .function(let reference): .function(substituted(reference))
        case .functions(let references): .functions(references.map { substituted($0) })
        default: value
        }
    }
    private func substituted(_ reference: FunctionReference) -> FunctionReference {
        FunctionReference(reference.name, attributes: reference.attributes.mapValues { substituted($0) })
    }
}

/// The body of a function while it is built, in a graph of its own, with `_Arg` nodes of known shapes.
final class FunctionBuilder {
    let builder: GraphBuilder
    private(set) var arguments: [Output] = []

    /// An empty body that may call the functions of `outer`'s library.
    init(in outer: GraphBuilder) {
        builder = GraphBuilder(registry: outer.registry)
        builder.addLibrary(outer.library)
    }

    /// Adds an argument.
    func argument(_ dtype: DType, _ shape: PartialShape = .unknown, handle: (dtype: DType, shape: PartialShape)? = nil)
        -> Output
    {
        var attributes: Attributes = [
            "T": .type(dtype), "index": .int(arguments.count), "_output_shapes": .shapes([shape]),
        ]
        if let handle {
            attributes["_handle_dtypes"] = .types([handle.dtype])
            attributes["_handle_shapes"] = .shapes([handle.shape])
        }
        let argument = builder.add("_Arg", name: "arg", attributes: attributes)[0]
        arguments.append(argument)
        return argument
    }
    /// Adds an argument with the type, shape and handle shape of an output of the outer graph.
    func argument(like output: Output) -> Output {
        argument(output.dtype, output.shape, handle: output.builder.handleShape(output.endpoint))
    }

    /// The function with these arguments and results.
    /// - Throws: the first error made while building.
    func function(named base: String, arguments: [Output], results: [Output], keeping: [NodeID] = []) throws(Status)
        -> FunctionDefinition
    {
        if let failure = builder.failure { throw failure }
        return try FunctionExtraction(
            builder: builder, arguments: arguments.map(\.endpoint), results: results.map(\.endpoint), keeping: keeping
        ).function(named: base)
    }

    /// Adds the functions that were created in the body's graph to `outer`.
    func shareLibrary(with outer: GraphBuilder) {
        outer.addLibrary(builder.library)
    }
}

import WeirGraph
import WeirTensor

extension FunctionDefinition {
    /// The body as a graph, without the nodes that no result and no effect needs.
    /// - Throws: `invalidArgument` or `notFound` when the body refers to something that does not exist.
    func body(_ attributes: Attributes, registry: OpRegistry, library: FunctionLibrary) throws -> Graph {
        let graph = try Graph(instantiated(attributes, registry: registry, library: library), registry: registry)
        // A call ends with its results, so no node may wait for a result.
        for node in graph.nodes {
            if let result = node.controlInputs.first(where: { graph.nodes[$0].isResult }) {
                throw Status.invalidArgument(
                    "Function '\(name)': node '\(node.name)' waits for '\(graph.nodes[result].name)', which is a result of the function")
            }
        }
        let controls = Set(controlReturns.values)
        let reached = graph.ancestors(
            of: graph.nodes.indices.filter { id in
                // Exit nodes are kept even if their values are unused: they signal that the effects in their loop have
                // happened.
                graph.nodes[id].op.isStateful || graph.nodes[id].isResult || controls.contains(graph.nodes[id].name)
                    || graph.nodes[id].role == .exit
            })
        return try graph.filtered { reached[$0] || graph.nodes[$0].isArgument }
    }

    /// The body as a graph with `_Arg` and `_Retval` nodes, with attribute placeholders replaced by values.
    /// - Throws: `invalidArgument` when the body refers to something that does not exist.
    func instantiated(_ attributes: Attributes, registry: OpRegistry, library: FunctionLibrary) throws -> GraphDefinition {
        var values = attributes
        for spec in attributeSpecs where values[spec.name] == nil { values[spec.name] = spec.defaultValue }
        var result = GraphDefinition(library: library)
        // The tensors of each argument (`name`) and of each output of a body node (`node:output`): a range of outputs of one
        // node. For an argument that is a list, `isArgumentList` is set, and the range counts `_Arg` nodes with one output
        // each.
        var tensors: [String: (node: String, outputs: Range<Int>, isArgumentList: Bool)] = [:]
        var index = 0
        for argument in inputs {
            let ports = try schema.ports([argument], values)
            for (offset, port) in ports.enumerated() {
                let name = ports.count == 1 ? "_arg_\(argument.name)" : "_arg_\(argument.name)_\(offset)"
                result.nodes.append(
                    NodeDefinition(name: name, op: "_Arg", attributes: ["T": .type(port.dtype), "index": .int(index)]))
                index += 1
            }
            tensors[argument.name] = ("_arg_\(argument.name)", 0..<ports.count, ports.count != 1)
        }
        var bodyNodes: [(NodeDefinition, OpDefinition)] = []
        for node in nodes {
            var copy = node
            copy.attributes = try node.attributes.substituting(values, in: name)
            let op = try registry[node.op] ?? library.op(node.op) ?? registry.require(node.op)
            let complete = try op.schema.completing(copy.attributes)
            for (output, range) in zip(op.schema.outputs, try op.schema.ranges(op.schema.outputs, complete)) {
                tensors["\(node.name):\(output.name)"] = (node.name, range, false)
            }
            bodyNodes.append((copy, op))
        }
        let nodeNames = Set(nodes.map(\.name))
        // One name can expand to as many tensors as an attribute says, so the total is limited.
        var tensorsLeft = Graph.maximumPortCount
        func resolve(_ text: String) throws -> [String] {
            func tensor(_ list: (node: String, outputs: Range<Int>, isArgumentList: Bool), _ number: Int) -> String {
                list.isArgumentList ? "\(list.node)_\(number):0" : "\(list.node):\(number)"
            }
            if let all = tensors[text] {
                tensorsLeft -= all.outputs.count
                guard tensorsLeft >= 0 else {
                    throw Status.resourceExhausted("Function '\(name)': its nodes have more than \(Graph.maximumPortCount) inputs")
                }
                return all.outputs.map { tensor(all, $0) }
            }
            let parts = text.split(separator: ":")
            if let number = parts.last.flatMap({ Int($0) }), parts.count >= 2 {
                let base = parts.dropLast().joined(separator: ":")
                if let all = tensors[base], number >= 0, number < all.outputs.count { return [tensor(all, all.outputs.lowerBound + number)] }
                // Bodies that were written as plain graphs use `node:index`.
                if parts.count == 2, nodeNames.contains(base) { return [text] }
            }
            if nodeNames.contains(text) { return ["\(text):0"] }
            throw Status.invalidArgument("Function '\(name)': '\(text)' is neither an argument nor an output of its body")
        }
        let argumentNames = Set(inputs.map(\.name))
        for (node, _) in bodyNodes {
            var copy = node
            copy.inputs = try node.inputs.flatMap { input -> [String] in
                if input.hasPrefix("^") {
                    let target = String(input.dropFirst())
                    return argumentNames.contains(target) ? ["^_arg_\(target)"] : [input]
                }
                return try resolve(input)
            }
            result.nodes.append(copy)
        }
        index = 0
        for output in outputs {
            guard let source = returns[output.name] else {
                throw Status.invalidArgument("Function '\(name)': nothing is returned as '\(output.name)'")
            }
            let ports = try schema.ports([output], values)
            let sources = try resolve(source)
            guard sources.count == ports.count else {
                throw Status.invalidArgument("Function '\(name)': '\(output.name)' takes \(ports.count) tensors, '\(source)' is \(sources.count)")
            }
            for (port, tensor) in zip(ports, sources) {
                result.nodes.append(
                    NodeDefinition(
                        name: "_retval_\(output.name)_\(index)", op: "_Retval", inputs: [tensor],
                        attributes: ["T": .type(port.dtype), "index": .int(index)]))
                index += 1
            }
        }
        return result
    }
}

extension Attributes {
    /// These attributes, with placeholders replaced by the call's attribute values.
    fileprivate func substituting(_ call: Attributes, in function: String) throws -> Attributes {
        func replace(_ value: AttributeValue) throws -> AttributeValue {
            switch value {
            case .placeholder(let name):
                guard let found = call[name] else {
                    throw Status.invalidArgument("Function '\(function)': attribute '\(name)' was not given")
                }
                return found
            case .function(var reference):
                reference.attributes = try reference.attributes.mapValues(replace)
                return .function(reference)
            case .functions(let references):
                return .functions(
                    try references.map { FunctionReference($0.name, attributes: try $0.attributes.mapValues(replace)) })
            default: return value
            }
        }
        return Attributes(try values.mapValues(replace))
    }
}

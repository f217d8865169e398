import WeirTensor

extension Graph: CustomStringConvertible {
    /// The number of nodes and functions, then one line for each node, at most 100: `y = Mul[T=float](x, v) on /job:ps/task:0`.
    /// Attributes with default values are not shown.
    public var description: String {
        nodeLines(nodes, library) { node in
            let defaults = Dictionary(node.op.schema.attributes.map { ($0.name, $0.defaultValue) }, uniquingKeysWith: { a, _ in a })
            let inputs = node.inputs.map { "\(name($0.node))\($0.index == 0 ? "" : ":\($0.index)")" } + node.controlInputs.map { "^\(name($0))" }
            return nodeLine(
                node.name, node.op.name, node.attributes.values.filter { $0.value != defaults[$0.key] ?? nil }, inputs,
                device: node.device?.description ?? node.requestedDevice)
        }
    }
    /// The name of a node. A program that changes `nodes` may leave edges from nodes that do not exist.
    private func name(_ id: NodeID) -> String { nodes.indices.contains(id) ? nodes[id].name : "?" }
}

extension GraphDefinition: CustomStringConvertible {
    /// The number of nodes and functions, then one line for each node, at most 100.
    public var description: String { nodeLines(nodes, library, \.description) }
}

extension NodeDefinition: CustomStringConvertible {
    /// The node in one line, such as `y = Mul[T=float](x, v) on /job:ps/task:0`.
    public var description: String { nodeLine(name, op, attributes.values, inputs, device: device) }
}

extension FunctionDefinition: CustomStringConvertible {
    /// The name and the names of arguments and results, then one line for each node, at most 100.
    public var description: String {
        let (arguments, results) = (inputs.map(\.name), outputs.map(\.name))
        return nodeLines(nodes, head: "Function \(name)(\(arguments.joined(separator: ", "))) -> (\(results.joined(separator: ", ")))", \.description)
    }
}

/// The most nodes that are printed.
private let maximumLineCount = 100

private func nodeLines<T>(_ nodes: [T], _ library: FunctionLibrary, _ line: (T) -> String) -> String {
    let functions = library.functions.count
    let head = "Graph of \(nodes.count) node\(nodes.count == 1 ? "" : "s")"
    return nodeLines(nodes, head: functions == 0 ? head : "\(head) and \(functions) function\(functions == 1 ? "" : "s")", line)
}

private func nodeLines<T>(_ nodes: [T], head: String, _ line: (T) -> String) -> String {
    var lines = [head] + nodes.prefix(maximumLineCount).map { "  " + line($0) }
    if nodes.count > maximumLineCount { lines.append("  ... \(nodes.count - maximumLineCount) more") }
    return lines.joined(separator: "\n")
}

private func nodeLine(_ name: String, _ op: String, _ attributes: [String: AttributeValue], _ inputs: [String], device: String) -> String {
    let list = attributes.isEmpty ? "" : Attributes.text(attributes)
    return "\(name) = \(op)\(list)(\(inputs.joined(separator: ", ")))\(device.isEmpty ? "" : " on \(device)")"
}

public import WeirGraph
public import WeirTensor

/// The placement of a graph: the device of each node, the number of nodes and the bytes of constants and variables of each
/// device, and the tensors that cross devices.
///
/// The graph is the lowered one: nodes of inlined functions have names of their own.
public struct PlacementReport: CustomStringConvertible, Sendable {
    /// The totals of one device.
    public struct Row: Sendable {
        /// The name of the device, or `unplaced`.
        public var device: String
        /// The number of nodes on the device.
        public var opCount: Int
        /// The bytes of the constants and variables of known shape on the device.
        public var byteCount: Int
    }
    /// One row for each device, sorted by name.
    public private(set) var rows: [Row] = []
    /// For each pair of devices, how many different tensors cross from one to the other.
    public private(set) var crossings: [(from: String, to: String, count: Int)] = []
    /// The device of each node, by the node's name.
    public private(set) var devices: [String: DeviceName] = [:]
    private let placements: [(node: String, op: String, device: String)]

    /// Makes the report of a placed graph.
    package init(_ graph: Graph) {
        var counts: [String: (ops: Int, bytes: Int)] = [:]
        struct Ends: Hashable {
            let from: String
            let to: String
        }
        var edges: [Ends: Set<Endpoint>] = [:]
        placements = graph.nodes.map { ($0.name, $0.op.name, $0.device?.description ?? "") }
        for node in graph.nodes {
            devices[node.name] = node.device
            let device = node.device?.description ?? "unplaced"
            counts[device, default: (0, 0)].ops += 1
            let bytes = node.attributes.tensor("value")?.byteCount ?? PlacementReport.variableBytes(node)
            // The sum may overflow, because a graph may declare more variables than memory could hold.
            let (sum, overflow) = counts[device, default: (0, 0)].bytes.addingReportingOverflow(bytes)
            counts[device, default: (0, 0)].bytes = overflow ? .max : sum
            for input in node.inputs {
                let source = graph.nodes[input.node].device?.description ?? "unplaced"
                if source != device { edges[Ends(from: source, to: device), default: []].insert(input) }
            }
        }
        rows = counts.map { Row(device: $0.key, opCount: $0.value.ops, byteCount: $0.value.bytes) }.sorted { $0.device < $1.device }
        crossings = edges.map { ($0.key.from, $0.key.to, $0.value.count) }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
    }

    /// The device of the node of an output, as `devices` has it; nil if the graph has no such node.
    public subscript(output: Output) -> DeviceName? { devices[output.nodeName] }

    private static func variableBytes(_ node: Node) -> Int {
        guard node.op.holdsParameters, let shape = node.attributes.shape("shape")?.known,
            let dtype = node.attributes.type("dtype")
        else { return 0 }
        let (bytes, overflow) = shape.elementCount.multipliedReportingOverflow(by: dtype.byteCount)
        return overflow ? .max : bytes
    }

    /// The table, then the device of each node.
    public var description: String {
        var lines = ["Device placement:"]
        let width = (rows.map(\.device.count) + [6]).max() ?? 6
        func pad(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
        lines.append("  \(pad("device", width))    ops         bytes")
        for row in rows {
            let ops = String(row.opCount), bytes = String(row.byteCount)
            lines.append(
                "  \(pad(row.device, width))  \(String(repeating: " ", count: max(0, 5 - ops.count)))\(ops)  \(String(repeating: " ", count: max(0, 12 - bytes.count)))\(bytes)"
            )
        }
        for crossing in crossings { lines.append("  \(crossing.from) -> \(crossing.to): \(crossing.count) tensors") }
        for placement in placements { lines.append("  \(placement.node): (\(placement.op)): \(placement.device)") }
        return lines.joined(separator: "\n")
    }
}

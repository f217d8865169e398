public import WeirGraph
import WeirTensor

/// Who goes where, as a table for a person: ops and bytes of constants by device, and the edges that cross.
public struct PlacementReport: CustomStringConvertible, Sendable {
    public struct Row: Sendable {
        public var device: String
        public var opCount: Int
        public var byteCount: Int
    }
    public private(set) var rows: [Row] = []
    /// Edges between devices: from, to, how many tensors.
    public private(set) var crossings: [(from: String, to: String, count: Int)] = []
    private let placements: [(node: String, op: String, device: String)]

    public init(_ graph: Graph) {
        var counts: [String: (ops: Int, bytes: Int)] = [:]
        struct Ends: Hashable {
            let from: String
            let to: String
        }
        var edges: [Ends: Set<Endpoint>] = [:]
        placements = graph.nodes.map { ($0.name, $0.op.name, $0.device?.description ?? "") }
        for node in graph.nodes {
            let device = node.device?.description ?? "unplaced"
            counts[device, default: (0, 0)].ops += 1
            let bytes = node.attributes.tensor("value")?.byteCount ?? PlacementReport.variableBytes(node)
            // Variables take no memory before they are assigned: a graph may have more of them than there is.
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

    private static func variableBytes(_ node: Node) -> Int {
        guard node.op.holdsParameters, let shape = node.attributes.shape("shape")?.known,
            let dtype = node.attributes.type("dtype")
        else { return 0 }
        let (bytes, overflow) = shape.elementCount.multipliedReportingOverflow(by: dtype.byteCount)
        return overflow ? .max : bytes
    }

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

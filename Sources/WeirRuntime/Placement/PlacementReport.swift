package import WeirGraph
import WeirTensor

/// The placement of a graph as a table for a person: the number of ops and the bytes of constants and variables of each device,
/// and the tensors that cross devices.
package struct PlacementReport: CustomStringConvertible, Sendable {
    /// The totals of one device.
    package struct Row: Sendable {
        /// The name of the device, or `unplaced`.
        package var device: String
        /// The number of nodes on the device.
        package var opCount: Int
        /// The bytes of the constants and variables of known shape on the device.
        package var byteCount: Int
    }
    /// One row for each device, sorted by name.
    package private(set) var rows: [Row] = []
    /// For each pair of devices, how many different tensors cross from one to the other.
    package private(set) var crossings: [(from: String, to: String, count: Int)] = []
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

    private static func variableBytes(_ node: Node) -> Int {
        guard node.op.holdsParameters, let shape = node.attributes.shape("shape")?.known,
            let dtype = node.attributes.type("dtype")
        else { return 0 }
        let (bytes, overflow) = shape.elementCount.multipliedReportingOverflow(by: dtype.byteCount)
        return overflow ? .max : bytes
    }

    /// The table, then the device of each node.
    package var description: String {
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

import WeirCluster

/// The records of a step by device and node, to link records of tasks that do not record both ends of a transfer.
///
/// A worker of TensorFlow's records no node that sends or receives, but the calls with which it gets tensors of other tasks. So a
/// tensor that it sends comes from the node that made it, and a node that waits for a receive without a record waits for such a call.
struct RecordedNodes {
    private struct Place: Hashable {
        let device: String
        let node: Substring
    }
    /// The records of each node by start, as indices.
    private var runs: [Place: [Int]] = [:]
    /// The name of the receive of each node's tensor, by the device that received it.
    private var receives: [Place: String] = [:]

    /// - Parameters:
    ///   - device: the device of a record.
    ///   - isReceive: whether a record is that of a receive.
    init(_ records: [NodeTime], device: (NodeTime) -> String, isReceive: (NodeTime) -> Bool) {
        for (index, record) in records.enumerated() {
            let device = device(record)
            runs[Place(device: device, node: record.node[...]), default: []].append(index)
            if isReceive(record), let producer = record.transfer?.producer { receives[Place(device: device, node: producer)] = record.node }
        }
        runs = runs.mapValues { $0.sorted { (records[$0].start, $0) < (records[$1].start, $1) } }
    }

    /// The names of the nodes that a record's node waited for.
    /// - Parameters:
    ///   - device: the record's device.
    ///   - isSend: whether it is that of a send.
    func inputs(of record: NodeTime, on device: String, isSend: Bool) -> [String] {
        if record.inputs.isEmpty, isSend { return record.transfer?.producer.map { [String($0)] } ?? [] }
        return record.inputs.map { input in
            let name = NodeTime.node(ofInput: input)
            guard runs[Place(device: device, node: name)] == nil, let producer = RecordedNodes.producer(ofReceive: name) else { return String(name) }
            return receives[Place(device: device, node: producer)] ?? String(name)
        }
    }

    /// The records that made the tensors of receives that have no sends: the k-th to start with the k-th receive to end, as
    /// `TransferPairing` does.
    /// - Parameter receives: receives of one channel, as indices of records.
    func producers(of receives: [Int], on channel: TransferPairing.Channel, in records: [NodeTime]) -> [(send: Int, receive: Int)] {
        guard channel.source != channel.destination, let first = receives.first, let producer = records[first].transfer?.producer,
            let made = runs[Place(device: channel.source, node: producer)]
        else { return [] }
        let arrived = receives.sorted { (records[$0].end, $0) < (records[$1].end, $1) }
        return zip(made, arrived).map { (send: $0, receive: $1) }
    }

    /// The node whose tensor a receive gets, by the name that TensorFlow gives the receive: `x` for `x_S3` between tasks, and for
    /// `x/_3` within one.
    private static func producer(ofReceive name: Substring) -> Substring? {
        let stem = name.dropLast(name.reversed().prefix { ("0"..."9").contains($0) }.count)
        guard stem.endIndex < name.endIndex, stem.hasSuffix("_S") || stem.hasSuffix("/_"), stem.count > 2 else { return nil }
        return stem.dropLast(2)
    }
}

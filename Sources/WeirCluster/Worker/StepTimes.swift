import Synchronization
import WeirGraph
import WeirTensor

/// Collects the times of the kernels of a traced step. TensorFlow's `StepStatsCollector`.
final class StepTimes: StepTrace {
    private let times = Mutex<[NodeTime]>([])

    func record(node: String, op: String, device: String, start: Int, end: Int, outputs: [EdgeValue]) {
        let tensors = outputs.compactMap(\.tensor)
        let time = NodeTime(
            node: node, op: op, device: device, start: start, end: end, outputBytes: tensors.map(\.byteCount),
            outputTypes: tensors.map(\.dtype), outputShapes: tensors.map(\.shape))
        times.withLock { $0.append(time) }
    }

    /// Records a transfer as the executor's sends and receives are recorded.
    func record(_ transfer: TracedTransfer) {
        let byteCount = transfer.elementCount * transfer.dtype.byteCount
        let op: String
        switch transfer.direction {
        case .send: op = "_Send"
        case .receive: op = "_Recv"
        }
        var time = NodeTime(
            node: transfer.node, op: op, device: transfer.device, start: transfer.start, end: transfer.end,
            outputBytes: [byteCount], outputTypes: [transfer.dtype], outputShapes: [Shape(transfer.elementCount)])
        time.transfer = NodeTime.Transfer(edge: transfer.edge, peer: transfer.peer)
        times.withLock { $0.append(time) }
    }

    /// The times in the order in which the kernels started, with what each node waited for.
    /// - Parameter graphs: the graphs that ran.
    func all(in graphs: [Graph]) -> [NodeTime] {
        var times = times.withLock { $0 }.sorted { $0.start < $1.start }
        let dependencies = NodeDependencies(graphs, recorded: Set(times.lazy.map(\.node)))
        var started: Set<Substring> = []
        for index in times.indices {
            dependencies.complete(&times[index])
            // A loop's Merge does not wait for an iteration that has not run, and TensorFlow's viewer ends with a KeyError for it.
            times[index].inputs.removeAll { !started.contains(NodeTime.node(ofInput: $0)) }
            started.insert(Substring(times[index].node))
        }
        return times
    }
}

import SwiftProtobuf
import WeirGraph
import WeirProto
package import WeirTensor
import WeirWire

extension RunMetadata {
    init(_ message: TFRunMetadata, variants: VariantDecoders) throws(Status) {
        self.init(
            times: NodeTime.all(in: message.stepStats),
            partitionGraphs: try MessageDecoder.graphs(message.partitionGraphs, variants))
        calls = StepCall.all(in: message.stepStats)
    }
    /// Encodes the metadata as `RunMetadata`.
    /// - Throws: `invalidArgument` when a graph cannot be serialized.
    package func serialized() throws(Status) -> [UInt8] {
        do { return try TFRunMetadata(self).serializedBytes() } catch { throw Status(error) }
    }
    var isEmpty: Bool { times.isEmpty && partitionGraphs.isEmpty && calls.isEmpty }
}

extension TFRunMetadata {
    init(_ metadata: RunMetadata) throws(Status) {
        self.init()
        if !metadata.times.isEmpty || !metadata.calls.isEmpty { stepStats = TFStepStats(metadata.times, calls: metadata.calls) }
        partitionGraphs = try TFGraphDef.messages(metadata.partitionGraphs)
    }
}

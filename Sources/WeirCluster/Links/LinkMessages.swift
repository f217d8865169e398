import WeirGraph
import WeirRuntime
package import WeirTensor
import WeirWire

// Encodes and decodes the heads of the messages of a step. Decoding throws `dataLoss` when a head ends early.

extension RunGraph {
    package func linkHead() throws(Status) -> [UInt8] {
        var encoder = LinkHeadEncoder()
        encoder.text(session)
        encoder.bool(hasSession)
        encoder.text(graph)
        encoder.integer(step)
        encoder.integer(requestID)
        encoder.bool(isPartial)
        encoder.bool(isLastPartial)
        try encoder.tensors(sends)
        encoder.fixed32(UInt32(receives.count))
        for key in receives { encoder.text(key) }
        return encoder.bytes
    }
    package init(linkHead bytes: [UInt8], variants: VariantDecoders) throws(Status) {
        var decoder = LinkHeadDecoder(bytes)
        let session = try decoder.text()
        let hasSession = try decoder.bool()
        self.init(session: session, graph: try decoder.text(), step: try decoder.integer())
        self.hasSession = hasSession
        requestID = try decoder.integer()
        isPartial = try decoder.bool()
        isLastPartial = try decoder.bool()
        sends = try decoder.tensors(variants)
        for _ in 0..<(try decoder.fixed32()) { receives.append(try decoder.text()) }
    }
}

extension RunGraphReply {
    package func linkHead() throws(Status) -> [UInt8] {
        var encoder = LinkHeadEncoder()
        try encoder.tensors(received)
        return encoder.bytes
    }
    package init(linkHead bytes: [UInt8], variants: VariantDecoders) throws(Status) {
        var decoder = LinkHeadDecoder(bytes)
        self.init(received: try decoder.tensors(variants))
    }
}

extension ReceiveTensor {
    package var linkHead: [UInt8] {
        var encoder = LinkHeadEncoder()
        encoder.integer(step)
        encoder.text(key.text)
        encoder.integer(requestID)
        return encoder.bytes
    }
    package init(linkHead bytes: [UInt8]) throws(Status) {
        var decoder = LinkHeadDecoder(bytes)
        let step = try decoder.integer()
        let key = RendezvousKey(try decoder.text())
        self.init(step: step, key: key, requestID: try decoder.integer())
    }
}

extension ReceiveBuffer {
    var linkHead: [UInt8] {
        var encoder = LinkHeadEncoder()
        encoder.integer(key.run.group)
        encoder.fixed64(key.run.generation)
        encoder.integer(key.run.instance)
        encoder.integer(key.run.number)
        encoder.integer(key.source)
        encoder.integer(key.destination)
        encoder.integer(key.part)
        encoder.integer(byteCount)
        // The peer knows its job and task.
        encoder.text(source.device.type ?? "")
        encoder.integer(source.device.index ?? 0)
        encoder.fixed64(source.incarnation)
        return encoder.bytes
    }
    init(linkHead bytes: [UInt8]) throws(Status) {
        var decoder = LinkHeadDecoder(bytes)
        let (group, generation) = (try decoder.integer(), try decoder.fixed64())
        let run = CollectiveRun(group: group, generation: generation, instance: try decoder.integer(), number: try decoder.integer())
        let key = CollectiveKey(run: run, source: try decoder.integer(), destination: try decoder.integer(), part: try decoder.integer())
        let byteCount = try decoder.integer()
        let device = DeviceName(type: try decoder.text(), index: try decoder.integer())
        self.init(key: key, byteCount: byteCount, source: CollectiveGroup.Member(device: device, incarnation: try decoder.fixed64()))
    }
}

extension EndGroup {
    var linkHead: [UInt8] {
        var encoder = LinkHeadEncoder()
        encoder.integer(groupKey)
        encoder.fixed64(generation)
        encoder.blob(status.linkHead)
        return encoder.bytes
    }
    init(linkHead bytes: [UInt8]) throws(Status) {
        var decoder = LinkHeadDecoder(bytes)
        let (groupKey, generation) = (try decoder.integer(), try decoder.fixed64())
        self.init(groupKey: groupKey, generation: generation, status: try Status(linkHead: try decoder.blob()))
    }
}

extension WatchGroup {
    var linkHead: [UInt8] {
        var encoder = LinkHeadEncoder()
        encoder.integer(groupKey)
        encoder.fixed64(generation)
        encoder.text(task.description)
        return encoder.bytes
    }
    init(linkHead bytes: [UInt8]) throws(Status) {
        var decoder = LinkHeadDecoder(bytes)
        let (groupKey, generation) = (try decoder.integer(), try decoder.fixed64())
        self.init(groupKey: groupKey, generation: generation, task: try DeviceName(try decoder.text()))
    }
}

extension Status {
    var linkHead: [UInt8] {
        var encoder = LinkHeadEncoder()
        encoder.fixed32(UInt32(code.rawValue))
        encoder.bool(isDerived)
        encoder.text(message)
        return encoder.bytes
    }
    init(linkHead bytes: [UInt8]) throws(Status) {
        var decoder = LinkHeadDecoder(bytes)
        let code = Status.Code(rawValue: Int32(truncatingIfNeeded: try decoder.fixed32())) ?? .unknown
        let isDerived = try decoder.bool()
        self.init(code, try decoder.text(), isDerived: isDerived)
    }
}

package import WeirGraph
package import WeirTensor
package import WeirWire

// Heads of the messages of a step.

extension RunGraph {
    package func linkHead() throws(Status) -> [UInt8] {
        var writer = LinkWriter()
        writer.text(session)
        writer.bool(hasSession)
        writer.text(graph)
        writer.integer(step)
        writer.integer(requestID)
        writer.bool(isPartial)
        writer.bool(isLastPartial)
        try writer.tensors(sends)
        writer.fixed32(UInt32(receives.count))
        for key in receives { writer.text(key) }
        return writer.bytes
    }
    package init(linkHead bytes: [UInt8], variants: VariantDecoders) throws(Status) {
        var reader = LinkReader(bytes)
        let session = try reader.text()
        let hasSession = try reader.bool()
        self.init(session: session, graph: try reader.text(), step: try reader.integer())
        self.hasSession = hasSession
        requestID = try reader.integer()
        isPartial = try reader.bool()
        isLastPartial = try reader.bool()
        sends = try reader.tensors(variants)
        for _ in 0..<(try reader.fixed32()) { receives.append(try reader.text()) }
    }
}

extension RunGraphReply {
    package func linkHead() throws(Status) -> [UInt8] {
        var writer = LinkWriter()
        try writer.tensors(received)
        return writer.bytes
    }
    package init(linkHead bytes: [UInt8], variants: VariantDecoders) throws(Status) {
        var reader = LinkReader(bytes)
        self.init(received: try reader.tensors(variants))
    }
}

extension ReceiveTensor {
    package var linkHead: [UInt8] {
        var writer = LinkWriter()
        writer.integer(step)
        writer.text(key.text)
        writer.integer(requestID)
        return writer.bytes
    }
    package init(linkHead bytes: [UInt8]) throws(Status) {
        var reader = LinkReader(bytes)
        let step = try reader.integer()
        let key = RendezvousKey(try reader.text())
        self.init(step: step, key: key, requestID: try reader.integer())
    }
}

extension Status {
    var linkHead: [UInt8] {
        var writer = LinkWriter()
        writer.fixed32(UInt32(code.rawValue))
        writer.bool(isDerived)
        writer.text(message)
        return writer.bytes
    }
    init(linkHead bytes: [UInt8]) throws(Status) {
        var reader = LinkReader(bytes)
        let code = Status.Code(rawValue: Int32(truncatingIfNeeded: try reader.fixed32())) ?? .unknown
        let isDerived = try reader.bool()
        self.init(code, try reader.text(), isDerived: isDerived)
    }
}

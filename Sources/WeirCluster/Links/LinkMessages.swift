import WeirGraph
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

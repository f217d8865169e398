import Metrics

/// Counts the bytes of the links with one peer.
struct LinkMetrics: Sendable {
    private let sent: Counter
    private let received: Counter

    init(_ maker: InstrumentMaker, peer: String) {
        sent = maker.counter("weir_link_sent_bytes_total", ("peer", peer))
        received = maker.counter("weir_link_received_bytes_total", ("peer", peer))
    }

    func recordSent(_ frame: LinkFrame) { sent.increment(by: frame.byteCount) }
    func recordReceived(_ frame: LinkFrame) { received.increment(by: frame.byteCount) }
}

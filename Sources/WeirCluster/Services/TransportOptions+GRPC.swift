import Glibc
import GRPCCore
import GRPCNIOTransportHTTP2Posix

extension TransportOptions {
    /// Calls that wait on one connection without a limit: every tensor that a step waits for is one.
    private static let unlimitedStreams = Int(Int32.max)

    var server: HTTP2ServerTransport.Posix.Config {
        .defaults { config in
            config.http2 = .init(
                maxFrameSize: frameByteCount, targetWindowSize: windowByteCount,
                maxConcurrentStreams: TransportOptions.unlimitedStreams)
            config.rpc.maxRequestPayloadSize = maximumMessageByteCount
            // TensorFlow compresses requests when RPCOptions.compression_algorithm says so. Answers are not compressed:
            // its clients name `identity` first.
            config.compression.enabledAlgorithms = .all
            config.connection.flushCoalescing = flushDelay.map { .init(maxFlushDelay: $0, maxBytes: 64 << 10) }
            // A client whose machine is gone has its calls cancelled.
            config.channelDebuggingCallbacks.onAcceptTCPConnection = client.channelDebuggingCallbacks.onCreateTCPConnection
        }
    }
    /// In seconds, as the system counts.
    private var silence: Int32 { Int32(clamping: max(6, lossDelay.milliseconds / 1000)) }

    var client: HTTP2ClientTransport.Posix.Config {
        .defaults { config in
            config.http2 = .init(maxFrameSize: frameByteCount, targetWindowSize: windowByteCount, authority: nil)
            config.backoff = .init(initial: initialBackoff, max: maximumBackoff, multiplier: 1.6, jitter: 0.2)
            config.connection.flushCoalescing = flushDelay.map { .init(maxFlushDelay: $0, maxBytes: 64 << 10) }
            // The system's probes, not HTTP/2's pings: TensorFlow's servers break off a connection that is pinged more
            // often than every five minutes.
            config.channelDebuggingCallbacks.onCreateTCPConnection = { [silence] channel in
                TransportOptions.probe(channel, silence: silence)
            }
        }
    }

    /// Lets the system find out that a connection's other end is gone after so many seconds of silence.
    private static func probe(_ channel: any Channel, silence: Int32) -> EventLoopFuture<Void> {
        let options: [(CInt, CInt)] = [
            (TCP_KEEPIDLE, silence / 3), (TCP_KEEPINTVL, silence / 6), (TCP_KEEPCNT, 4), (TCP_USER_TIMEOUT, silence * 1000),
        ]
        var result: EventLoopFuture<Void> = channel.setOption(.socketOption(.so_keepalive), value: 1)
        for (name, value) in options {
            result = result.flatMap { channel.setOption(.tcpOption(.init(rawValue: name)), value: value) }
        }
        return result
    }

    /// - Parameter waitsForReady: whether the call waits for the peer to be there, rather than failing at once.
    func call(waitsForReady: Bool) -> CallOptions {
        var options = CallOptions.defaults
        options.waitForReady = waitsForReady
        // The transport applies this limit to answers too.
        options.maxRequestMessageBytes = maximumMessageByteCount
        options.maxResponseMessageBytes = maximumMessageByteCount
        return options
    }
}

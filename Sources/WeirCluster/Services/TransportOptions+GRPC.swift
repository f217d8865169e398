import Glibc
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore

extension TransportOptions {
    /// Calls that wait on one connection without a limit: every tensor that a step waits for is one.
    private static let unlimitedStreams = Int(Int32.max)

    var server: HTTP2ServerTransport.Posix.Config {
        .defaults { config in
            config.http2 = .init(
                maxFrameSize: frameByteCount, targetWindowSize: windowByteCount,
                maxConcurrentStreams: TransportOptions.unlimitedStreams)
            config.rpc.maxRequestPayloadSize = maximumMessageByteCount
            // See `CompressedRequests`.
            config.compression.enabledAlgorithms = .none
            config.channelDebuggingCallbacks.onAcceptHTTP2Stream = { [maximumMessageByteCount] stream in
                // A stream that is closed by now needs no handler; failing here would end the process (NIOAsyncWriter's check).
                try? stream.pipeline.syncOperations.addHandler(CompressedRequests(limit: maximumMessageByteCount), position: .first)
                return stream.eventLoop.makeSucceededVoidFuture()
            }
            config.connection.flushCoalescing = flushDelay.map { .init(maxFlushDelay: $0, maxBytes: 64 << 10) }
            // A client whose machine is gone has its calls cancelled.
            config.channelDebuggingCallbacks.onAcceptTCPConnection = client.channelDebuggingCallbacks.onCreateTCPConnection
        }
    }
    /// In seconds, as the system counts.
    private var silence: Int { Int(min(max(6, lossDelay.milliseconds / 1000), 86_400)) }

    var client: HTTP2ClientTransport.Posix.Config {
        .defaults { config in
            config.http2 = .init(maxFrameSize: frameByteCount, targetWindowSize: windowByteCount, authority: nil)
            config.backoff = .init(initial: initialBackoff, max: maximumBackoff, multiplier: 1.6, jitter: 0.2)
            config.connection.flushCoalescing = flushDelay.map { .init(maxFlushDelay: $0, maxBytes: 64 << 10) }
            // The system's probes, not HTTP/2's pings: TensorFlow's servers break off a connection that is pinged more
            // often than every five minutes.
            // One by one: as one expression it takes the compiler longer than it has.
            let (idle, interval, timeout) = (silence / 3, silence / 6, silence * 1000)
            config.channelDebuggingCallbacks.onCreateTCPConnection = { channel in
                _ = channel.setOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: idle)
                _ = channel.setOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: interval)
                _ = channel.setOption(.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: 4)
                _ = channel.setOption(.tcpOption(.init(rawValue: TCP_USER_TIMEOUT)), value: timeout)
                return channel.setOption(.socketOption(.so_keepalive), value: 1)
            }
        }
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

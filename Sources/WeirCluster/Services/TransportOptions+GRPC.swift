import Glibc
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore

extension TransportOptions {
    /// No limit on the calls of one connection: a step has one call for each tensor that it waits for.
    private static let unlimitedStreams = Int(Int32.max)

    var server: HTTP2ServerTransport.Posix.Config {
        .defaults { config in
            config.http2 = .init(
                maxFrameSize: frameByteCount, targetWindowSize: windowByteCount,
                maxConcurrentStreams: TransportOptions.unlimitedStreams)
            config.rpc.maxRequestPayloadSize = maximumMessageByteCount
            // The transport's decompression is off; see `RequestDecompressor`.
            config.compression.enabledAlgorithms = .none
            config.channelDebuggingCallbacks.onAcceptHTTP2Stream = { [maximumMessageByteCount] stream in
                // A closed stream needs no handler. An error here would end the process (a precondition of NIOAsyncWriter).
                try? stream.pipeline.syncOperations.addHandler(RequestDecompressor(limit: maximumMessageByteCount), position: .first)
                return stream.eventLoop.makeSucceededVoidFuture()
            }
            config.connection.flushCoalescing = flushDelay.map { .init(maxFlushDelay: $0, maxBytes: 64 << 10) }
            // Keepalive probes, so that calls of a client whose machine is gone are cancelled.
            config.channelDebuggingCallbacks.onAcceptTCPConnection = client.channelDebuggingCallbacks.onCreateTCPConnection
        }
    }
    /// `lossDelay` in seconds, as socket options want it.
    private var lossDetectionSeconds: Int { Int(min(max(6, lossDelay.milliseconds / 1000), 86_400)) }

    var client: HTTP2ClientTransport.Posix.Config {
        .defaults { config in
            config.http2 = .init(maxFrameSize: frameByteCount, targetWindowSize: windowByteCount, authority: nil)
            config.backoff = .init(initial: initialBackoff, max: maximumBackoff, multiplier: 1.6, jitter: 0.2)
            config.connection.flushCoalescing = flushDelay.map { .init(maxFlushDelay: $0, maxBytes: 64 << 10) }
            // Uses TCP keepalive probes instead of HTTP/2 pings: TensorFlow's servers close a connection that sends more than one
            // ping in five minutes.
            // Separate statements: as one expression, type checking takes too long.
            let (idle, interval, timeout) = (lossDetectionSeconds / 3, lossDetectionSeconds / 6, lossDetectionSeconds * 1000)
            config.channelDebuggingCallbacks.onCreateTCPConnection = { channel in
                _ = channel.setOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: idle)
                _ = channel.setOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: interval)
                _ = channel.setOption(.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: 4)
                _ = channel.setOption(.tcpOption(.init(rawValue: TCP_USER_TIMEOUT)), value: timeout)
                return channel.setOption(.socketOption(.so_keepalive), value: 1)
            }
        }
    }

    /// Returns the options of a call.
    /// - Parameter waitsForReady: whether the call waits until the peer can be reached, or fails at once.
    func call(waitsForReady: Bool) -> CallOptions {
        var options = CallOptions.defaults
        options.waitForReady = waitsForReady
        // The transport applies the request limit to replies too.
        options.maxRequestMessageBytes = maximumMessageByteCount
        options.maxResponseMessageBytes = maximumMessageByteCount
        return options
    }
}

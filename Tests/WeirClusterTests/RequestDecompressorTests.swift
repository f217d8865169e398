import CZlib
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Testing
import WeirProto
import WeirTensor

@testable import WeirCluster

private typealias Status = WeirTensor.Status

@Suite struct RequestDecompressorTests {
    private static let limit = 1 << 20

    /// The bytes as one complete zlib stream.
    private static func packed(_ bytes: [UInt8]) -> [UInt8] {
        var packed = [UInt8](repeating: 0, count: Int(compressBound(UInt(bytes.count))))
        var count = UInt(packed.count)
        compress(&packed, &count, bytes, UInt(bytes.count))
        return Array(packed.prefix(Int(count)))
    }
    private static func framed(_ flag: UInt8, _ body: [UInt8]) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(flag)
        buffer.writeInteger(UInt32(body.count))
        buffer.writeBytes(body)
        return buffer
    }

    /// A channel on which the request headers of a call have arrived.
    private static func stream(_ encoding: String?) throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(handler: RequestDecompressor(limit: limit))
        try channel.connect(to: .init(unixDomainSocketPath: "/"), promise: nil)
        var headers: HPACKHeaders = [":method": "POST", ":path": "/tensorflow.MasterService/RunStep"]
        if let encoding { headers.add(name: "grpc-encoding", value: encoding) }
        try channel.writeInbound(HTTP2Frame.FramePayload.headers(.init(headers: headers)))
        return channel
    }
    private static func send(_ bytes: ByteBuffer, ends: Bool = false, on channel: EmbeddedChannel) throws {
        try channel.writeInbound(HTTP2Frame.FramePayload.data(.init(data: .byteBuffer(bytes), endStream: ends)))
    }
    /// Everything that the handler passes to the transport, and whether the last frame ended the request.
    private static func received(_ channel: EmbeddedChannel) throws -> (headers: HPACKHeaders?, bytes: [UInt8], hasEnded: Bool) {
        var result: (headers: HPACKHeaders?, bytes: [UInt8], hasEnded: Bool) = (nil, [], false)
        while let payload = try channel.readInbound(as: HTTP2Frame.FramePayload.self) {
            switch payload {
            case .headers(let headers): result.headers = headers.headers
            case .data(let data):
                if case .byteBuffer(let bytes) = data.data { result.bytes += Array(bytes.readableBytesView) }
                result.hasEnded = data.endStream
            default: break
            }
        }
        return result
    }

    @Test func `a compressed message arrives as it was, in whatever pieces it comes`() throws {
        let text = [UInt8](repeating: 7, count: 100_000)
        for pieceCount in [1, 5, 1000] {
            let channel = try Self.stream("deflate")
            var rest = Self.framed(1, Self.packed(text))
            while let piece = rest.readSlice(length: min(pieceCount, rest.readableBytes)), piece.readableBytes > 0 {
                try Self.send(piece, ends: rest.readableBytes == 0, on: channel)
            }
            let received = try Self.received(channel)
            #expect(received.headers?.first(name: "grpc-encoding") == nil && received.headers?.first(name: ":method") == "POST")
            #expect(received.bytes == Array(Self.framed(0, text).readableBytesView))
            #expect(received.hasEnded)
        }
    }

    @Test func `messages that are not compressed pass unchanged, beside others or alone`() throws {
        let plain = Self.framed(0, [1, 2, 3])
        for encoding in ["gzip", "identity", nil] {
            let channel = try Self.stream(encoding)
            try Self.send(plain, ends: true, on: channel)
            #expect(try Self.received(channel).bytes == Array(plain.readableBytesView))
        }
        let channel = try Self.stream("deflate")
        var both = plain
        both.writeImmutableBuffer(Self.framed(1, Self.packed([4, 5])))
        try Self.send(both, on: channel)
        let expected = Array(plain.readableBytesView) + Array(Self.framed(0, [4, 5]).readableBytesView)
        #expect(try Self.received(channel).bytes == expected)
    }

    @Test(arguments: [
        ("ends early", Status.Code.dataLoss), ("is not what its compression makes", .dataLoss), ("is followed by 2 bytes", .dataLoss),
        ("says more than the 1048576 bytes", .resourceExhausted), ("has 1048577 bytes", .resourceExhausted),
    ])
    fileprivate func `a compressed message that is none fails its call`(_ fault: String, _ code: Status.Code) throws {
        var packed = Self.packed((0..<5000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) })
        switch fault {
        case "ends early": packed.removeLast(packed.count / 2)
        case "is not what its compression makes": packed[1] ^= 0xFF
        case "is followed by 2 bytes": packed += [0, 0]
        case "has 1048577 bytes": packed = [UInt8](repeating: 0, count: Self.limit + 1)
        default: packed = Self.packed([UInt8](repeating: 0, count: Self.limit + 1))
        }
        let channel = try Self.stream("deflate")
        try Self.send(Self.framed(1, packed), ends: true, on: channel)
        guard case .headers(let answer)? = try channel.readOutbound(as: HTTP2Frame.FramePayload.self) else {
            Issue.record("no answer")
            return
        }
        #expect(answer.endStream)
        #expect(answer.headers.first(name: "grpc-status") == "\(code.rawValue)")
        let message = answer.headers.first(name: "grpc-message") ?? ""
        #expect(message.contains(fault), "\(message)")
        #expect(!channel.isActive)
    }

    @Test func `a message of just the limit is not too much`() throws {
        let channel = try Self.stream("gzip")
        try Self.send(Self.framed(1, Self.packed([UInt8](repeating: 9, count: Self.limit))), on: channel)
        #expect(try Self.received(channel).bytes.count == Self.limit + 5)
    }

    @Test(.timeLimit(.minutes(1))) func `a client that compresses is served, by servers that would not decompress otherwise`() async throws {
        let session = String(repeating: "session", count: 10_000)
        let master = FakeMaster { request, _, done in
            done(request.session == session ? .success(RunStepReply(tensors: [])) : .failure(.notFound(request.session)))
        }
        try await Loopback.with(master: master) { loopback in
            var config = HTTP2ClientTransport.Posix.Config.defaults
            config.compression = .init(algorithm: .gzip, enabledAlgorithms: .all)
            let transport = try HTTP2ClientTransport.Posix(
                target: .ipv4(address: "127.0.0.1", port: loopback.port), transportSecurity: .plaintext, config: config)
            var request = TFRunStepRequest()
            request.sessionHandle = session
            let message: [UInt8] = try request.serializedBytes()
            try await withGRPCClient(transport: transport) { client in
                for algorithm in [CompressionAlgorithm.gzip, .deflate, .none] {
                    var options = CallOptions.defaults
                    options.compression = algorithm
                    let answer = try await client.unary(
                        request: ClientRequest(message: message),
                        descriptor: MethodDescriptor(fullyQualifiedService: "tensorflow.MasterService", method: "RunStep"),
                        serializer: Bytes(), deserializer: Bytes(), options: options
                    ) { try $0.message }
                    #expect(try TFRunStepResponse(serializedBytes: answer).statusCode == .ok)
                }
            }
        }
    }
}

/// Sends and receives raw bytes as messages.
private struct Bytes: MessageSerializer, MessageDeserializer {
    func serialize<B: GRPCContiguousBytes>(_ message: [UInt8]) -> B { B(message) }
    func deserialize<B: GRPCContiguousBytes>(_ bytes: B) -> [UInt8] { bytes.withUnsafeBytes { Array($0) } }
}

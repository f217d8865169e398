import SwiftProtobuf
import Testing
import WeirProto
import WeirTensor

@testable import WeirWire

@Suite("Replies of RecvBuf")
struct ReceiveBufferCoderTests {
    private func decode(_ bytes: [UInt8], into target: Tensor? = nil) throws -> ReceivedTensor {
        try bytes.withUnsafeBytes { try ReceiveBufferCoder.decode($0, into: target) }
    }

    @Test("the message is TensorFlow's", arguments: [0, 1, 1000])
    func encoding(_ count: Int) throws {
        let tensor = Tensor((0..<count).map { Float($0) })
        let bytes = try ReceiveBufferCoder.encode(tensor, sendStartMicros: 99).contiguous
        let message = try TFRecvBufResponse(serializedBytes: bytes)
        #expect(message.numBytes == Int64(count * 4) && message.sendStartMicros == 99)
        let extra = try TFRecvBufRespExtra(unpackingAny: message.transportOptions)
        #expect(extra.tensorContent.reduce(0) { $0 + $1.count } == count * 4)
        let target = try Tensor(.float32, [count])
        let read = try decode(bytes, into: target)
        #expect(read.tensor.sharesMemory(with: target) && read.tensor == tensor)
        #expect(read.sendStartMicros == 99 && !read.requiresAcknowledgement)
    }

    @Test("pieces of a TensorFlow server are joined; without a fitting target the bytes come as they are")
    func pieces() throws {
        var extra = TFRecvBufRespExtra()
        extra.tensorContent = [.init([1, 2]), .init(), .init([3])]
        var message = TFRecvBufResponse()
        message.numBytes = 3
        message.requireAck = true
        message.transportOptions = try Google_Protobuf_Any(message: extra)
        let read = try decode(try message.serializedBytes(), into: try Tensor(.uint8, [4]))
        #expect(read.tensor == Tensor([1, 2, 3] as [UInt8]) && read.requiresAcknowledgement)
        message.numBytes = 4
        let wrong: [UInt8] = try message.serializedBytes()
        #expect(throws: Status.self) { try decode(wrong) }
    }

    @Test("malformed replies are errors, wherever they end")
    func malformed() throws {
        let bytes = try ReceiveBufferCoder.encode(Tensor([1, 2, 3] as [Int32]), sendStartMicros: 1).contiguous
        for count in 1..<bytes.count { #expect(throws: Status.self) { try decode(Array(bytes.prefix(count))) } }
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0xFF
            _ = try? decode(changed)
        }
        #expect(throws: Status.self) { try ReceiveBufferCoder.encode(Tensor([ByteString("a")], ofShape: [1]), sendStartMicros: 0) }
    }
}

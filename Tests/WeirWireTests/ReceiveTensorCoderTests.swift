import Testing
import WeirTensor
import WeirWire

@Suite("RecvTensorResponse")
struct ReceiveTensorCoderTests {
    // As seen between two servers of TensorFlow 2.21, with 5 for the time.
    static let golden: [(bytes: String, tensor: Tensor, isDead: Bool)] = [
        ("18 05 0a 08 08 01 22 04 00 00 20 41", Tensor(Float(10)), false),
        (
            "18 05 0a 1a 08 01 12 04 12 02 08 04 22 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
            Tensor([Float](repeating: 0, count: 4)), false
        ),
        ("10 01 18 05 0a 0a 08 01 12 04 12 02 08 00 22 00", ReceiveTensorCoder.empty, true),
        ("18 05 0a 0a 08 01 12 04 12 02 08 00 22 00", ReceiveTensorCoder.empty, false),
    ]

    @Test("numbers are framed byte for byte as TensorFlow does", arguments: golden)
    func matchesTensorFlow(_ bytes: String, _ tensor: Tensor, _ isDead: Bool) throws {
        let encoded = try ReceiveTensorCoder.encode(tensor, isDead: isDead, sendStartMicros: 5)
        #expect(encoded.contiguous == hex(bytes))
        #expect(encoded.byteCount == hex(bytes).count)
        let received = try ReceiveTensorCoder.decode(hex(bytes))
        #expect(received.tensor == tensor && received.isDead == isDead && received.sendStartMicros == 5)
    }

    @Test("nothing to send is sent as TensorFlow sends it")
    func nothing() throws {
        let encoded = try ReceiveTensorCoder.encode(nil, isDead: true, sendStartMicros: 5)
        #expect(encoded.contiguous == hex(Self.golden[2].bytes))
    }

    @Test("strings are in tensor_content, as TensorFlow sends them, in whichever order the fields come")
    func strings() throws {
        let tensor = Tensor([ByteString("x"), "yz"])
        let theirs = hex("0a 0f 08 07 12 04 12 02 08 02 22 05 01 02 78 79 7a 18 05")
        #expect(try ReceiveTensorCoder.decode(theirs).tensor == tensor)
        let ours = try ReceiveTensorCoder.encode(tensor, sendStartMicros: 5)
        #expect(ours.contiguous == hex("18 05 0a 0f 08 07 12 04 12 02 08 02 22 05 01 02 78 79 7a"))
        #expect(ours.payload == nil)
    }

    @Test("the elements are not copied into the header")
    func sharesMemory() throws {
        let tensor = Tensor((0..<1000).map(Float.init))
        let encoded = try ReceiveTensorCoder.encode(tensor)
        #expect(encoded.header.count < 32)
        #expect(try #require(encoded.payload).sharesMemory(with: tensor))
        #expect(Array(encoded.contiguous.suffix(4000)) == Array(tensor.bytes))
    }

    @Test("what is larger than a message may be is refused before anything is written")
    func tooLarge() {
        final class Nothing {}
        // Memory that is not there: it is not looked at.
        let tensor = Tensor(.uint8, [1 << 31], over: UnsafeMutableRawPointer(bitPattern: 4096)!, keeping: Nothing())
        #expect(status { try ReceiveTensorCoder.encode(tensor) }?.code == .internalError)
    }

    @Test("a tensor of every bitwise type and rank arrives", arguments: DTypeSet.bitwise.types)
    func roundTrip(_ dtype: DType) throws {
        for shape: Shape in [[], [0], [3], [2, 300], [1, 2, 1, 2, 1, 2, 1, 2]] {
            let tensor = try Tensor.zeros(dtype, shape)
            let received = try ReceiveTensorCoder.decode(
                try ReceiveTensorCoder.encode(tensor, requiresAcknowledgement: true).contiguous)
            #expect(received.tensor == tensor && received.requiresAcknowledgement && !received.isDead)
            #expect(UInt(bitPattern: received.tensor.bytes.baseAddress) % 16 == 0)
        }
    }

    @Test(
        "every legal spelling of a tensor is read, also those nobody sends",
        arguments: [
            ("a value in the field of its type", "0a 0a 08 01 12 00 2a 04 00 00 20 41"),
            ("the shape after the content", "0a 0a 08 01 22 04 00 00 20 41 12 00"),
            ("a dimension with a name", "0a 11 08 01 12 07 12 05 08 01 12 01 78 22 04 00 00 20 41"),
            ("transport options", "0a 08 08 01 22 04 00 00 20 41 22 00"),
            ("a field of the future", "0a 08 08 01 22 04 00 00 20 41 98 06 01"),
            ("a tensor in two parts", "0a 02 08 01 0a 06 22 04 00 00 20 41"),
        ])
    func otherSpellings(_ what: String, _ bytes: String) throws {
        #expect(try ReceiveTensorCoder.decode(hex(bytes)).tensor.array() == [Float(10)], "\(what)")
    }

    @Test(
        "what is no answer is an invalid argument",
        arguments: [
            "", "0a", "0a 05 08 01", "0a 08 08 01 22 04 00 00 20", "0a 07 08 01 22 03 00 00 20",
            "0a 0c 08 01 12 04 12 02 08 02 22 04 00 00 20 41", "0a 07 08 63 22 03 00 00 20", "ff", "12 00",
            "0a 17 08 01 12 0d 12 0b 08 ff ff ff ff ff ff ff ff ff 01 22 04 00 00 20 41",
            "18 ff ff ff ff ff ff ff ff ff 7f", "0a 05 08 0a 22 01 02",
        ])
    func malformed(_ bytes: String) {
        #expect(status { try ReceiveTensorCoder.decode(hex(bytes)) }?.code == .invalidArgument)
    }

    @Test("every prefix of an answer, and every byte of it changed, is read or refused")
    func damaged() throws {
        let tensor = Tensor([Int64(1), 2], ofShape: [1, 2])
        let message = try ReceiveTensorCoder.encode(tensor, isDead: true, sendStartMicros: 300)
        for bytes in WeirWireTests.damaged(message.contiguous) {
            let failure = status { try ReceiveTensorCoder.decode(bytes) }
            #expect(failure == nil || failure?.code == .invalidArgument)
        }
    }
}

import CLinux
import Glibc
import Synchronization
import Testing
import WeirGraph
import WeirTensor

@testable import WeirCluster

@Suite("Memory shared by the two ends of a link")
struct SharedRingTests {
    /// Both ends of a ring, each with its own mapping, as two processes have them.
    private func ends() throws -> (writer: SharedRing, reader: SharedRing) {
        let reader = try SharedRing()
        return (try SharedRing(from: dup(reader.descriptor)), reader)
    }
    private static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

    @Test("bytes come out as they went in, few and many, again and again")
    func roundTrips() throws {
        let (writer, reader) = try ends()
        let capacity = Int(SharedRing.capacity)
        let counts = [1, 63, 4096, capacity - 1, capacity, capacity + 1, 5 * capacity + 7, 100_000, 3 * capacity]
        // A thread of its own, as a link has: ends of a ring block.
        LinkThread.run {
            for count in counts { #expect(SharedRingTests.bytes(count).withUnsafeBytes { writer.write($0, while: { true }) }) }
        }
        for count in counts {
            var found = [UInt8](repeating: 0, count: count)
            #expect(found.withUnsafeMutableBytes { reader.read(into: $0, while: { true }) })
            #expect(found == SharedRingTests.bytes(count))
        }
    }

    @Test("an end whose peer is gone stops waiting, once it has read what had come")
    func peerGone() throws {
        let (writer, reader) = try ends()
        #expect(SharedRingTests.bytes(10).withUnsafeBytes { writer.write($0, while: { true }) })
        var found = [UInt8](repeating: 0, count: 10)
        #expect(found.withUnsafeMutableBytes { reader.read(into: $0, while: { false }) })
        #expect(found == SharedRingTests.bytes(10))
        #expect(!found.withUnsafeMutableBytes { reader.read(into: $0, while: { false }) })
        #expect(!SharedRingTests.bytes(Int(SharedRing.capacity) + 1).withUnsafeBytes { writer.write($0, while: { false }) })
    }

    @Test("a peer that says it has written more than fits is not believed")
    func wrongCount() throws {
        let (_, reader) = try ends()
        let memory = try #require(mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, reader.descriptor, 0))
        defer { munmap(memory, 4096) }
        memory.storeBytes(of: SharedRing.capacity + 1, as: UInt32.self)
        var found = [UInt8](repeating: 7, count: 100)
        #expect(!found.withUnsafeMutableBytes { reader.read(into: $0, while: { true }) })
        #expect(found.allSatisfy { $0 == 7 })
    }

    @Test("only memory whose size nobody can change is taken from a peer")
    func otherMemory() throws {
        var descriptors: [Int32] = [-1, -1]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &descriptors) == 0)
        let (here, there) = (LinkSocket(descriptor: descriptors[0]), LinkSocket(descriptor: descriptors[1]))
        let ring = try here.offerRing()
        #expect(try there.takeRing().descriptor != ring.descriptor)

        let file = open("/dev/zero", O_RDWR)
        defer { close(file) }
        #expect(linux_send_descriptor(descriptors[0], file) == 1)
        #expect(throws: Status.self) { try there.takeRing() }

        let other = linux_make_sealed_memory("too small", 4096)
        defer { close(other) }
        #expect(linux_send_descriptor(descriptors[0], other) == 1)
        #expect(throws: Status.self) { try there.takeRing() }

        // A frame where a descriptor should be.
        try here.send(LinkFrame(kind: .hello, call: 1))
        #expect(throws: Status.self) { try there.takeRing() }
    }

    @Test("who has not said who it is may say nothing else, and no tensor is too large to be refused")
    func greetings() throws {
        var descriptors: [Int32] = [-1, -1]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &descriptors) == 0)
        let (here, there) = (LinkSocket(descriptor: descriptors[0]), LinkSocket(descriptor: descriptors[1]))
        try here.send(LinkFrame(kind: .cancel, call: 1))
        #expect(throws: Status.self) { try there.receive(greets: true) }
        try here.send(LinkFrame(kind: .hello, call: 1, head: [1, 2]))
        #expect(try there.receive(greets: true)?.head == [1, 2])
        var head = LinkWriter()
        head.bool(false)
        head.byte(DType.float64.rawValue)
        head.byte(1)
        head.integer(1 << 60)
        head.blob([])
        try here.send(LinkFrame(kind: .tensor, call: 1, head: head.bytes))
        #expect(throws: Status.self) { try there.receive() }
    }

    @Test("a frame's large payload goes through the ring, its head through the socket")
    func frames() throws {
        var descriptors: [Int32] = [-1, -1]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &descriptors) == 0)
        let (here, there) = (LinkSocket(descriptor: descriptors[0]), LinkSocket(descriptor: descriptors[1]))
        let (writer, reader) = try ends()
        let values = (0..<1_000_000).map(Float.init)
        let delivery = Delivery(Tensor(values))
        let head = try LinkTensor(delivery).head
        LinkThread.run {
            #expect(throws: Never.self) {
                try here.send(LinkFrame(kind: .tensor, call: 3, head: head, payload: delivery.tensor), through: writer)
            }
        }
        let found = try #require(try there.receive(through: reader))
        #expect(found.call == 3)
        #expect(try found.payload?.array(of: Float.self) == values)
    }

    @Test("a peer of this host is reached by its name, and one whose name is unknown here by its port")
    func addresses() throws {
        let name = "weir-test-\(UInt64.random(in: 0 ... .max))"
        let local = try LinkAddress.listen(name: name)
        let (remote, port) = try LinkAddress.listen(host: "127.0.0.1")
        defer {
            close(local)
            close(remote)
        }
        #expect(try LinkAddress(port: port, name: name).connect(host: "127.0.0.1").isLocal)
        #expect(try !LinkAddress(port: port, name: name + "x").connect(host: "127.0.0.1").isLocal)
        #expect(try !LinkAddress(port: port, name: "").connect(host: "127.0.0.1").isLocal)
    }
}

import CLinux
import Dispatch
import Glibc
import Testing
import WeirDevice
import WeirGraph
import WeirRuntime
import WeirTensor

@testable import WeirCluster

@Suite("Sockets of links")
struct LinkSocketTests {
    private func pair() throws -> (here: LinkSocket, there: LinkSocket) {
        var descriptors: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &descriptors) == 0)
        return (LinkSocket(descriptor: descriptors[0]), LinkSocket(descriptor: descriptors[1]))
    }

    @Test("only memory with a sealed size is accepted from a peer")
    func otherMemory() throws {
        let (here, there) = try pair()
        let ring = try SharedRing()
        try here.sendRing(ring)
        #expect(try there.receiveRing().descriptor != ring.descriptor)

        let file = open("/dev/zero", O_RDWR)
        defer { close(file) }
        #expect(linux_send_descriptor(here.descriptor, file) == 1)
        #expect(throws: Status.self) { try there.receiveRing() }

        let other = linux_make_sealed_memory("too small", 4096)
        defer { close(other) }
        #expect(linux_send_descriptor(here.descriptor, other) == 1)
        #expect(throws: Status.self) { try there.receiveRing() }

        // A frame instead of a descriptor.
        try here.send(LinkFrame(kind: .hello, call: 1))
        #expect(throws: Status.self) { try there.receiveRing() }
    }

    @Test("a frame before hello is rejected, and so is an impossibly large tensor")
    func greetings() throws {
        let (here, there) = try pair()
        try here.send(LinkFrame(kind: .cancel, call: 1))
        #expect(throws: Status.self) { try there.receive(isHandshake: true) }
        try here.send(LinkFrame(kind: .hello, call: 1, head: [1, 2]))
        #expect(try there.receive(isHandshake: true)?.head == [1, 2])
        var head = LinkHeadEncoder()
        head.bool(false)
        head.byte(DType.float64.rawValue)
        head.byte(1)
        head.integer(1 << 60)
        head.blob([])
        try here.send(LinkFrame(kind: .tensor, call: 1, head: head.bytes))
        #expect(throws: Status.self) { try there.receive() }
    }

    @Test("large tensors of one link arrive intact and in order, though the peer pauses in the middle of one")
    func largeTensors() throws {
        let (control, bulk) = (try pair(), try pair())
        let link = try Link(control: control.here, bulk: bulk.here, metrics: ServerMetrics.disabled.link(with: nil))
        defer { link.close() }
        let values = (0..<3).map { number in (0..<1_000_000).map { Float($0 &* (number + 1)) } }
        for (number, values) in values.enumerated() {
            let delivery = RendezvousItem(Tensor(values))
            try link.send(LinkFrame(kind: .tensor, call: UInt64(number), head: LinkTensor(delivery).head, payload: delivery.tensor))
        }
        // Waits until a second pool thread would have begun to write, too.
        let pool = try ComputePool(threadCount: 1)
        let (startsAdditionalThreads, ends) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        pool.submit { ends.wait() }
        pool.submit { startsAdditionalThreads.signal() }
        startsAdditionalThreads.wait()
        ends.signal()
        for (number, values) in values.enumerated() {
            let frame = try #require(try bulk.there.receive())
            #expect(frame.call == number)
            #expect(try frame.payload?.array(of: Float.self) == values)
        }
    }

    @Test("feeds above the peer's limit are rejected with advice")
    func heads() throws {
        let count = LinkFrame.maximumHeadByteCount + 1
        // The memory is never touched; only the size counts.
        let large = [UInt8](unsafeUninitializedCapacity: count) { _, initialized in initialized = count }
        #expect(throws: Status.self) { try LinkFrame.checked(large) }
        #expect(try LinkFrame.checked([1]) == [1])
    }

    @Test("a frame's header goes through the socket, its large payload through the ring")
    func frames() throws {
        let (here, there) = try pair()
        let reader = try SharedRing(), writer = try SharedRing(from: dup(reader.descriptor))
        let values = (0..<1_000_000).map(Float.init)
        let delivery = RendezvousItem(Tensor(values))
        let head = try LinkTensor(delivery).head
        try SystemThread.run {
            #expect(throws: Never.self) {
                try here.sendBlocking(LinkFrame(kind: .tensor, call: 3, head: head, payload: delivery.tensor), through: writer)
            }
        }
        let found = try #require(try there.receive(through: reader))
        #expect(found.call == 3)
        #expect(try found.payload?.array(of: Float.self) == values)
    }

    @Test("elements are read to where they are wanted, if type and size fit")
    func targets() async throws {
        let (here, there) = try pair()
        let wanted = try Tensor(.float32, [3])
        let received = Event<Tensor?>()
        there.start(destination: { $0 < 3 ? CollectiveDestination(wanted) : nil }, { received.happen($0.payload) }, onEnd: { _ in received.happen(nil) })
        let values = Tensor([1, 2, 3] as [Float])
        let others = [Tensor([1, 2, 3, 4] as [Float]), Tensor([1, 2, 3] as [Int32])]
        for (call, tensor) in ([values] + others + [values]).enumerated() {
            try here.send(LinkFrame(kind: .tensor, call: UInt64(call), head: LinkTensor(RendezvousItem(tensor)).head, payload: tensor))
            let found = try #require(try await received.next())
            #expect(found == tensor && found.sharesMemory(with: wanted) == (call == 0))
        }
        here.close()
        #expect(try await received.next() == nil)
    }

    @Test("elements are combined on their way through the ring, unless bytes before them have left it unaligned", arguments: [false, true])
    func combined(isUnaligned: Bool) async throws {
        let (here, there) = try pair()
        let reader = try SharedRing(), writer = try SharedRing(from: dup(reader.descriptor))
        let count = 3 * Int(SharedRing.capacity) / 4 + 5
        let own = Tensor((0..<count).map { Float($0) }), target = try Tensor(.float32, [count])
        let subtract: CollectiveArithmetic.Combine = { a, b, result, count in
            for index in 0..<count {
                let difference = a.load(fromByteOffset: 4 * index, as: Float.self) - b.load(fromByteOffset: 4 * index, as: Float.self)
                result.storeBytes(of: difference, toByteOffset: 4 * index, as: Float.self)
            }
        }
        let destination = CollectiveDestination(target, combination: .init(own: own, receivedIsLower: false, subtract))
        let received = Event<Tensor?>()
        there.start(
            through: reader, destination: { $0 == 1 ? destination : nil }, { received.happen($0.payload) }, onEnd: { _ in received.happen(nil) })
        let before = isUnaligned ? Tensor([1, 2, 3] as [UInt8]) : Tensor([1] as [Float])
        let values = Tensor((0..<count).map { Float($0 % 7) })
        // The writer blocks, so it has its own thread, as in a link.
        let frames = try [before, values].enumerated().map { call, tensor in
            LinkFrame(kind: .tensor, call: UInt64(call), head: try LinkTensor(RendezvousItem(tensor)).head, payload: tensor)
        }
        try SystemThread.run {
            for frame in frames { #expect(throws: Never.self) { try here.sendBlocking(frame, through: writer) } }
        }
        #expect(try await received.next() == before)
        let found = try #require(try await received.next())
        #expect(found.sharesMemory(with: target) == !isUnaligned)
        if isUnaligned {
            #expect(found == values)
        } else {
            #expect(try target.array(of: Float.self) == (0..<count).map { Float($0) - Float($0 % 7) })
        }
        here.close()
        #expect(try await received.next() == nil)
    }

    @Test("senders do not wait for a peer that does not read; later it gets everything in order")
    func unread() throws {
        let (here, there) = try pair()
        // Much more than the socket buffers hold, from several threads at once.
        let pool = try ComputePool(threadCount: 4)
        let count = 40
        let sent = (0..<4).map { _ in DispatchGroup() }
        for (thread, group) in sent.enumerated() {
            group.enter()
            pool.submit {
                for number in 0..<count {
                    let delivery = RendezvousItem(Tensor([Float](repeating: Float(number), count: 10_000)))
                    #expect(throws: Never.self) {
                        let head = try LinkTensor(delivery).head
                        try here.send(LinkFrame(kind: .tensor, call: UInt64(thread * count + number), head: head, payload: delivery.tensor))
                    }
                }
                group.leave()
            }
        }
        // The sends return although the peer has read nothing.
        for group in sent { group.wait() }
        var next = [Int](repeating: 0, count: 4)
        for _ in 0..<4 * count {
            let frame = try #require(try there.receive())
            let (thread, number) = Int(frame.call).quotientAndRemainder(dividingBy: count)
            #expect(next[thread] == number)
            next[thread] += 1
            #expect(try frame.payload?.array(of: Float.self) == [Float](repeating: Float(number), count: 10_000))
        }
        try here.send(LinkFrame(kind: .cancel, call: 7))
        #expect(try there.receive()?.call == 7)
    }

    @Test("pending calls fail when an unreferenced link is closed and the peer is silent")
    func abandoned() async throws {
        let (listening, port) = try LinkAddress.listen(host: "127.0.0.1")
        defer { close(listening) }
        let offer = LinkService.Offer(address: LinkAddress(port: port, name: ""), secret: 1)
        let task = DeviceName(job: "silent", replica: 0, task: 0)
        for _ in 0..<100 {
            let status = await withCheckedContinuation { (continuation: CheckedContinuation<Status?, Never>) in
                do {
                    let client = try LinkClient(
                        host: "127.0.0.1", offer: offer, task: task, from: task, variants: .standard,
                        metrics: ServerMetrics.disabled.link(with: task))
                    let sockets = (0..<2).map { _ in accept(listening, nil, nil) }
                    client.start {
                        for socket in sockets { close(socket) }
                    }
                    client.runGraph(RunGraph(session: "s", graph: "g", step: 1), cancellation: Cancellation()) { result in
                        if case .failure(let status) = result { continuation.resume(returning: status) } else { continuation.resume(returning: nil) }
                    }
                    client.close()
                } catch {
                    continuation.resume(returning: nil)
                }
            }
            #expect(status?.code == .unavailable)
        }
    }

    @Test("an announced header that does not arrive takes no memory")
    func announced() throws {
        let (here, there) = try pair()
        var frame = LinkFrame(kind: .runGraph, call: 1)
        frame.head = [UInt8](repeating: 1, count: 3 << 20)
        let whole = frame.head
        try here.send(frame)
        #expect(try there.receive()?.head == whole)
        var header = LinkHeadEncoder()
        header.byte(LinkFrame.Kind.runGraph.rawValue)
        header.bytes += [0, 0, 0]
        header.fixed32(UInt32(LinkFrame.maximumHeadByteCount))
        header.fixed64(1)
        header.fixed64(0)
        #expect(write(here.descriptor, header.bytes, header.bytes.count) == header.bytes.count)
        here.close()
        #expect(try there.receive() == nil)
    }

    @Test("a peer on this host is reached by its Unix socket name, any other by its port")
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

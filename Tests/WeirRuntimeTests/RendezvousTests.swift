import Synchronization
import Testing
import WeirGraph
import WeirTensor

@testable import WeirRuntime

@Suite("Local rendezvous")
struct RendezvousTests {
    private let key = RendezvousKey("/device:CPU:0;0000000000000001;/device:CPU:0;x;0:0")

    @Test("send and receive may come in either order")
    func bothOrders() throws {
        let rendezvous = LocalRendezvous()
        let received = Mutex<[Float]>([])
        let note: Completion<RendezvousItem> = { result in
            if case .success(let delivery) = result, let value: Float = try? delivery.tensor.scalar() { received.withLock { $0.append(value) } }
        }
        try rendezvous.send(key, RendezvousItem(Tensor(Float(1))))
        rendezvous.receive(key, note)
        rendezvous.receive(key, note)
        try rendezvous.send(key, RendezvousItem(Tensor(Float(2))))
        #expect(received.withLock { $0 } == [1, 2])
    }

    @Test("a dead tensor carries an empty float vector, as TensorFlow's does, whatever the edge's dtype")
    func dead() {
        let item = RendezvousItem.dead()
        #expect(item.isDead && item.tensor.dtype == .float32 && item.tensor.shape == Shape(0))
    }

    @Test("values under one key are received in the order they were sent")
    func order() throws {
        let rendezvous = LocalRendezvous()
        for value in 0..<3 { try rendezvous.send(key, RendezvousItem(Tensor(Int32(value)))) }
        let taken = try (0..<3).map { _ in try rendezvous.take(key)?.tensor.scalar(of: Int32.self) }
        #expect(taken == [0, 1, 2])
        #expect(rendezvous.take(key) == nil)
    }

    @Test("an abort fails pending and later receives")
    func abort() {
        let rendezvous = LocalRendezvous()
        let codes = Mutex<[Status.Code]>([])
        let note: Completion<RendezvousItem> = { if case .failure(let status) = $0 { codes.withLock { $0.append(status.code) } } }
        rendezvous.receive(key, note)
        rendezvous.abort(.aborted("stop"))
        rendezvous.receive(key, note)
        #expect(codes.withLock { $0 } == [.aborted, .aborted])
        #expect(throws: Status.self) { try rendezvous.send(key, RendezvousItem(Tensor(Float(1)))) }
    }

    @Test("a malformed key from a peer is rejected", arguments: ["", "a;b;c", ";;;;", "/cpu:0;zz;/cpu:0;x;0:0", "x;1;/cpu:0;x;0:0"])
    func malformed(_ text: String) {
        #expect(throws: Status.self) { try RendezvousKey(text).fields() }
    }
}

import Glibc
import Weir

/// Invalid frames to a server's link listener.
struct LinksFuzzer: FuzzKind {
    static let name = "links"
    static let abstract = "Mutated frames to a server's link listener."
    /// A case may crash the server a little later.
    static let overlaps = true
    private let session: FuzzSession
    private var target: ServerTarget
    private let port: Int
    private let secret: UInt64
    private let graph: String
    private static let interval = 16

    init(_ session: FuzzSession) async throws {
        self.session = session
        target = try await ServerTarget()
        guard let offer = target.ask("/weir.LinkService/Open", []), offer.count >= 20 else { throw FuzzFailure("the server offers no links") }
        func number(_ start: Int, _ count: Int) -> UInt64 { (0..<count).reduce(0) { $0 | UInt64(offer[start + $1]) << UInt64(8 * $1) } }
        port = Int(number(4, 4))
        secret = number(12 + Int(number(8, 4)), 8)
        let builder = GraphBuilder(registry: .standard)
        let device = "/job:localhost/replica:0/task:0/device:CPU:0"
        let constant = builder.add("Const", name: "c", attributes: ["dtype": .type(.float32), "value": .tensor(Tensor([Float(1), 2, 3]))], device: device)
        _ = builder.add("AddV2", [constant[0], constant[0]], name: "sum", device: device)
        let worker = target.server.worker
        try await worker.createSession(CreateWorkerSession(session: "links", job: "localhost", task: 0))
        graph = try await worker.registerGraph(
            RegisterGraph(session: "links", graph: builder.graph().definition, configuration: SessionConfiguration()))
    }
    mutating func finish() async throws { await target.server.stop() }

    func describe(_ number: Int, _ random: inout SplitMix64) async throws -> String {
        let parts = frames(&random)
        return "links: "
            + parts.map { part in "lane \(part.lane): \(part.bytes.count) bytes \(part.bytes.prefix(120).map { String($0, radix: 16) }.joined(separator: " "))"
            }.joined(separator: "; ")
    }

    mutating func run(_ number: Int, _ random: inout SplitMix64) async throws -> Bool {
        session.counter.oldest = max(0, number - LinksFuzzer.interval)
        let parts = frames(&random)
        let id = random.next()
        guard let control = LinksFuzzer.connect(port) else {
            session.report(number, group: "does not accept links", "")
            return false
        }
        defer { close(control) }
        let hasBoth = random.chance(90)
        let bulk = hasBoth ? LinksFuzzer.connect(port) : nil
        defer { if let bulk { close(bulk) } }
        send(control, hello(id, lane: 0, &random))
        if let bulk { send(bulk, hello(id, lane: 1, &random)) }
        for part in parts {
            if part.lane == 0 { send(control, part.bytes) } else if let bulk { send(bulk, part.bytes) }
        }
        var hears = false
        if random.chance(60) {
            var poll = pollfd(fd: control, events: Int16(POLLIN), revents: 0)
            if Glibc.poll(&poll, 1, 4) > 0 {
                var buffer = [UInt8](repeating: 0, count: 4096)
                hears = recv(control, &buffer, buffer.count, 0) > 0
            }
        }
        if number % LinksFuzzer.interval == 0 || session.explains, !target.isAlive() {
            session.report(number, group: "no sign of life", "after one of the last \(LinksFuzzer.interval) cases")
        }
        return hears
    }

    private static func connect(_ port: Int) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
        }
        if isConnected { return descriptor }
        if descriptor >= 0 { close(descriptor) }
        return nil
    }
    private func send(_ descriptor: Int32, _ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    private static func little(_ value: UInt64, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) } }
    private static func frame(_ kind: UInt8, _ call: UInt64, _ head: [UInt8], payload: UInt64 = 0, claimed: UInt64? = nil) -> [UInt8] {
        [kind, 0, 0, 0] + little(claimed ?? UInt64(head.count), 4) + little(call, 8) + little(payload, 8) + head
    }

    private func hello(_ id: UInt64, lane: UInt8, _ random: inout SplitMix64) -> [UInt8] {
        let names = ["", "/job:localhost/replica:0/task:0", "/job:\u{1}", String(repeating: "a", count: 2000)]
        let name = Array(names[random.chance(90) ? 1 : random.below(names.count)].utf8)
        var head = LinksFuzzer.little(secret, 8) + [lane, 0] + LinksFuzzer.little(UInt64(name.count), 4) + name
        if random.chance(3) { head[random.below(head.count)] ^= 1 << UInt8(random.below(8)) }
        if random.chance(2) { head = Array(head.prefix(random.below(head.count))) }
        return LinksFuzzer.frame(1, id, head)
    }

    /// The frames that a peer sends after the handshake.
    private func frames(_ random: inout SplitMix64) -> [(lane: Int, bytes: [UInt8])] {
        var mutator = Mutator(SplitMix64(seed: random.next()))
        return (0..<random.int(1...5)).map { index in
            var head: [UInt8]
            var kind: UInt8
            let step = random.chance(50) ? 77 : Int(truncatingIfNeeded: random.next())
            switch random.below(7) {
            case 0, 1, 2:
                kind = 2
                var request = RunGraph(session: "links", graph: graph, step: step)
                if random.chance(60) { request.sends = [NamedTensor("a;0000000000000001;b;x;0:0", Tensor([Float(1), 2]))] }
                if random.chance(60) { request.receives = ["a;0000000000000001;b;x;0:0"] }
                request.isPartial = random.chance(20)
                head = (try? request.linkHead()) ?? []
            case 3, 4:
                kind = 4
                head =
                    ReceiveTensor(
                        step: step, key: RendezvousKey("/job:localhost/replica:0/task:0/device:CPU:0;0000000000000001;/device:CPU:0;x;0:0"),
                        requestID: random.below(5)
                    ).linkHead
            case 5:
                kind = UInt8(random.pick([5, 3, 6]))
                head =
                    LinksFuzzer.little(random.pick(Mutator.extremes), 8) + LinksFuzzer.little(random.pick(Mutator.extremes), 8)
                    + LinksFuzzer.little(UInt64(random.int(0...30)), 4)
            default:
                kind = UInt8(random.pick([7, 8]))
                head = LinksFuzzer.little(UInt64(bitPattern: Int64(step)), 8)
            }
            for _ in 0..<random.pick([0, 1, 1, 2]) { head = mutator.raw(head) }
            if random.chance(3) { kind = UInt8(truncatingIfNeeded: random.next()) }
            let payload: UInt64 = random.chance(85) ? 0 : random.pick(Mutator.extremes)
            let claimed: UInt64? = random.chance(90) ? nil : random.pick(Mutator.extremes)
            var bytes = LinksFuzzer.frame(kind, UInt64(random.int(0...3)), head, payload: payload, claimed: claimed)
            if random.chance(15) { bytes += [UInt8](repeating: 7, count: random.pick([1, 64, 4096])) }
            return (random.chance(80) ? 0 : 1, bytes)
        }
    }
}

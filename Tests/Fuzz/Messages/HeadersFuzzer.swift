import Weir

/// Invalid HTTP/2: metadata, frames and bodies of calls.
struct HeadersFuzzer: FuzzKind {
    static let name = "headers"
    static let abstract = "HTTP/2 frames, gRPC metadata and message framing that no client sends."
    /// A case may crash the server a little later.
    static let overlaps = true
    private let session: FuzzSession
    private var target: ServerTarget
    /// The number of cases between checks that the server is alive.
    private static let interval = 8

    init(_ session: FuzzSession) async throws {
        self.session = session
        target = try await ServerTarget()
    }
    mutating func finish() async throws { await target.server.stop() }

    func describe(_ number: Int, _ random: inout SplitMix64) async throws -> String {
        let bytes = HeadersCase(&random).bytes
        let text = bytes.prefix(600).map { (32..<127).contains($0) ? String(UnicodeScalar($0)) : "\\\(String($0, radix: 16))" }.joined()
        return "headers of \(bytes.count) bytes: \(text)"
    }

    mutating func run(_ number: Int, _ random: inout SplitMix64) async throws -> Bool {
        session.counter.oldest = max(0, number - HeadersFuzzer.interval)
        let made = HeadersCase(&random)
        guard let connection = HTTP2Connection(port: target.server.port, greets: made.greets) else {
            session.report(number, group: "does not accept connections", "")
            return false
        }
        connection.send(made.bytes)
        // Some cases close at once, some read the response.
        var hears = false
        if random.chance(70) { hears = connection.receive(milliseconds: 3) }
        if number % HeadersFuzzer.interval == 0 || session.explains, !target.isAlive() {
            session.report(number, group: "no sign of life", "after one of the last \(HeadersFuzzer.interval) cases")
        }
        return hears
    }
}

/// The bytes that one connection sends.
struct HeadersCase {
    let bytes: [UInt8]
    let greets: Bool

    init(_ random: inout SplitMix64) {
        greets = !random.chance(8)
        var bytes: [UInt8] = []
        if !greets {
            bytes =
                random.chance(50) ? Array(HTTP2Connection.preface.prefix(random.below(25))) : Array("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n".utf8)
        }
        for index in 0..<random.int(1...4) {
            let stream = UInt32(random.chance(90) ? 2 * index + 1 : random.pick([0, 2, 1, 0x7FFF_FFFF, 5]))
            switch random.below(10) {
            case 0...5: bytes += HeadersCase.call(stream, &random)
            default: for _ in 0..<random.pick([1, 1, 3, 200]) { bytes += HeadersCase.frame(stream, &random) }
            }
        }
        if random.chance(10) {
            var mutator = Mutator(SplitMix64(seed: random.next()))
            bytes = mutator.raw(mutator.raw(bytes))
        }
        self.bytes = bytes
    }

    private static let timeouts = [
        "9223372036854775807H", "99999999H", "9999999999999999999H", "2562047788015216H", "153722867280912931M", "9223372036854775808n", "-1S",
        "-9223372036854775808H", "1", "",
        "H", "0n", "0S", "1S1S", "99999999n", "1h", "18446744073709551616u", " 1S", "1 S", "1e9S", "+5S", "0x10S", "\u{663}S", "9223372036854775807S",
        "9223372036854775807m", "9223372036854775807u", "9223372036854775807n", "100m", "1u", "999999999999999999999999999999999999999999S",
    ]
    private static let paths = [
        "/tensorflow.WorkerService/GetStatus", "/tensorflow.MasterService/ListDevices", "/tensorflow.MasterService/RunStep",
        "/tensorflow.WorkerService/RecvTensor",
        "/weir.LinkService/Open", "/", "", "//", "/a", "/tensorflow.MasterService/", "/tensorflow.MasterService/RunStep/x", "/%00/%ff", "*", "http://x/y/z",
        "/tensorflow.WorkerService",
    ]

    private static func call(_ stream: UInt32, _ random: inout SplitMix64) -> [UInt8] {
        var headers: [(String, String)] = [
            (":method", random.chance(92) ? "POST" : random.pick(["GET", "", "CONNECT", "PRI", "post"])),
            (":scheme", random.chance(95) ? "http" : random.pick(["", "ftp", "https"])),
            (":path", random.chance(60) ? random.pick(Array(paths.prefix(5))) : random.pick(paths)), (":authority", random.chance(90) ? "localhost" : ""),
            ("te", "trailers"),
            ("content-type", random.chance(90) ? "application/grpc" : random.pick(["application/grpc+json", "text/html", "", "application/grpc\u{0}"])),
        ]
        if random.chance(60) {
            headers.append(
                (
                    "grpc-timeout",
                    random.chance(85) ? random.pick(timeouts) : "\(random.pick(TensorMaker.extremes))\(random.pick(["H", "M", "S", "m", "u", "n", "x"]))"
                ))
        }
        for _ in 0..<random.pick([0, 0, 1, 1, 2, 4]) {
            headers.append(
                random.pick([
                    ("grpc-encoding", random.pick(["gzip", "deflate", "identity", "snappy", "", "gzip,gzip"])),
                    ("grpc-accept-encoding", random.pick(["gzip", "deflate,gzip,identity", ",,,", ""])),
                    ("x-bin", "////"), ("x-bin", "%%%"), ("grpc-previous-rpc-attempts", "\(random.pick(TensorMaker.extremes))"),
                    ("user-agent", String(repeating: "u", count: random.pick([10, 9000, 70_000]))),
                    ("Upper", "x"), ("", "x"), (":path", "/twice"), (":unknown", "x"), ("connection", "keep-alive"), ("transfer-encoding", "chunked"),
                    ("content-length", random.pick(["0", "-1", "18446744073709551616", "5"])),
                    ("grpc-timeout", random.pick(timeouts)), ("te", "x"), ("host", "a b"), ("x", "\r\nInjected: 1"), ("x", "\u{0}"), ("cookie", ";;;"),
                    ("grpc-message-type", "x"),
                    ("grpc-status", "99"), ("grpc-status-details-bin", "!!"), ("expect", "100-continue"),
                ]))
        }
        if random.chance(30) { headers.append(("grpc-encoding", random.pick(["gzip", "deflate"]))) }
        if random.chance(3) { for index in 0..<2000 { headers.append(("x-\(index)", "v")) } }
        if random.chance(6) { headers = random.shuffled(headers) }
        if random.chance(5) { headers.remove(at: random.below(headers.count)) }
        var block = HeaderBlock.block(headers)
        if random.chance(6) {
            // Table indexes, table sizes, and truncated Huffman strings.
            block.insert(
                contentsOf: random.pick([
                    [0x80], [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [0x3F, 0xE1, 0xFF, 0xFF, 0xFF, 0x0F], [0x40, 0x82, 0xFF, 0xFF, 0x01, 0x61], [0x7F], [0xBE], [0x20],
                    [0x0F, 0xFF],
                ]), at: random.below(block.count))
        }
        let hasBody = !random.chance(8)
        var bytes: [UInt8] = []
        if block.count > 16_000 || random.chance(8) {
            let parts = stride(from: 0, to: block.count, by: max(1, min(16_000, block.count / random.int(1...5)))).map {
                Array(block[$0..<min(block.count, $0 + max(1, min(16_000, block.count / 2)))])
            }
            for (index, part) in parts.enumerated() {
                let ends = index == parts.count - 1 && !random.chance(5)
                bytes += HTTP2Frame(index == 0 ? .headers : .continuation, flags: ends ? 4 : 0, stream: stream, body: part).bytes
            }
        } else {
            bytes += HTTP2Frame(.headers, flags: hasBody ? 4 : 5, stream: stream, body: block).bytes
        }
        if hasBody {
            let body = message(&random)
            var position = 0
            repeat {
                let end = min(body.count, position + (random.chance(20) ? random.int(1...9) : 16_384))
                bytes += HTTP2Frame(.data, flags: end == body.count && !random.chance(6) ? 1 : 0, stream: stream, body: Array(body[position..<end])).bytes
                position = end
            } while position < body.count
        }
        if random.chance(6) { bytes += HTTP2Frame(.headers, flags: 5, stream: stream, body: HeaderBlock.block([("trailer", "x")])).bytes }
        if random.chance(6) { bytes += HTTP2Frame(.reset, stream: stream, body: [0, 0, 0, 8]).bytes }
        return bytes
    }

    /// The gRPC messages of a call: flag, length, bytes.
    private static func message(_ random: inout SplitMix64) -> [UInt8] {
        func prefixed(_ flag: UInt8, _ count: UInt32, _ body: [UInt8]) -> [UInt8] { [flag] + withUnsafeBytes(of: count.bigEndian) { Array($0) } + body }
        let body = (0..<random.pick([0, 0, 1, 5, 40])).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        switch random.below(9) {
        case 0, 1, 2: return prefixed(0, UInt32(body.count), body)
        case 3: return prefixed(1, UInt32(body.count), body)
        case 4: return prefixed(0, random.pick([.max, 0x7FFF_FFFF, 0x8000_0000, 1 << 30, UInt32(body.count) + 1]), body)
        case 5: return prefixed(UInt8(random.pick([2, 127, 255])), UInt32(body.count), body)
        case 6: return prefixed(0, 0, []) + prefixed(0, 0, []) + prefixed(0, UInt32(body.count), body)
        case 7:
            let zeros = Deflate.zeros(random.pick([1 << 10, 1 << 20, 32 << 20]))
            let bomb = random.chance(50) ? zeros : Array(zeros.prefix(random.below(zeros.count)))
            return prefixed(1, UInt32(bomb.count), bomb)
        default: return Array(prefixed(0, UInt32(body.count), body).prefix(random.below(5)))
        }
    }

    private static func frame(_ stream: UInt32, _ random: inout SplitMix64) -> [UInt8] {
        var frame = HTTP2Frame(
            random.pick(HTTP2Frame.Kind.allCases), flags: random.chance(60) ? 0 : UInt8(truncatingIfNeeded: random.next()),
            stream: random.chance(60) ? 0 : stream)
        switch random.below(5) {
        case 0: frame.body = []
        case 1: frame.body = (0..<random.pick([1, 4, 5, 6, 8, 12, 100])).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        case 2:
            let value = UInt32(truncatingIfNeeded: random.pick(Mutator.extremes))
            frame.body = [0, UInt8(random.int(0...8))] + withUnsafeBytes(of: value.bigEndian) { Array($0) }
        case 3: frame.body = withUnsafeBytes(of: UInt32(truncatingIfNeeded: random.pick(Mutator.extremes)).bigEndian) { Array($0) }
        default: frame.body = [UInt8](repeating: 0, count: random.pick([8, 16_384, 16_385]))
        }
        if random.chance(4) { frame.kind = UInt8(random.int(10...255)) }
        var bytes = frame.bytes
        // A wrong frame length.
        if random.chance(8) { bytes[random.below(3)] = UInt8(truncatingIfNeeded: random.next()) }
        return bytes
    }
}

/// A zlib stream of zeros, compressed a thousandfold: one literal and copies of it in deflate's fixed Huffman code.
enum Deflate {
    static func zeros(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = [0x78, 0x9C]
        var (buffer, used) = (UInt32(0), UInt32(0))
        func put(_ value: UInt32, _ bits: UInt32) {
            buffer |= value << used
            used += bits
            while used >= 8 {
                bytes.append(UInt8(buffer & 255))
                buffer >>= 8
                used -= 8
            }
        }
        // Huffman codes are written from their most significant bit.
        func code(_ value: UInt32, _ bits: UInt32) { put((0..<bits).reduce(0) { $0 | (value >> $1 & 1) << (bits - 1 - $1) }, bits) }
        put(1, 1)
        put(1, 2)
        code(0x30, 8)
        for _ in 0..<count / 258 {
            code(0b1100_0101, 8)
            code(0, 5)
        }
        code(0, 7)
        put(0, 7)
        return bytes + [0, 0, 0, 1]
    }
}

import Glibc

/// One connection to a server, frame by frame: enough of HTTP/2 for calls and for invalid frames.
final class HTTP2Connection {
    private let descriptor: Int32
    private var received: [UInt8] = []
    private var next: UInt32 = 1
    /// The connection's remaining send window, in bytes.
    private var window = 65_535
    private var streamWindow = 65_535
    private(set) var isOpen = true

    /// The data received on a stream.
    struct Reply {
        var data: [UInt8] = []
        var isEnded = false
    }
    private(set) var replies: [UInt32: Reply] = [:]

    /// `MSG_DONTWAIT`, whose type differs between Glibc modules.
    private static let withoutWaiting: Int32 = 0x40
    static let preface: [UInt8] = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    init?(port: Int, greets: Bool = true) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
        }
        guard descriptor >= 0, isConnected else { return nil }
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard greets else { return }
        // Large windows, so that responses never wait for this end.
        send(
            HTTP2Connection.preface + HTTP2Frame(.settings, body: [0, 4, 0x7F, 0xFF, 0xFF, 0xFF]).bytes
                + HTTP2Frame(.windowUpdate, body: [0x3F, 0xFF, 0, 0]).bytes)
    }
    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) {
        var position = 0
        bytes.withUnsafeBytes { buffer in
            while isOpen, position < buffer.count {
                let count = Glibc.send(
                    descriptor, buffer.baseAddress.map { $0 + position }, buffer.count - position, Int32(MSG_NOSIGNAL) | HTTP2Connection.withoutWaiting)
                if count < 0, errno == EINTR { continue }
                if count < 0, errno == EAGAIN {
                    // The server stops reading requests while its responses are not read.
                    receive(milliseconds: 10)
                    continue
                }
                guard count > 0 else { return isOpen = false }
                position += count
            }
        }
    }

    /// Starts a call.
    /// - Returns: its stream, or nil if the connection is closed.
    func call(_ path: String, _ message: [UInt8], headers: [(String, String)] = []) -> UInt32? {
        guard isOpen, next < 1 << 30 else { return nil }
        let body = [0] + withUnsafeBytes(of: UInt32(message.count).bigEndian) { Array($0) } + message
        while isOpen, window < body.count || streamWindow < body.count { if !receive(milliseconds: 5000) { return nil } }
        let stream = next
        next += 2
        replies[stream] = Reply()
        let block = HeaderBlock.request(path, headers)
        var bytes = HTTP2Frame(.headers, flags: 4, stream: stream, body: block).bytes
        var position = 0
        repeat {
            let end = min(position + 16_384, body.count)
            bytes += HTTP2Frame(.data, flags: end == body.count ? 1 : 0, stream: stream, body: Array(body[position..<end])).bytes
            position = end
        } while position < body.count
        window -= body.count
        send(bytes)
        return stream
    }

    func take(_ stream: UInt32) -> Reply? {
        guard let reply = replies[stream], reply.isEnded || !isOpen else { return nil }
        return replies.removeValue(forKey: stream)
    }

    /// Reads the available data, or waits for some.
    /// - Returns: false on timeout or if the connection is closed.
    @discardableResult func receive(milliseconds: Int) -> Bool {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard isOpen, Glibc.poll(&poll, 1, Int32(milliseconds)) > 0 else { return false }
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else {
            isOpen = false
            return false
        }
        received += buffer[..<count]
        var position = 0
        while received.count - position >= 9 {
            let length = Int(received[position]) << 16 | Int(received[position + 1]) << 8 | Int(received[position + 2])
            guard received.count - position >= 9 + length else { break }
            let stream = (5..<9).reduce(UInt32(0)) { $0 << 8 | UInt32(received[position + $1]) } & 0x7FFF_FFFF
            handle(received[position + 3], received[position + 4], stream, received[position + 9..<position + 9 + length])
            position += 9 + length
        }
        received.removeFirst(position)
        return true
    }

    private func handle(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ body: ArraySlice<UInt8>) {
        func number(_ from: Int) -> Int { body.dropFirst(from).prefix(4).reduce(0) { $0 << 8 | Int($1) } }
        switch HTTP2Frame.Kind(rawValue: type) {
        case .data:
            replies[stream]?.data += body
            if flags & 1 != 0 { replies[stream]?.isEnded = true }
        case .headers: if flags & 1 != 0 { replies[stream]?.isEnded = true }
        case .reset: replies[stream]?.isEnded = true
        case .settings where flags & 1 == 0:
            for start in stride(from: 0, to: body.count - 5, by: 6) {
                let key = Int(body[body.startIndex + start]) << 8 | Int(body[body.startIndex + start + 1])
                if key == 4 { streamWindow = number(start + 2) }
            }
            send(HTTP2Frame(.settings, flags: 1).bytes)
        case .ping where flags & 1 == 0: send(HTTP2Frame(.ping, flags: 1, body: Array(body)).bytes)
        case .windowUpdate where stream == 0: window += number(0)
        case .goAway: isOpen = false
        default: break
        }
    }
}

struct HTTP2Frame {
    enum Kind: UInt8, CaseIterable { case data, headers, priority, reset, settings, pushPromise, ping, goAway, windowUpdate, continuation }
    var kind: UInt8
    var flags: UInt8
    var stream: UInt32
    var body: [UInt8]

    init(_ kind: Kind, flags: UInt8 = 0, stream: UInt32 = 0, body: [UInt8] = []) {
        self.kind = kind.rawValue
        self.flags = flags
        self.stream = stream
        self.body = body
    }
    var bytes: [UInt8] {
        let count = body.count
        return [UInt8(truncatingIfNeeded: count >> 16), UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count), kind, flags]
            + withUnsafeBytes(of: stream.bigEndian) { Array($0) } + body
    }
}

/// HPACK header blocks of literal headers, without tables or Huffman coding.
enum HeaderBlock {
    static func request(_ path: String, _ headers: [(String, String)] = []) -> [UInt8] {
        block(
            [
                (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"), ("te", "trailers"),
                ("content-type", "application/grpc"),
            ] + headers)
    }
    static func block(_ headers: [(String, String)]) -> [UInt8] {
        headers.flatMap { name, value in [0] + text(Array(name.utf8)) + text(Array(value.utf8)) }
    }
    static func text(_ bytes: [UInt8]) -> [UInt8] {
        // An HPACK integer with a prefix of seven bits.
        guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
        var length: [UInt8] = [127]
        var rest = bytes.count - 127
        while rest >= 128 {
            length.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return length + [UInt8(rest)] + bytes
    }
}

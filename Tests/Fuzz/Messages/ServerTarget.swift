import Weir

/// A server in this process under test, with a second connection that checks that it is alive.
struct ServerTarget {
    let server: Server
    private var control: HTTP2Connection

    init() async throws {
        server = try await Server.createLocal()
        guard let control = HTTP2Connection(port: server.port) else { throw FuzzFailure("cannot connect to the server") }
        self.control = control
    }

    /// Whether the server responds to a valid call within some seconds.
    mutating func isAlive() -> Bool {
        if !control.isOpen { if let fresh = HTTP2Connection(port: server.port) { control = fresh } }
        guard let stream = control.call(ServerState.worker + "GetStatus", []) else { return false }
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(4) {
            if let reply = control.take(stream) { return reply.data.count >= 5 }
            control.receive(milliseconds: 100)
        }
        return false
    }

    /// A method's response to a message, or nil.
    mutating func ask(_ path: String, _ message: [UInt8]) -> [UInt8]? {
        guard let stream = control.call(path, message) else { return nil }
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(4) {
            if let reply = control.take(stream) { return reply.data.count >= 5 ? Array(reply.data.dropFirst(5)) : nil }
            control.receive(milliseconds: 100)
        }
        return nil
    }
}

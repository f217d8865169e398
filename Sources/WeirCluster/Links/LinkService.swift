import GRPCCore
import WeirTensor

/// How a task learns whether another has links, and where: one call, over gRPC, which TensorFlow's servers do not know.
struct LinkService: RPCService {
    let listener: LinkListener
    static let method = MethodDescriptor(fullyQualifiedService: "weir.LinkService", method: "Open", type: .unary)
    /// Peers of another version of the frames do without links.
    static let version: UInt32 = 2

    struct Offer: Sendable {
        var address: LinkAddress
        var secret: UInt64
    }

    func register(with table: inout RPCTable) {
        table.unary(LinkService.method, BytesCoding(), BytesCoding()) { (_: [UInt8]) in
            var writer = LinkWriter()
            writer.fixed32(LinkService.version)
            writer.fixed32(UInt32(listener.address.port))
            writer.text(listener.address.name)
            writer.fixed64(listener.secret)
            return writer.bytes
        }
    }

    /// - Returns: nil when the peer has no links.
    /// - Throws: `unavailable` when the peer is not there.
    static func ask(_ connection: GRPCConnection) async throws -> Offer? {
        do {
            let reply: [UInt8] = try await connection.call(method, [UInt8](), BytesCoding(), BytesCoding())
            var reader = LinkReader(reply)
            guard try reader.fixed32() == version else { return nil }
            let address = LinkAddress(port: Int(try reader.fixed32()), name: try reader.text())
            return Offer(address: address, secret: try reader.fixed64())
        } catch {
            if Status(error).code == .unimplemented { return nil }
            throw error
        }
    }
}

import GRPCCore
import WeirTensor

/// The RPC by which a task learns whether another task has links, and their address. TensorFlow's servers do not know it.
struct LinkService: RPCService {
    let listener: LinkListener
    static let method = MethodDescriptor(fullyQualifiedService: "weir.LinkService", method: "Open", type: .unary)
    /// The version of the frames. Peers of different versions do not use links.
    static let version: UInt32 = 4

    struct Offer: Sendable {
        var address: LinkAddress
        var secret: UInt64
    }

    func register(with table: inout RPCTable) {
        table.unary(LinkService.method, BytesCoding(), BytesCoding()) { (_: [UInt8]) in
            var encoder = LinkHeadEncoder()
            encoder.fixed32(LinkService.version)
            encoder.fixed32(UInt32(listener.address.port))
            encoder.text(listener.address.name)
            encoder.fixed64(listener.secret)
            return encoder.bytes
        }
    }

    /// Asks a task for the address of its links.
    /// - Returns: nil when the task has no links.
    /// - Throws: `unavailable` when the task cannot be reached.
    static func requestOffer(from connection: GRPCConnection) async throws -> Offer? {
        do {
            let reply: [UInt8] = try await connection.call(method, [UInt8](), BytesCoding(), BytesCoding())
            var decoder = LinkHeadDecoder(reply)
            guard try decoder.fixed32() == version else { return nil }
            let address = LinkAddress(port: Int(try decoder.fixed32()), name: try decoder.text())
            return Offer(address: address, secret: try decoder.fixed64())
        } catch {
            if Status(error).code == .unimplemented { return nil }
            throw error
        }
    }
}

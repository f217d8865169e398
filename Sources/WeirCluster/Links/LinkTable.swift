import GRPCCore
import Synchronization
import WeirDevice
import WeirGraph
import WeirTensor
import WeirWire

/// The links of this task to others.
final class LinkTable: Sendable {
    private let transport: ServerOptions.TensorTransport
    private let variants: VariantDecoders
    private let workers = Mutex<[ObjectIdentifier: LinkWorker]>([:])

    init(transport: ServerOptions.TensorTransport, variants: VariantDecoders) {
        self.transport = transport
        self.variants = variants
    }

    /// The endpoint of a task: with a link where there can be one.
    func worker(_ remote: RemoteWorker, task: DeviceName, address: String, connection: GRPCConnection) -> any WorkerEndpoint {
        guard transport != .grpc else { return remote }
        let host = String(address[..<(address.lastIndex(of: ":") ?? address.endIndex)])
        let made = LinkWorker(remote) { [transport, variants] in
            guard var offer = try await LinkService.ask(connection) else { return nil }
            if transport == .tcp { offer.address.name = "" }
            let chosen = offer
            // Connecting blocks; not on a thread of Swift's tasks.
            return try await withCheckedThrowingContinuation { continuation in
                do {
                    try SystemThread.run {
                        continuation.resume(
                            with: Result {
                                try LinkClient(host: host, offer: chosen, task: task, variants: variants)
                            })
                    }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
        made.whenClosed { [weak self] worker in self?.workers.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(worker)) } }
        workers.withLock { $0[ObjectIdentifier(made)] = made }
        return made
    }

    /// How many endpoints are open, for tests of what is left behind.
    var count: Int { workers.withLock { $0.count } }

    func close() {
        for worker in workers.withLock({ Array($0.values) }) { worker.close() }
    }
}

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

/// Messages that are bytes.
struct BytesCoding: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }
    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] { bytes.withUnsafeBytes { Array($0) } }
}

/// Where steps begin: on the threads that are made for work.
enum ComputeDispatch {
    static let pool: StepDispatch = { job in ComputePool.shared.submit(job) }
}

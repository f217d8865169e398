import WeirDevice
import WeirRuntime
package import WeirTensor

extension LinkSocket {
    /// Says where the payload of a reply to a call is wanted; nil for a new tensor. A tensor of another type or size is not used.
    typealias Destination = @Sendable (_ call: UInt64) -> CollectiveDestination?

    /// Reads the next frame. The payload is read directly into the tensor's memory.
    /// - Parameters:
    ///   - ring: the shared memory that carries payloads; nil when they follow the head.
    ///   - isHandshake: whether the peer has not been authenticated yet; then only a small `hello` frame is accepted.
    /// - Returns: nil when the connection has ended.
    /// - Throws: `dataLoss` when the bytes are not a frame.
    package func receive(through ring: SharedRing? = nil, isHandshake: Bool = false) throws(Status) -> LinkFrame? {
        // Reads no byte beyond the frame: a descriptor may be attached to the next one.
        var input = LinkSocketReader(descriptor, bufferByteCount: 0)
        return try receive(&input, through: ring, isHandshake: isHandshake)
    }

    private func receive(
        _ input: inout LinkSocketReader, through ring: SharedRing?, destination: Destination = { _ in nil }, isHandshake: Bool = false
    ) throws(Status) -> LinkFrame? {
        guard let header = input.read(LinkFrame.headerByteCount) else { return nil }
        var decoder = LinkHeadDecoder(header)
        let number = try decoder.byte()
        guard let kind = LinkFrame.Kind(rawValue: number) else { throw .dataLoss("A link's message is of unknown kind \(number)") }
        for _ in 0..<3 { _ = try decoder.byte() }
        let headCount = Int(try decoder.fixed32())
        var frame = LinkFrame(kind: kind, call: try decoder.fixed64())
        let payloadCount = try decoder.fixed64()
        guard !isHandshake || (kind == .hello && headCount <= LinkHello.maximumHeadByteCount) else {
            throw .dataLoss("A link begins with another message than a greeting")
        }
        guard headCount <= LinkFrame.maximumHeadByteCount else { throw .dataLoss("A link's message has a head of \(headCount) bytes") }
        guard let head = input.read(headCount) else { return nil }
        frame.head = head
        if kind == .tensor {
            let description = try LinkTensor(head: head)
            guard description.dtype.isBitwise else { return frame }
            let (expected, overflows) = description.shape.elementCount.multipliedReportingOverflow(by: description.dtype.byteCount)
            guard !overflows, payloadCount == UInt64(expected) else {
                throw .dataLoss("A link's \(description.dtype) tensor of shape \(description.shape) comes with \(payloadCount) bytes")
            }
            guard let payload = try receivePayload(description, expected, &input, through: ring, destination(frame.call)) else { return nil }
            frame.payload = payload
        } else if payloadCount != 0 {
            throw .dataLoss("A link's message of kind \(kind) comes with \(payloadCount) bytes of payload")
        }
        return frame
    }

    /// Reads the elements of a tensor to their destination, if it is one for such a tensor; else into a new tensor.
    /// - Returns: nil when the connection has ended.
    private func receivePayload(
        _ description: LinkTensor, _ byteCount: Int, _ input: inout LinkSocketReader, through ring: SharedRing?, _ destination: CollectiveDestination?
    ) throws(Status) -> Tensor? {
        var target: Tensor?
        if let destination, destination.target.dtype == description.dtype,
            destination.target.elementCount == description.shape.elementCount
        {
            let size = description.dtype.byteCount
            if destination.combination == nil {
                target = destination.target
            } else if let ring, ring.isAligned(to: size) {
                // Elements are combined where they lie in the ring, so none may be cut.
                let isRead = ring.read(byteCount, inUnitsOf: size, while: { isAlive }) { destination.take($0, at: $1, byteCount: $2) }
                return isRead ? destination.target : nil
            }
        }
        let tensor: Tensor
        if let target { tensor = target } else { tensor = try Tensor(description.dtype, description.shape) }
        guard ring?.read(into: tensor.mutableBytes, while: { isAlive }) ?? input.read(into: tensor.mutableBytes) else { return nil }
        return tensor
    }

    /// Reads frames on a dedicated thread until the connection ends.
    /// - Parameters:
    ///   - destination: says where the payload of a reply is wanted.
    ///   - onEnd: called once with the reason, or nil when the peer closed the connection.
    func start(
        through ring: SharedRing? = nil, destination: @escaping Destination = { _ in nil }, _ onFrame: @escaping @Sendable (LinkFrame) -> Void,
        onEnd: @escaping @Sendable (Status?) -> Void
    ) {
        @Sendable func end(_ reason: Status?) {
            close()
            onEnd(reason)
        }
        do throws(Status) {
            try SystemThread.run { [self] in
                do throws(Status) {
                    var input = LinkSocketReader(descriptor, bufferByteCount: 64 << 10)
                    while let frame = try receive(&input, through: ring, destination: destination) { onFrame(frame) }
                    end(input.failure)
                } catch {
                    end(error)
                }
            }
        } catch {
            end(error)
        }
    }
}

import WeirDevice
package import WeirTensor

extension LinkSocket {
    /// Says where the payload of a reply to a call is wanted; nil for a new tensor. A tensor of another type or size is not used.
    typealias Target = @Sendable (_ call: UInt64) -> Tensor?

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
        _ input: inout LinkSocketReader, through ring: SharedRing?, target: Target = { _ in nil }, isHandshake: Bool = false
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
            let tensor: Tensor
            if let wanted = target(frame.call), wanted.dtype == description.dtype, wanted.elementCount == description.shape.elementCount {
                tensor = wanted
            } else {
                tensor = try Tensor(description.dtype, description.shape)
            }
            guard ring?.read(into: tensor.mutableBytes, while: { isAlive }) ?? input.read(into: tensor.mutableBytes) else { return nil }
            frame.payload = tensor
        } else if payloadCount != 0 {
            throw .dataLoss("A link's message of kind \(kind) comes with \(payloadCount) bytes of payload")
        }
        return frame
    }

    /// Reads frames on a dedicated thread until the connection ends.
    /// - Parameters:
    ///   - target: says where the payload of a reply is wanted.
    ///   - onEnd: called once with the reason, or nil when the peer closed the connection.
    func start(
        through ring: SharedRing? = nil, target: @escaping Target = { _ in nil }, _ onFrame: @escaping @Sendable (LinkFrame) -> Void,
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
                    while let frame = try receive(&input, through: ring, target: target) { onFrame(frame) }
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

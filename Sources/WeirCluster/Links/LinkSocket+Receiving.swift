import WeirDevice
package import WeirTensor

extension LinkSocket {
    /// Reads the next frame; a tensor's bytes go straight into its memory.
    /// - Parameters:
    ///   - ring: where the peer puts payloads, if not after the head.
    ///   - greets: whether the peer has still to say who it is, and may say nothing else.
    /// - Returns: nil when the connection has ended.
    /// - Throws: `dataLoss` when what comes is no frame.
    package func receive(through ring: SharedRing? = nil, greets: Bool = false) throws(Status) -> LinkFrame? {
        // No byte more than the frame's: a descriptor may come with the next.
        var input = LinkInput(descriptor, bufferByteCount: 0)
        return try receive(&input, through: ring, greets: greets)
    }

    private func receive(_ input: inout LinkInput, through ring: SharedRing?, greets: Bool = false) throws(Status) -> LinkFrame? {
        guard let header = input.read(LinkFrame.headerByteCount) else { return nil }
        var reader = LinkReader(header)
        let number = try reader.byte()
        guard let kind = LinkFrame.Kind(rawValue: number) else { throw .dataLoss("A link's message is of unknown kind \(number)") }
        for _ in 0..<3 { _ = try reader.byte() }
        let headCount = Int(try reader.fixed32())
        var frame = LinkFrame(kind: kind, call: try reader.fixed64())
        let payloadCount = try reader.fixed64()
        guard !greets || (kind == .hello && headCount <= LinkHello.maximumHeadByteCount) else {
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
            let tensor = try Tensor(description.dtype, description.shape)
            guard ring?.read(into: tensor.mutableBytes, while: { isAlive }) ?? input.read(into: tensor.mutableBytes) else { return nil }
            frame.payload = tensor
        } else if payloadCount != 0 {
            throw .dataLoss("A link's message of kind \(kind) comes with \(payloadCount) bytes of payload")
        }
        return frame
    }

    /// Reads frames on a thread of their own until the connection ends.
    /// - Parameter onEnd: told why, when it was not a clean end.
    func start(
        through ring: SharedRing? = nil, _ onFrame: @escaping @Sendable (LinkFrame) -> Void,
        onEnd: @escaping @Sendable (Status?) -> Void
    ) {
        @Sendable func end(_ reason: Status?) {
            close()
            onEnd(reason)
        }
        do throws(Status) {
            try SystemThread.run { [self] in
                do throws(Status) {
                    var input = LinkInput(descriptor, bufferByteCount: 64 << 10)
                    while let frame = try receive(&input, through: ring) { onFrame(frame) }
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

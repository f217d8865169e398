import WeirTensor

extension LinkFrame {
    /// Calls `body` with the bytes of the frame. Head and payload are not copied.
    /// - Parameter withPayload: false when the payload goes through a `SharedRing`.
    func withBytes<R>(withPayload: Bool = true, _ body: (inout FrameBytes) -> R) -> R {
        withUnsafeTemporaryAllocation(byteCount: LinkFrame.headerByteCount, alignment: 8) { header in
            header.storeBytes(of: UInt32(kind.rawValue).littleEndian, as: UInt32.self)
            header.storeBytes(of: UInt32(head.count).littleEndian, toByteOffset: 4, as: UInt32.self)
            header.storeBytes(of: call.littleEndian, toByteOffset: 8, as: UInt64.self)
            header.storeBytes(of: UInt64(payload?.byteCount ?? 0).littleEndian, toByteOffset: 16, as: UInt64.self)
            return head.withUnsafeBytes { head in
                let payload = withPayload ? payload?.bytes : nil
                var bytes = FrameBytes(UnsafeRawBufferPointer(header), head, payload ?? UnsafeRawBufferPointer(start: nil, count: 0))
                return body(&bytes)
            }
        }
    }
}

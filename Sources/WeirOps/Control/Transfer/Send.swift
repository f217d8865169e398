import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `_Send`: sends a tensor, or that it is dead, to the receiver with the same key.
    static let sendInternal = sending("_Send", inHostMemory: false)
    static let hostSend = sending("_HostSend", inHostMemory: true)
    static let send = sending("Send", inHostMemory: false)

    private static func sending(_ name: String, inHostMemory: Bool) -> OpDefinition {
        OpDefinition(name, "(tensor: T) -> ()", attributes: ["T: type"] + TransferKey.attributes)
            .role(.send)
            .statefulWithKernelPerGraph()
            .noGradient()
            .kernel(gpu: [:], hostMemory: inHostMemory ? ["tensor"] : []) { request in
                let key = try TransferKey(request)
                let leavesRuntime = try request.bool("client_terminated")
                return .sync { context in
                    let item: RendezvousItem
                    if context.slot(0).isDead {
                        item = .dead()
                    } else {
                        // A fetched tensor must not change afterwards, so the client gets a snapshot. A card copies the tensor later on
                        // another stream, when a node that waits for this one may have begun to change it.
                        let tensor = context.input(0)
                        let value = leavesRuntime || tensor.deviceMemory != nil ? try tensor.snapshot() : tensor
                        item =
                            inHostMemory || context.device.isHost
                            ? RendezvousItem(value) : RendezvousItem(value, device: context.device, event: context.device.stream?.record())
                    }
                    try context.step.rendezvous.send(key.at(context.frame), item)
                }
            }
    }
}

/// The rendezvous key of a send or receive node. All but the frame and iteration are known before the step.
struct TransferKey: Sendable {
    static let attributes = [
        "tensor_name: string", "send_device: string", "send_device_incarnation: int", "recv_device: string",
        "client_terminated: bool = false",
    ]

    private let source: String
    private let incarnation: UInt64
    private let destination: String
    private let tensor: String
    private let root: RendezvousKey

    init(_ request: KernelRequest) throws {
        source = try request.string("send_device")
        // The attribute is signed. A negative number is in the upper half of the unsigned range.
        incarnation = UInt64(bitPattern: Int64(try request.int("send_device_incarnation")))
        destination = try request.string("recv_device")
        tensor = try request.string("tensor_name")
        root = RendezvousKey(source: source, incarnation: incarnation, destination: destination, tensor: tensor)
    }

    /// Returns the key for a frame and iteration.
    func at(_ frame: FrameIteration) -> RendezvousKey {
        frame == .root
            ? root
            : RendezvousKey(
                source: source, incarnation: incarnation, destination: destination, tensor: tensor, frame: frame)
    }
}

import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `_Recv`: waits for the tensor that is sent with the same key, and copies it to the memory of its device.
    static let receiveInternal = receiving("_Recv", inHostMemory: false)
    static let hostReceive = receiving("_HostRecv", inHostMemory: true)
    static let receive = receiving("Recv", inHostMemory: false)

    private static func receiving(_ name: String, inHostMemory: Bool) -> OpDefinition {
        OpDefinition(name, "() -> (tensor: tensor_type)", attributes: ["tensor_type: type"] + TransferKey.attributes)
            .role(.receive)
            .statefulWithKernelPerGraph()
            // Whoever adds the node may set the known shape of a fed tensor.
            .shape { c in if let shape = c.attributes.shapes("_output_shapes")?.first { c.setOutput(0, shape) } }
            .noGradient()
            .kernel(gpu: [:], hostMemory: inHostMemory ? ["tensor"] : []) { request in
                let key = try TransferKey(request)
                let device: any Device = inHostMemory ? hostMemory : request.place.device
                return .async { context, done in
                    // The wait needs no cancellation callback: a step that ends aborts its rendezvous, which ends the wait.
                    context.step.rendezvous.receive(key.at(context.frame)) { result in
                        switch result {
                        case .failure(let status): done(.failure(status))
                        case .success(let item) where item.isDead: done(.success([.dead]))
                        case .success(let item) where item.isOnHost && device.isHost: done(.success([.value(item.tensor)]))
                        case .success(let item):
                            device.copyToDevice(item.tensor, from: item.device, after: item.event) { result in
                                done(result.map { [.value($0)] })
                            }
                        }
                    }
                }
            }
    }
}

/// The device of host memory in copies.
private let hostMemory = CPUDevice(name: DeviceName(type: "CPU", index: 0))

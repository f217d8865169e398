import WeirDevice
import WeirTensor

/// A GPU without the hardware whose kernels have run when they return: its type, its own memory with a limit, copies in and
/// out, only the kernels a GPU has. `SimulatedGPU` works later than it is told to, as a GPU does.
final class ImmediateGPU: Device {
    let name: DeviceName
    let incarnation = UInt64.random(in: 1 ... .max)
    let memoryLimit: Int
    private let memory: CountingAllocator
    var type: String { "GPU" }
    var allocator: any Allocator { memory }
    var hardware: String { "simulated on the CPU" }

    init(name: DeviceName, memoryLimit: Int) {
        self.name = name
        self.memoryLimit = memoryLimit
        memory = CountingAllocator(name: name.description, limit: memoryLimit)
    }

    func upload(_ tensor: Tensor) throws(Status) -> Tensor { try tensor.copied(in: tensor.dtype.isBitwise ? memory : HostAllocator.shared) }
    func upload(_ tensor: Tensor, _ done: @escaping Completion<Tensor>) {
        done(Result { () throws(Status) in try upload(tensor) })
    }
    func download(_ tensor: Tensor, after event: (any DeviceEvent)?, _ done: @escaping Completion<Tensor>) {
        done(Result { () throws(Status) in try tensor.copied() })
    }
}

import WeirDevice
public import WeirGraph
public import WeirTensor

/// The devices of this process, each with its own resources.
public struct LocalDevices: Sendable {
    /// The devices with their resources, CPUs first.
    public let places: [KernelEnvironment]
    private let byName: [DeviceName: KernelEnvironment]

    /// Makes a set of existing devices. The first must be a CPU, such as the one in `LocalDevices().places`. If two have one
    /// name, `subscript` finds the first.
    /// - Throws: `invalidArgument` when the first device does not exist or is not in host memory.
    public init(places: [KernelEnvironment]) throws(Status) {
        guard let first = places.first, first.device.isHost else {
            throw .invalidArgument("Expected a CPU as the first device, found \(places.first.map { "\($0.device.name)" } ?? "no device")")
        }
        self.init(checked: places)
    }
    private init(checked places: [KernelEnvironment]) {
        self.places = places
        byName = Dictionary(places.map { ($0.device.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Makes the devices of this machine, with the names of a task's devices.
    /// - Parameter task: the job, replica and task of the names.
    /// - Throws: `resourceExhausted` when the system has no threads for GPUs; `invalidArgument` when a GPU is asked for that is not there;
    ///   what the driver says when it cannot open one.
    public init(task: DeviceName, options: RuntimeOptions = RuntimeOptions()) throws(Status) {
        func name(_ type: String, _ index: Int) -> DeviceName {
            DeviceName(job: task.job, replica: task.replica, task: task.task, type: type, index: index)
        }
        func resources() -> ResourceTable { ResourceTable(defaultContainer: task.job ?? "localhost") }
        let cpus = (0..<max(1, options.cpuCount)).map { index in
            KernelEnvironment(device: CPUDevice(name: name("CPU", index)), resources: resources())
        }
        let gpus = try (0..<max(0, options.simulatedGPUCount)).map { index throws(Status) in
            let gpu = try SimulatedGPU(
                name: name("GPU", index), memoryLimit: options.simulatedGPUMemory,
                delays: options.simulatedGPUDelays?.stream(UInt64(index) &* 8))
            return KernelEnvironment(device: gpu, resources: resources(), kernels: SimulatedKernels(gpu: gpu))
        }
        // Parameter servers and masters leave the GPUs to the workers, unless they are asked for.
        let leavesGPUs = ["ps", "master"].contains(task.job ?? "") && options.gpus == GPUOptions()
        let cards = leavesGPUs || !gpus.isEmpty ? [] : try options.cuda.devices(options.gpus) { name("GPU", $0) }
        let places = cpus + gpus + cards.map { KernelEnvironment(device: $0, resources: resources(), kernels: CUDAKernels(device: $0)) }
        self.init(checked: places)
    }

    /// Makes devices of this machine for sessions in this process, with the names of `/job:localhost/replica:0/task:0`.
    /// - Parameters:
    ///   - cpuCount: the number of CPU devices, which share the cores; 0 counts as 1.
    ///   - simulatedGPUMemory: the memory of each simulated GPU, in bytes.
    /// - Throws: `resourceExhausted` when the system has no threads for simulated GPUs.
    public init(cpuCount: Int = 1, simulatedGPUCount: Int = 0, simulatedGPUMemory: Int = 1 << 30) throws(Status) {
        try self.init(
            task: .localhost,
            options: RuntimeOptions(cpuCount: cpuCount, simulatedGPUCount: simulatedGPUCount, simulatedGPUMemory: simulatedGPUMemory))
    }

    /// The device with this name; nil if this process has none.
    public subscript(name: DeviceName) -> KernelEnvironment? { byName[name] }
    /// The device of fed and fetched tensors: the first CPU.
    public var client: KernelEnvironment { places[0] }
    /// The devices for this task's placer.
    package var placementDevices: [PlacementDevice] {
        places.map { PlacementDevice(name: $0.device.name, incarnation: $0.device.incarnation, isLocal: true) }
    }

    /// The same devices with new, empty resources, for sessions that share no state.
    /// - Parameter task: the task of the new device names; nil keeps the names.
    package func isolated(as task: DeviceName? = nil) -> LocalDevices {
        LocalDevices(
            checked: places.map { place in
                let device = task.map { RenamedDevice(place.device, task: $0) as any Device } ?? place.device
                return KernelEnvironment(
                    device: device, resources: ResourceTable(defaultContainer: (task ?? place.device.name).job ?? "localhost"), pool: place.pool,
                    kernels: place.kernels)
            })
    }
    /// The same devices and resources, with the device names of `task`.
    package func renamed(as task: DeviceName) -> LocalDevices {
        LocalDevices(
            checked: places.map {
                KernelEnvironment(device: RenamedDevice($0.device, task: task), resources: $0.resources, pool: $0.pool, kernels: $0.kernels)
            })
    }
}

extension DeviceName {
    /// The task of sessions in this process.
    package static let localhost = DeviceName(job: "localhost", replica: 0, task: 0)
}

/// A device under the name that it has in one session's cluster.
final class RenamedDevice: Device {
    private let device: any Device
    let name: DeviceName

    init(_ device: any Device, task: DeviceName) {
        self.device = device
        name = DeviceName(job: task.job, replica: task.replica, task: task.task, type: device.name.type, index: device.name.index)
    }
    var type: String { device.type }
    var incarnation: UInt64 { device.incarnation }
    var allocator: any Allocator { device.allocator }
    var memoryLimit: Int { device.memoryLimit }
    var hardware: String { device.hardware }
    var stream: (any DeviceStream)? { device.stream }
    var underlying: any Device { device.underlying }
    func upload(_ tensor: Tensor) throws(Status) -> Tensor { try device.upload(tensor) }
    func upload(_ tensor: Tensor, _ done: @escaping Completion<Tensor>) { device.upload(tensor, done) }
    func download(_ tensor: Tensor, after event: (any DeviceEvent)?, _ done: @escaping Completion<Tensor>) {
        device.download(tensor, after: event, done)
    }
}

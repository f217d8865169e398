public import WeirTensor

/// A CPU device: the cores and the main memory of this machine. One process may have several (`device_count`).
public final class CPUDevice: Device {
    /// The full name of the device.
    public let name: DeviceName
    /// A random number for this instance of the device; see `Device.incarnation`.
    public let incarnation: UInt64
    /// `CPU`.
    public var type: String { "CPU" }
    /// Host memory.
    public var allocator: any Allocator { HostAllocator.shared }
    /// The nominal value that TensorFlow announces. In fact only the machine limits host memory.
    public var memoryLimit: Int { 256 << 20 }
    /// The processor's model and core count.
    public var hardware: String { Processor.description }

    /// Makes a device.
    public init(name: DeviceName, incarnation: UInt64 = .random(in: 1 ... .max)) {
        self.name = name
        self.incarnation = incarnation
    }
}

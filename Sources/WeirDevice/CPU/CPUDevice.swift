public import WeirTensor

/// A CPU: the processors of this machine and its main memory. Several may share one machine (`device_count`).
public final class CPUDevice: Device {
    public let name: DeviceName
    public let incarnation: UInt64
    public var type: String { "CPU" }
    public var allocator: any Allocator { HostAllocator.shared }
    /// Nominal, as TensorFlow announces it: host memory is limited by the machine alone.
    public var memoryLimit: Int { 256 << 20 }
    public var hardware: String { Processor.description }

    public init(name: DeviceName, incarnation: UInt64 = .random(in: 1 ... .max)) {
        self.name = name
        self.incarnation = incarnation
    }
}

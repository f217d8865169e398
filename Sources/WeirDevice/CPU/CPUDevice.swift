package import WeirTensor

/// A CPU device: the cores and the main memory of this machine. One process may have several (`device_count`).
package final class CPUDevice: Device {
    /// The full name of the device.
    package let name: DeviceName
    /// A random number for this instance of the device; see `Device.incarnation`.
    package let incarnation: UInt64
    /// `CPU`.
    package var type: String { "CPU" }
    /// Host memory.
    package var allocator: any Allocator { HostAllocator.shared }
    /// The nominal value that TensorFlow announces. In fact only the machine limits host memory.
    package var memoryLimit: Int { 256 << 20 }
    /// The processor's model and core count.
    package var hardware: String { Processor.description }

    /// Makes a device.
    package init(name: DeviceName, incarnation: UInt64 = .random(in: 1 ... .max)) {
        self.name = name
        self.incarnation = incarnation
    }
}

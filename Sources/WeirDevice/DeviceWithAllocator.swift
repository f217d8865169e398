package import WeirTensor

/// A device whose kernels allocate from another allocator.
package final class DeviceWithAllocator: Device {
    private let device: any Device
    package let allocator: any Allocator

    package init(_ device: any Device, _ allocator: any Allocator) {
        self.device = device
        self.allocator = allocator
    }
    package var name: DeviceName { device.name }
    package var type: String { device.type }
    package var incarnation: UInt64 { device.incarnation }
    package var memoryLimit: Int { device.memoryLimit }
    package var hardware: String { device.hardware }
    package var underlying: any Device { device.underlying }
}

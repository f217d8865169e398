import Metrics
import WeirDevice
import WeirTensor

/// Records the memory of one device.
struct DeviceMetrics: Sendable {
    private let allocator: any Allocator
    private let used: Meter
    private let peak: Meter

    /// Returns nil for a device whose tensors are in uncounted host memory.
    init?(_ maker: InstrumentMaker, _ device: any Device) {
        guard device.allocator !== HostAllocator.shared else { return nil }
        allocator = device.allocator
        let name = ("device", device.name.description)
        used = maker.meter("weir_device_memory_used_bytes", name)
        peak = maker.meter("weir_device_memory_peak_bytes", name)
        maker.meter("weir_device_memory_limit_bytes", name).set(device.allocator.limit ?? device.memoryLimit)
    }

    func record() {
        used.set(allocator.bytesInUse)
        peak.set(allocator.peakBytesInUse)
    }
}

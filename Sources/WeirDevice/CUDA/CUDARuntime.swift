import Synchronization
package import WeirTensor

/// Which GPUs a process uses, and how much of their memory. TensorFlow's `GPUOptions`.
public struct GPUOptions: Sendable, Hashable {
    /// The driver's numbers of the cards to use, in the order of their devices; nil for all. TensorFlow's `visible_device_list`.
    public var visibleDevices: [Int]?
    /// The share of a card's memory that tensors may use; nil for all that the driver gives. TensorFlow's
    /// `per_process_gpu_memory_fraction`.
    public var memoryFraction: Double?
    /// The memory of each of several devices on one card, in bytes, for each visible card; empty for one device on each card.
    /// TensorFlow's `virtual_devices`.
    public var virtualDevices: [[Int]]
    /// Whether products and convolutions of float32 may round their factors to 10 bits of mantissa (TF32), which cards with tensor
    /// cores multiply several times faster; sums stay float32. TensorFlow's `enable_tensor_float_32_execution`.
    public var allowsTF32: Bool

    /// Options, by default for one device on each card.
    public init(visibleDevices: [Int]? = nil, memoryFraction: Double? = nil, virtualDevices: [[Int]] = [], allowsTF32: Bool = true) {
        self.visibleDevices = visibleDevices
        self.memoryFraction = memoryFraction
        self.virtualDevices = virtualDevices
        self.allowsTF32 = allowsTF32
    }
    /// No GPUs.
    public static let none = GPUOptions(visibleDevices: [])
}

/// The cards of a process. All devices on a card share its context and its compiled kernels.
package final class CUDARuntime: Sendable {
    private let libraries: CUDALibraries
    private let folder: String?
    private let cards = Mutex<[Int: WeakCard]>([:])

    private final class WeakCard: Sendable {
        private let reference: Mutex<WeakReference>
        private struct WeakReference: @unchecked Sendable { weak var card: Opened? }
        init(_ card: Opened) { reference = Mutex(WeakReference(card: card)) }
        var card: Opened? { reference.withLock { $0.card } }
    }
    /// A card with its kernels.
    package final class Opened: Sendable {
        package let card: CUDACard
        package let modules: CUDAModuleCache
        init(_ card: CUDACard, _ modules: CUDAModuleCache) { (self.card, self.modules) = (card, modules) }
    }

    /// The cards of this machine's driver.
    package static let shared = CUDARuntime(.shared, folder: CUDAModuleCache.userFolder)

    /// - Parameter folder: where compiled kernels are kept; nil to keep none.
    package init(_ libraries: CUDALibraries, folder: String?) {
        self.libraries = libraries
        self.folder = folder
    }

    /// The number of cards; 0 when there is no driver, or no compiler for kernels.
    package func cardCount() throws(Status) -> Int {
        guard let driver = libraries.driver, libraries.compiler != nil else { return 0 }
        var count: Int32 = 0
        try driver.check(driver.deviceCount(&count), "cuDeviceGetCount")
        return Int(count)
    }

    /// Opens a card, or returns it if it is open. A card that has stopped is opened anew once nothing uses it any more (`CUDAContexts`).
    /// - Throws: what the driver says; the error that stopped the card while something still uses it.
    package func open(_ index: Int) throws(Status) -> Opened {
        guard let driver = libraries.driver, let compiler = libraries.compiler else {
            throw .unavailable("No GPU: \(libraries.absence ?? "")")
        }
        let outcome = cards.withLock { cards -> Result<Opened, Status> in
            do throws(Status) {
                if let opened = cards[index]?.card {
                    if let failure = opened.card.hasFailed { throw failure }
                    return .success(opened)
                }
                let card = try CUDACard(driver, index)
                let opened = Opened(card, try CUDAModuleCache(card, compiler, prelude: CUDAPrelude.source, folder: folder))
                cards[index] = WeakCard(opened)
                return .success(opened)
            } catch { return .failure(error) }
        }
        return try outcome.get()
    }

    /// Opens the devices that the options ask for.
    /// - Parameter name: the name of device `index`.
    /// - Throws: `invalidArgument` when the options name a card that is not there or a share that is none; what the driver says.
    package func devices(_ options: GPUOptions, name: (Int) -> DeviceName) throws(Status) -> [CUDADevice] {
        if options.visibleDevices == [] { return [] }
        let count = try cardCount()
        let cards = options.visibleDevices ?? Array(0..<count)
        if let wrong = cards.first(where: { $0 < 0 || $0 >= count }) {
            throw .invalidArgument("There is no GPU \(wrong): \(libraries.absence ?? "the driver has \(count == 0 ? "none" : "0 to \(count - 1)")")")
        }
        if let fraction = options.memoryFraction, !(fraction > 0 && fraction <= 1) {
            throw .invalidArgument("Expected a share of a GPU's memory above 0 and up to 1, found \(fraction)")
        }
        guard options.virtualDevices.isEmpty || options.virtualDevices.count == cards.count else {
            throw .invalidArgument("Expected the memory of virtual devices for \(cards.count) GPUs, found \(options.virtualDevices.count)")
        }
        var devices: [CUDADevice] = []
        for (position, index) in cards.enumerated() {
            let opened = try open(index)
            let total = opened.card.memory
            let parts = options.virtualDevices.isEmpty ? [] : options.virtualDevices[position]
            let limits = parts.isEmpty ? [options.memoryFraction.map { Int(Double(total) * $0) } ?? total] : parts
            for limit in limits {
                guard limit > 0, limit <= total else {
                    throw .invalidArgument("GPU \(index) has \(total) bytes of memory, found a device of \(limit)")
                }
                devices.append(
                    try CUDADevice(
                        name: name(devices.count), opened: opened, memoryLimit: limit, products: libraries.products, allowsTF32: options.allowsTF32))
            }
        }
        return devices
    }
}

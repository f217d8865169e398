import Weir
import WeirDevice
import WeirRuntime

/// Times what has a limit on the card: elementwise ops and reductions against a copy of the same bytes, and products.
struct Timings {
    let runtime: CUDARuntime
    let gpu: Int
    /// How many nodes of a kind a step runs, so that its start does not count.
    private static let repeats = 32

    func run() throws {
        let devices = try FaultCheck(runtime: runtime, gpu: gpu).devices()
        guard let device = devices.places.compactMap({ $0.device as? CUDADevice }).first else { return }
        for megabytes in [4, 64, 256] where megabytes << 22 < device.memoryLimit {
            let count = megabytes << 18
            let copy = try copyTime(device, count)
            let bytes = Double(2 * 4 * count)
            print("copy of \(megabytes) MiB: \(microseconds(copy)), \(rate(bytes / copy, "GB/s", 1e9))")
            let add = try time(devices, count) { x, y in x + y }
            print("    x + y: \(microseconds(add)), \(percent(bytes * 1.5 / add, of: bytes / copy)) of the copy's bytes per second")
            let exponential = try time(devices, count) { x, _ in x.exp() }
            print("    exp(x): \(microseconds(exponential)), \(percent(bytes / exponential, of: bytes / copy))")
            let sum = try time(devices, count) { x, _ in x.sum() }
            print("    sum(x): \(microseconds(sum)), \(percent(bytes / 2 / sum, of: bytes / copy))")
        }
        for size in [1024, 4096, 8192] where 16 * size * size < device.memoryLimit {
            for type in [DType.float32, .bfloat16] {
                let product = try time(devices, size * size, type, [size, size]) { x, y in x.matMul(y) }
                let operations = 2 * Double(size) * Double(size) * Double(size)
                print("product of \(size) x \(size) \(type.name): \(microseconds(product)), \(rate(operations / product, "TFLOP/s", 1e12))")
            }
        }
    }

    private func copyTime(_ device: CUDADevice, _ count: Int) throws -> Double {
        let (from, to) = (try Tensor(.float32, [count], in: device.allocator), try Tensor(.float32, [count], in: device.allocator))
        try device.fill(from)
        return try best {
            for _ in 0..<Timings.repeats { try device.copy(from: from, to: to) }
            try device.compute.synchronize()
        }
    }

    /// The seconds of one node.
    private func time(
        _ devices: LocalDevices, _ count: Int, _ type: DType = .float32, _ shape: [Int]? = nil, _ node: (Output, Output) -> Output
    ) throws -> Double {
        let builder = GraphBuilder()
        let fetch = builder.device("/device:GPU:0") {
            let sizes = builder.constant(Tensor((shape ?? [count]).map { Int32($0) }))
            let x = builder.add("RandomUniform", [sizes], attributes: ["dtype": .type(type)])[0]
            let y = builder.add("RandomUniform", [sizes], attributes: ["dtype": .type(type)])[0]
            // Only the last one is fetched; the others run because they come before it.
            var last = node(x, y)
            for _ in 1..<Timings.repeats { last = builder.controlDependencies([last.operation]) { node(x, y) } }
            return builder.controlDependencies([last.operation]) { builder.constant(Tensor(Int32(0))) }
        }
        let empty = builder.device("/device:GPU:0") {
            let sizes = builder.constant(Tensor((shape ?? [count]).map { Int32($0) }))
            let values = (0..<2).map { _ in builder.add("RandomUniform", [sizes], attributes: ["dtype": .type(type)])[0] }
            return builder.controlDependencies(values.map(\.operation)) { builder.constant(Tensor(Int32(0))) }
        }
        var options = RuntimeOptions()
        options.execution.optimizer = .none
        let session = try DirectSession(builder.graph(), registry: .standard, devices: devices.isolated(), options: options)
        let whole = try best { _ = try session.run(feeds: [], fetches: [fetch.name]) }
        let rest = try best { _ = try session.run(feeds: [], fetches: [empty.name]) }
        return max(whole - rest, 1e-9)
    }

    /// The least time of one of many runs, divided by the number of nodes, in seconds.
    private func best(_ body: () throws -> Void) throws -> Double {
        let clock = ContinuousClock()
        for _ in 0..<3 { try body() }
        let times = try (0..<20).map { _ in
            let start = clock.now
            try body()
            return Double((clock.now - start) / .nanoseconds(1)) * 1e-9
        }
        return (times.min() ?? 0) / Double(Timings.repeats)
    }

    private func microseconds(_ seconds: Double) -> String { "\((seconds * 1e7).rounded() / 10) us" }
    private func rate(_ value: Double, _ unit: String, _ scale: Double) -> String { "\((value / scale * 10).rounded() / 10) \(unit)" }
    private func percent(_ value: Double, of whole: Double) -> String { "\((value / whole * 1000).rounded() / 10) %" }
}

import Foundation
import OpCaseRunner
import Testing
import WeirDevice
import WeirKernels
import WeirTensor

@Suite("The memory of a card")
struct CUDAMemoryTests {
    private func allocator(limit: Int = 64 << 20) throws -> CUDAAllocator {
        let devices = try EmulatedCUDA.runtime.devices(GPUOptions(visibleDevices: [0], virtualDevices: [[limit]])) { _ in
            DeviceName(job: "localhost", replica: 0, task: 0, type: "GPU", index: 0)
        }
        return try #require(devices.first?.allocator as? CUDAAllocator)
    }

    @Test("a freed block is the next of its size, and free neighbours are joined")
    func reuse() throws {
        let memory = try allocator()
        let first = try memory.allocate(1000)
        memory.deallocate(first, 1000)
        #expect(try memory.allocate(1000) == first)
        let (second, third) = (try memory.allocate(1000), try memory.allocate(1000))
        #expect(memory.bytesInUse == 3 * 1024 && memory.peakBytesInUse == 3 * 1024)
        memory.deallocate(first, 1000)
        memory.deallocate(third, 1000)
        memory.deallocate(second, 1000)
        // Three blocks have become one that holds more than any of them.
        #expect(try memory.allocate(3000) == first)
    }

    @Test("blocks in use never overlap, whatever is allocated and freed")
    func random() throws {
        let memory = try allocator(limit: 512 << 20)
        var random = Numbers(state: 7)
        var live: [(address: UInt, size: Int)] = []
        for _ in 0..<4000 {
            if live.count > 60 || (!live.isEmpty && Bool.random(using: &random)) {
                let gone = live.remove(at: Int.random(in: live.indices, using: &random))
                let pointer = try #require(UnsafeMutableRawPointer(bitPattern: gone.address))
                memory.deallocate(pointer, gone.size)
                continue
            }
            let size = Int.random(in: 1...(1 << Int.random(in: 3...22, using: &random)), using: &random)
            let address = UInt(bitPattern: try memory.allocate(size))
            #expect(address % 256 == 0)
            for other in live { #expect(address + UInt(size) <= other.address || other.address + UInt(other.size) <= address) }
            live.append((address, size))
        }
        for block in live { memory.deallocate(try #require(UnsafeMutableRawPointer(bitPattern: block.address)), block.size) }
        #expect(memory.bytesInUse == 0 && memory.reservedBytes > 0)
        memory.trim()
        #expect(memory.reservedBytes == 0)
    }

    @Test("more than the limit is refused with what is in use, and what fits is given after that")
    func limit() throws {
        let memory = try allocator(limit: 8 << 20)
        let half = try memory.allocate(4 << 20)
        let error = #expect(throws: Status.self) { try memory.allocate(5 << 20) }
        #expect(error?.code == .resourceExhausted)
        let words = "OOM when allocating 5242880 bytes on /job:localhost/replica:0/task:0/device:GPU:0: tensors use 4194304 of 8388608 bytes"
        #expect(error?.message.hasPrefix(words) == true, "\(error?.message ?? "")")
        let rest = try memory.allocate(4 << 20)
        #expect(rest != half && memory.bytesInUse == 8 << 20)
    }

    @Test("what is kept for other sizes goes back to the driver before a tensor is refused")
    func kept() throws {
        let memory = try allocator(limit: 64 << 20)
        let blocks = try (0..<12).map { _ in try memory.allocate(2 << 20) }
        for block in blocks { memory.deallocate(block, 2 << 20) }
        #expect(try UInt(bitPattern: memory.allocate(60 << 20)) != 0)
    }
}

/// Numbers that are the same in each run (SplitMix64).
private struct Numbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

@Suite("Compiled CUDA programs")
struct CUDAModuleTests {
    private let card: CUDARuntime.Opened
    init() throws { card = try EmulatedCUDA.runtime.open(0) }

    private func program(_ name: String = "store") -> CUDAProgram {
        CUDAProgram(name, "KERNEL store(float* out, double value, int64 count) { for (int64 i = first(); i < count; i += stride()) out[i] = (float)value; }")
    }

    @Test("a program that does not compile says so with the compiler's words, at each use")
    func wrong() throws {
        let module = try card.modules.module(CUDAProgram("wrong", "KERNEL wrong(float* x) { x[0] = nothing; }"))
        for _ in 0..<2 {
            let error = #expect(throws: Status.self) { try module.function("wrong") }
            #expect(error?.message.firstRange(of: "The CUDA program wrong does not compile") != nil && error?.message.firstRange(of: "nothing") != nil)
        }
    }

    @Test("a kernel that the program does not have is refused by its name")
    func missing() throws {
        let error = #expect(throws: Status.self) { try card.modules.module(program()).function("other") }
        #expect(error?.message.firstRange(of: "cuModuleGetFunction") != nil)
    }

    @Test("equal programs are one, and a damaged file of a compiled program is compiled again")
    func files() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("weir-cuda-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let kept = folder.appendingPathComponent("a/b")
        func run() throws {
            let devices = try EmulatedCUDA.runtime(of: EmulatedCUDA.library, folder: kept.path).devices(GPUOptions(visibleDevices: [0])) {
                DeviceName(job: "localhost", replica: 0, task: 0, type: "GPU", index: $0)
            }
            let device = try #require(devices.first)
            #expect(try device.modules.module(program()) === device.modules.module(program()))
            let out = try Tensor(.float32, [300], in: device.allocator)
            try device.launch(device.modules.module(program()).function("store"), over: 300, [.elements(out), .double(2.5), .int(300)])
            try device.compute.synchronize()
        }
        try run()
        let files = try FileManager.default.contentsOfDirectory(atPath: kept.path)
        let file = kept.appendingPathComponent(try #require(files.first))
        #expect(files.count == 1 && file.pathExtension == "cubin")
        try Data([1, 2, 3]).write(to: file)
        try run()
        #expect(try Data(contentsOf: file).count > 3)
    }
}

@Suite("NVIDIA's libraries")
struct CUDALibraryTests {
    @Test("without libraries there is no GPU, and why is said")
    func absent() throws {
        let libraries = CUDALibraries(CUDALibraryFolders { $0 == "WEIR_CUDA" ? "off" : nil })
        #expect(libraries.driver == nil && libraries.compiler == nil && libraries.absence?.firstRange(of: "WEIR_CUDA=off") != nil)
        let runtime = CUDARuntime(libraries, folder: nil)
        func name(_ index: Int) -> DeviceName { DeviceName(job: "localhost", replica: 0, task: 0, type: "GPU", index: index) }
        #expect(try runtime.devices(GPUOptions(), name: name).isEmpty)
        let error = #expect(throws: Status.self) { try runtime.devices(GPUOptions(visibleDevices: [0]), name: name) }
        #expect(error?.code == .invalidArgument && error?.message.hasPrefix("There is no GPU 0: driver: WEIR_CUDA=off") == true)
    }

    @Test("options that make no sense are refused with what was expected")
    func options() throws {
        func name(_ index: Int) -> DeviceName { DeviceName(job: "localhost", replica: 0, task: 0, type: "GPU", index: index) }
        for (options, words) in [
            (GPUOptions(visibleDevices: [99]), "There is no GPU 99"), (GPUOptions(visibleDevices: [0], memoryFraction: 1.5), "found 1.5"),
            (GPUOptions(visibleDevices: [0], virtualDevices: [[1], [2]]), "for 1 GPUs, found 2"),
            (GPUOptions(visibleDevices: [0], virtualDevices: [[1 << 60]]), "found a device of"),
        ] {
            let error = #expect(throws: Status.self) { try EmulatedCUDA.runtime.devices(options, name: name) }
            #expect(error?.code == .invalidArgument && error?.message.firstRange(of: words) != nil, "\(error?.message ?? "")")
        }
        let shared = try EmulatedCUDA.runtime.devices(GPUOptions(visibleDevices: [0], virtualDevices: [[1 << 20, 2 << 20]]), name: name)
        #expect(shared.map(\.memoryLimit) == [1 << 20, 2 << 20] && shared.map(\.name.index) == [0, 1])
    }
}

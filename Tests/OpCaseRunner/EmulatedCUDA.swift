import Foundation
package import WeirDevice
package import WeirRuntime

/// The emulated CUDA driver (`Tests/CUDAEmulator`), which runs kernels on the CPU.
package enum EmulatedCUDA {
    /// The root of the package.
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
    /// What `make emulator` makes.
    package static let library = ProcessInfo.processInfo.environment["WEIR_CUDA_EMULATOR"] ?? "\(root)/.build/cuda-emulator/libcuda_emulated.so"

    /// A copy of the library. The loader takes it for another driver, so that faults and delays in it are its own.
    package static let copy = String(library.dropLast(3)) + "_copy.so"

    /// The emulated cards. Compiled kernels are kept, so that only changed ones are compiled again.
    package static let runtime = runtime(of: library)

    /// The same without cuBLASLt.
    package static let withoutProducts = CUDARuntime(libraries(library).withoutProducts, folder: folder)

    /// Options of a session on one of them.
    package static var options: RuntimeOptions {
        var options = RuntimeOptions(gpus: GPUOptions(visibleDevices: [0]))
        options.cuda = runtime
        return options
    }

    /// The cards of a library.
    /// - Parameter folder: where compiled kernels are kept.
    package static func runtime(of library: String, folder: String? = nil) -> CUDARuntime {
        CUDARuntime(libraries(library), folder: folder ?? EmulatedCUDA.folder)
    }
    private static let folder = "\(root)/.build/cuda-emulator/kernels"
    private static func libraries(_ path: String) -> CUDALibraries { CUDALibraries(CUDALibraryFolders { $0 == "WEIR_CUDA" ? path : nil }) }
}

import Foundation
package import WeirDevice
import WeirTensor

/// The emulated CUDA driver (`Tests/CUDAEmulator`), which runs kernels on the CPU.
package enum EmulatedCUDA {
    /// The root of the package.
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
    /// What `make emulator` makes.
    package static let library = ProcessInfo.processInfo.environment["WEIR_CUDA_EMULATOR"] ?? "\(root)/.build/cuda-emulator/libcuda_emulated.so"

    /// The emulated cards. Compiled kernels are kept, so that only changed ones are compiled again.
    package static let runtime = runtime(folder: "\(root)/.build/cuda-emulator/kernels")

    /// The emulated cards with another folder of compiled kernels.
    package static func runtime(folder: String) -> CUDARuntime {
        CUDARuntime(CUDALibraries(CUDALibraryFolders { $0 == "WEIR_CUDA" ? library : nil }), folder: folder)
    }
}

import Glibc
import OpCaseRunner
import WeirDevice
import WeirTensor

@testable import WeirRuntime

/// Two cards of the emulated CUDA driver (`Tests/CUDAEmulator`), and what tests tell it.
enum EmulatedCards {
    private static let library: String = {
        // Read when the library is loaded.
        setenv("CUEMU_DEVICES", "2", 1)
        return EmulatedCUDA.copy
    }()
    static let runtime = EmulatedCUDA.runtime(of: library)

    /// Options of a session on the cards.
    /// - Parameters:
    ///   - cards: how many.
    ///   - memory: the bytes of each; nil for all.
    static func options(cards: Int = 1, memory: Int? = nil) -> RuntimeOptions {
        var options = RuntimeOptions()
        options.cuda = runtime
        options.gpus = GPUOptions(visibleDevices: Array(0..<cards), virtualDevices: memory.map { [[Int]](repeating: [$0], count: cards) } ?? [])
        return options
    }

    private static func control(_ name: String) throws(Status) -> UnsafeMutableRawPointer {
        guard let handle = dlopen(library, RTLD_NOW), let function = dlsym(handle, name) else {
            throw .notFound("\(library) has no \(name): make emulator builds it")
        }
        return function
    }
    /// Delays that depend on a seed; 0 for none.
    static func delay(_ seed: UInt64) throws {
        unsafeBitCast(try control("cuemu_set_seed"), to: (@convention(c) (UInt64) -> Void).self)(seed)
    }
    /// Lets the call number `after` of a function of the driver from now on fail.
    static func fail(_ call: String, _ result: Int32, after: Int32 = 0) throws {
        let function = unsafeBitCast(try control("cuemu_fail"), to: (@convention(c) (UnsafePointer<CChar>, Int32, Int32) -> Int32).self)
        guard function(call, result, after) != 0 else { throw Status.notFound("The emulated driver has no \(call)") }
    }
    /// Forgets faults that have not come.
    static func reset() throws { unsafeBitCast(try control("cuemu_reset"), to: (@convention(c) () -> Void).self)() }
}

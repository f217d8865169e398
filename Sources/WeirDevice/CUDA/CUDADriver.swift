import Glibc
package import WeirTensor

/// The functions of NVIDIA's driver, `libcuda`, that Weir calls. See the CUDA Driver API reference.
///
/// Handles (contexts, streams, events, modules) are opaque pointers. Addresses of device memory are integers.
package struct CUDADriver: Sendable {
    package typealias Handle = UnsafeMutableRawPointer
    package typealias Result = UInt32
    package typealias HostFunction = @convention(c) (UnsafeMutableRawPointer?) -> Void

    /// The library.
    package let library: DynamicLibrary

    let initialize: @convention(c) (UInt32) -> Result
    let driverVersion: @convention(c) (UnsafeMutablePointer<Int32>) -> Result
    let errorName: @convention(c) (Result, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Result
    let errorString: @convention(c) (Result, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Result

    let deviceCount: @convention(c) (UnsafeMutablePointer<Int32>) -> Result
    let deviceName: @convention(c) (UnsafeMutablePointer<CChar>, Int32, Int32) -> Result
    let deviceMemory: @convention(c) (UnsafeMutablePointer<Int>, Int32) -> Result
    let deviceAttribute: @convention(c) (UnsafeMutablePointer<Int32>, Int32, Int32) -> Result
    let devicePCI: @convention(c) (UnsafeMutablePointer<CChar>, Int32, Int32) -> Result
    let retainContext: @convention(c) (UnsafeMutablePointer<Handle?>, Int32) -> Result
    let releaseContext: @convention(c) (Int32) -> Result
    let resetContext: @convention(c) (Int32) -> Result
    let setContext: @convention(c) (Handle?) -> Result
    let canAccessPeer: @convention(c) (UnsafeMutablePointer<Int32>, Int32, Int32) -> Result
    let enablePeerAccess: @convention(c) (Handle?, UInt32) -> Result

    let memoryInfo: @convention(c) (UnsafeMutablePointer<Int>, UnsafeMutablePointer<Int>) -> Result
    let allocate: @convention(c) (UnsafeMutablePointer<UInt64>, Int) -> Result
    let free: @convention(c) (UInt64) -> Result
    let allocateHost: @convention(c) (UnsafeMutablePointer<UnsafeMutableRawPointer?>, Int, UInt32) -> Result
    let freeHost: @convention(c) (UnsafeMutableRawPointer?) -> Result
    let copyIn: @convention(c) (UInt64, UnsafeRawPointer, Int, Handle?) -> Result
    let copyOut: @convention(c) (UnsafeMutableRawPointer, UInt64, Int, Handle?) -> Result
    let copy: @convention(c) (UInt64, UInt64, Int, Handle?) -> Result
    let copyPeer: @convention(c) (UInt64, Handle?, UInt64, Handle?, Int, Handle?) -> Result
    let fill: @convention(c) (UInt64, UInt8, Int, Handle?) -> Result

    let createStream: @convention(c) (UnsafeMutablePointer<Handle?>, UInt32) -> Result
    let destroyStream: @convention(c) (Handle?) -> Result
    let synchronizeStream: @convention(c) (Handle?) -> Result
    let waitForEvent: @convention(c) (Handle?, Handle?, UInt32) -> Result
    let createEvent: @convention(c) (UnsafeMutablePointer<Handle?>, UInt32) -> Result
    let destroyEvent: @convention(c) (Handle?) -> Result
    let recordEvent: @convention(c) (Handle?, Handle?) -> Result
    let queryEvent: @convention(c) (Handle?) -> Result
    let synchronizeEvent: @convention(c) (Handle?) -> Result
    let elapsedTime: @convention(c) (UnsafeMutablePointer<Float>, Handle?, Handle?) -> Result

    let loadModule: @convention(c) (UnsafeMutablePointer<Handle?>, UnsafeRawPointer) -> Result
    let unloadModule: @convention(c) (Handle?) -> Result
    let moduleFunction: @convention(c) (UnsafeMutablePointer<Handle?>, Handle?, UnsafePointer<CChar>) -> Result
    let launchKernel:
        @convention(c) (
            Handle?, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, Handle?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
            UnsafeMutablePointer<UnsafeMutableRawPointer?>?
        ) -> Result

    /// Takes the functions from a library and starts the driver.
    /// - Throws: `notFound` when the library lacks one; `unavailable` when the driver does not start, because there is no card for
    ///   example.
    package init(_ library: DynamicLibrary) throws(Status) {
        self.library = library
        initialize = try library.function("cuInit")
        driverVersion = try library.function("cuDriverGetVersion")
        errorName = try library.function("cuGetErrorName")
        errorString = try library.function("cuGetErrorString")
        deviceCount = try library.function("cuDeviceGetCount")
        deviceName = try library.function("cuDeviceGetName")
        deviceMemory = try library.function("cuDeviceTotalMem_v2")
        deviceAttribute = try library.function("cuDeviceGetAttribute")
        devicePCI = try library.function("cuDeviceGetPCIBusId")
        retainContext = try library.function("cuDevicePrimaryCtxRetain")
        releaseContext = try library.function("cuDevicePrimaryCtxRelease_v2")
        resetContext = try library.function("cuDevicePrimaryCtxReset_v2")
        setContext = try library.function("cuCtxSetCurrent")
        canAccessPeer = try library.function("cuDeviceCanAccessPeer")
        enablePeerAccess = try library.function("cuCtxEnablePeerAccess")
        memoryInfo = try library.function("cuMemGetInfo_v2")
        allocate = try library.function("cuMemAlloc_v2")
        free = try library.function("cuMemFree_v2")
        allocateHost = try library.function("cuMemHostAlloc")
        freeHost = try library.function("cuMemFreeHost")
        copyIn = try library.function("cuMemcpyHtoDAsync_v2")
        copyOut = try library.function("cuMemcpyDtoHAsync_v2")
        copy = try library.function("cuMemcpyDtoDAsync_v2")
        copyPeer = try library.function("cuMemcpyPeerAsync")
        fill = try library.function("cuMemsetD8Async")
        createStream = try library.function("cuStreamCreate")
        destroyStream = try library.function("cuStreamDestroy_v2")
        synchronizeStream = try library.function("cuStreamSynchronize")
        waitForEvent = try library.function("cuStreamWaitEvent")
        createEvent = try library.function("cuEventCreate")
        destroyEvent = try library.function("cuEventDestroy_v2")
        recordEvent = try library.function("cuEventRecord")
        queryEvent = try library.function("cuEventQuery")
        synchronizeEvent = try library.function("cuEventSynchronize")
        elapsedTime = try library.function("cuEventElapsedTime")
        loadModule = try library.function("cuModuleLoadData")
        unloadModule = try library.function("cuModuleUnload")
        moduleFunction = try library.function("cuModuleGetFunction")
        launchKernel = try library.function("cuLaunchKernel")
        try check(initialize(0), "cuInit")
    }

    /// The driver's version, such as 12.9.
    package func version() throws(Status) -> CUDAVersion {
        var version: Int32 = 0
        try check(driverVersion(&version), "cuDriverGetVersion")
        return CUDAVersion(Int(version))
    }

    /// Throws when a call has failed.
    /// - Parameter call: the name of the function, for the message.
    @inline(__always)
    package func check(_ result: Result, _ call: StaticString) throws(Status) {
        if result != 0 { throw status(result, "\(call)") }
    }

    /// The status of a failed call.
    package func status(_ result: Result, _ call: String) -> Status {
        var (name, text): (UnsafePointer<CChar>?, UnsafePointer<CChar>?) = (nil, nil)
        _ = errorName(result, &name)
        _ = errorString(result, &text)
        let message = "\(call): \(name.map { String(cString: $0) } ?? "error \(result)") (\(text.map { String(cString: $0) } ?? "unknown"))"
        switch CUDAError(rawValue: result) {
        case .outOfMemory: return .resourceExhausted(message)
        case .noDevice, .notInitialized, .systemDriverMismatch, .stubLibrary: return .unavailable(message)
        default: return .internalError(message)
        }
    }
}

/// The errors of the driver that Weir tells apart; `CUresult`.
package enum CUDAError: UInt32, Sendable {
    case invalidValue = 1
    case outOfMemory = 2
    case notInitialized = 3
    case deinitialized = 4
    case stubLibrary = 34
    case noDevice = 100
    case notReady = 600
    case systemDriverMismatch = 803
}

/// A version of CUDA. The driver writes 12.9 as 12090.
package struct CUDAVersion: Sendable, Comparable, CustomStringConvertible {
    package let major: Int
    package let minor: Int
    package init(major: Int, minor: Int) { (self.major, self.minor) = (major, minor) }
    init(_ number: Int) { self.init(major: number / 1000, minor: number % 1000 / 10) }
    package var description: String { "\(major).\(minor)" }
    package static func < (left: CUDAVersion, right: CUDAVersion) -> Bool { (left.major, left.minor) < (right.major, right.minor) }
}

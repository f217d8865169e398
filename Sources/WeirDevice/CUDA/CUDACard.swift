import Synchronization
package import WeirTensor

/// A graphics card: what it is, and its context, in which all logical devices on it run.
package final class CUDACard: Sendable {
    /// The driver's number of the card.
    package let index: Int
    /// Such as `NVIDIA H200`.
    package let name: String
    /// Bytes of memory.
    package let memory: Int
    /// Such as `0000:17:00.0`.
    package let pciBus: String
    /// The compute capability, such as 9.0.
    package let capability: CUDAVersion
    /// The number of multiprocessors.
    package let processorCount: Int
    /// The driver.
    package let driver: CUDADriver
    /// The first error after which the card's context computes no more; nil while it works.
    private let failure = Mutex<Status?>(nil)
    private let context: Handle

    private struct Handle: @unchecked Sendable { let pointer: CUDADriver.Handle? }  // the driver's contexts may be used by any thread

    /// Opens a card.
    /// - Throws: `unavailable` or `internalError` when the driver cannot use it; the error that stopped it while something still uses it.
    package init(_ driver: CUDADriver, _ index: Int) throws(Status) {
        func attribute(_ number: Int32) throws(Status) -> Int {
            var value: Int32 = 0
            try driver.check(driver.deviceAttribute(&value, number, Int32(index)), "cuDeviceGetAttribute")
            return Int(value)
        }
        func text(_ call: StaticString, _ read: (UnsafeMutablePointer<CChar>, Int32, Int32) -> CUDADriver.Result) throws(Status) -> String {
            var characters = [CChar](repeating: 0, count: 256)
            try driver.check(read(&characters, 255, Int32(index)), call)
            return String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        self.driver = driver
        self.index = index
        name = try text("cuDeviceGetName", driver.deviceName)
        pciBus = try text("cuDeviceGetPCIBusId", driver.devicePCI)
        var byteCount = 0
        try driver.check(driver.deviceMemory(&byteCount, Int32(index)), "cuDeviceTotalMem")
        memory = byteCount
        capability = CUDAVersion(major: try attribute(75), minor: try attribute(76))
        processorCount = try attribute(16)
        context = Handle(pointer: CUDADriver.Handle(bitPattern: try CUDAContexts.retain(driver, index)))
    }
    deinit { CUDAContexts.release(driver, index) }

    /// The compute capability without its point, as NVRTC takes it.
    package var architecture: Int { capability.major * 10 + capability.minor }
    /// The context, for copies between cards.
    package var contextHandle: CUDADriver.Handle? { context.pointer }

    /// Makes the card the one that calls of this thread mean.
    @inline(__always)
    package func makeCurrent() { _ = driver.setContext(context.pointer) }

    /// The error that ended the card's context; nil while it works.
    package var hasFailed: Status? { failure.withLock { $0 } }

    /// Throws when a call has failed. An error that ends the context is kept: every later use of the card fails with it, until the
    /// card is opened again.
    @inline(__always)
    package func check(_ result: CUDADriver.Result, _ call: StaticString) throws(Status) {
        if result != 0 { throw failed(result, "\(call)") }
    }
    /// The status of a failed call, as with `check`.
    func error(_ result: CUDADriver.Result, _ call: String) -> Status { failed(result, call) }

    /// Keeps an error that ends the context. For calls whose failure is found by the next one.
    func note(_ result: CUDADriver.Result, _ call: String) { if CUDACard.endsContext(result) { _ = failed(result, call) } }

    private func failed(_ result: CUDADriver.Result, _ call: String) -> Status {
        let status = driver.status(result, call)
        guard CUDACard.endsContext(result) else { return status }
        return failure.withLock { kept in
            if let kept { return kept }
            let ended = Status.internalError(
                "GPU \(index) (\(name)) has stopped: \(status.message). What was on it is lost; close its sessions and open it again")
            kept = ended
            CUDAContexts.stop(driver, index, ended)
            return ended
        }
    }

    /// Whether the driver fails every later call of the context too: a kernel wrote where it may not, the card fell off the bus.
    static func endsContext(_ result: CUDADriver.Result) -> Bool {
        switch result {
        case 4, 214, 220, 700, 702, 708, 709, 710, 714, 715, 716, 717, 718, 719, 721: true
        default: false
        }
    }
}

import Synchronization
import WeirTensor

/// Who uses the context of each card. A context that has stopped is destroyed when its last user is gone: not before, because its
/// streams and memory are still put away, and not after, because the next who opens the card would get it with its error.
enum CUDAContexts {
    private struct Uses {
        var count = 0
        var failure: Status?
    }
    /// By the driver's path and the card's number. The lock is held while contexts are made and destroyed.
    private static let uses = Mutex<[String: Uses]>([:])

    private static func key(_ driver: CUDADriver, _ index: Int) -> String { "\(index) \(driver.library.path)" }

    /// Begins the use of a card's context.
    /// - Throws: the error that stopped the card while something still uses it; what the driver says.
    static func retain(_ driver: CUDADriver, _ index: Int) throws(Status) -> UInt {
        let outcome = uses.withLock { uses -> Result<UInt, Status> in
            if let failure = uses[key(driver, index)]?.failure { return .failure(failure) }
            var context: CUDADriver.Handle?
            do throws(Status) { try driver.check(driver.retainContext(&context, Int32(index)), "cuDevicePrimaryCtxRetain") } catch { return .failure(error) }
            uses[key(driver, index), default: Uses()].count += 1
            return .success(UInt(bitPattern: context))
        }
        return try outcome.get()
    }

    /// Tells that a card computes no more, so that nobody else opens it.
    static func stop(_ driver: CUDADriver, _ index: Int, _ failure: Status) {
        uses.withLock { $0[key(driver, index)]?.failure = failure }
    }

    /// Ends the use of a card's context.
    static func release(_ driver: CUDADriver, _ index: Int) {
        uses.withLock { uses in
            guard var own = uses[key(driver, index)] else { return }
            own.count -= 1
            _ = driver.releaseContext(Int32(index))
            // The driver may keep the context, with its error, for the next who opens the card.
            if own.count == 0, own.failure != nil { _ = driver.resetContext(Int32(index)) }
            uses[key(driver, index)] = own.count == 0 ? nil : own
        }
    }
}

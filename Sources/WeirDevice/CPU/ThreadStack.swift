import Glibc
package import WeirTensor

/// Ensures that recursive functions have enough stack.
package enum ThreadStack {
    /// The stack, in bytes, that must be left to run a body on the current thread: enough for some hundred frames of kernels.
    private static let reserve: UInt = 256 << 10
    /// The stack size of a new thread. The system allocates the memory only as it is used.
    private static let byteCount = 64 << 20

    /// Runs `body` on this thread or, when little of its stack is left, on a new thread. Returns when `body` has returned.
    /// - Throws: `resourceExhausted` when the system has no thread left; then `body` has not run.
    package static func withSufficientStack(_ body: () -> Void) throws(Status) {
        if hasRoom { return body() }
        try withoutActuallyEscaping(body) { (escaping) throws(Status) in try runOnNewThread(escaping) }
    }

    private static var hasRoom: Bool {
        var marker: UInt8 = 0
        let here = withUnsafeMutablePointer(to: &marker) { UInt(bitPattern: $0) }
        if let known = pthread_getspecific(key) { return here > UInt(bitPattern: known) }
        // When the system does not tell the stack's size, assume that `reserve` more bytes are available.
        let limit = lowestAddress().map { $0 + reserve } ?? here - min(here - 1, reserve)
        pthread_setspecific(key, UnsafeMutableRawPointer(bitPattern: limit))
        return here > limit
    }

    /// For each thread that was checked: the lowest stack address at which a body may still run.
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let failure = pthread_key_create(&key, nil)
        precondition(failure == 0, "no thread-local storage left")
        return key
    }()

    private typealias GetAttributes = @convention(c) (pthread_t, UnsafeMutablePointer<pthread_attr_t>) -> Int32
    /// `pthread_getattr_np`, which the headers declare for GNU programs only.
    private static let getAttributes = dlsym(nil, "pthread_getattr_np").map { unsafeBitCast($0, to: GetAttributes.self) }

    /// The lowest address of this thread's stack; nil when the system does not tell.
    private static func lowestAddress() -> UInt? {
        var attributes = pthread_attr_t()
        guard let getAttributes, getAttributes(pthread_self(), &attributes) == 0 else { return nil }
        defer { pthread_attr_destroy(&attributes) }
        var (base, size) = (UnsafeMutableRawPointer?.none, 0)
        guard pthread_attr_getstack(&attributes, &base, &size) == 0 else { return nil }
        return UInt(bitPattern: base)
    }

    /// The argument of the new thread.
    private final class Work {
        let body: () -> Void
        /// Whether the calling thread is one of a pool; the new thread then counts as one too (`ComputePool.isOnPoolThread`).
        let runsKernels = ComputePool.isOnPoolThread
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    private static func runOnNewThread(_ body: @escaping () -> Void) throws(Status) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, byteCount)
        let work = Unmanaged.passRetained(Work(body))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, &attributes,
            { argument in
                let work = Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue()
                if work.runsKernels { ComputePool.markThread() }
                work.body()
                return nil
            }, work.toOpaque())
        guard failure == 0 else {
            work.release()
            throw .resourceExhausted(
                "Functions call each other too deep for the stack, and there is no thread with another: \(String(cString: strerror(failure)))")
        }
        pthread_join(thread, nil)
    }
}

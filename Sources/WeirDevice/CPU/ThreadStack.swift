#if canImport(Glibc)
    import Glibc
#endif
public import WeirTensor

/// The stack of the running thread, for what may go deep: functions that call themselves.
public enum ThreadStack {
    /// What must be left for work to begin here: more than a few hundred frames of kernels.
    private static let reserve: UInt = 256 << 10
    /// Of a thread that takes over. Memory is taken only as it is used.
    private static let byteCount = 64 << 20

    /// Runs `body` on this thread or, where little is left of its stack, on one with a stack of its own; returns when it
    /// has returned.
    /// - Throws: `resourceExhausted` when there is no such thread to be had; `body` has not run then.
    public static func withRoom(_ body: () -> Void) throws(Status) {
        if hasRoom { return body() }
        try withoutActuallyEscaping(body) { (escaping) throws(Status) in try runElsewhere(escaping) }
    }

    private static var hasRoom: Bool {
        var marker: UInt8 = 0
        let here = withUnsafeMutablePointer(to: &marker) { UInt(bitPattern: $0) }
        if let known = pthread_getspecific(key) { return here > UInt(bitPattern: known) }
        // Where the system does not say how much there is, as much more as is kept in reserve is taken to be there.
        let limit = lowestAddress().map { $0 + reserve } ?? here - min(here - 1, reserve)
        pthread_setspecific(key, UnsafeMutableRawPointer(bitPattern: limit))
        return here > limit
    }

    /// The lowest address at which work may still begin, on each thread that was asked.
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let failure = pthread_key_create(&key, nil)
        precondition(failure == 0, "no thread-local storage left")
        return key
    }()

    private typealias GetAttributes = @convention(c) (pthread_t, UnsafeMutablePointer<pthread_attr_t>) -> Int32
    /// `pthread_getattr_np`, which headers declare for GNU programs only.
    private static let getAttributes = dlsym(nil, "pthread_getattr_np").map { unsafeBitCast($0, to: GetAttributes.self) }

    /// Where this thread's stack ends; nil when the system does not say.
    private static func lowestAddress() -> UInt? {
        var attributes = pthread_attr_t()
        guard let getAttributes, getAttributes(pthread_self(), &attributes) == 0 else { return nil }
        defer { pthread_attr_destroy(&attributes) }
        var (base, size) = (UnsafeMutableRawPointer?.none, 0)
        guard pthread_attr_getstack(&attributes, &base, &size) == 0 else { return nil }
        return UInt(bitPattern: base)
    }

    /// What the other thread runs.
    private final class Work {
        let body: () -> Void
        /// Where kernels may run, they may go on.
        let runsKernels = ComputePool.isOnItsThread
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    private static func runElsewhere(_ body: @escaping () -> Void) throws(Status) {
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

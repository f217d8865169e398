import WeirDevice

/// Where the work of a step begins: on the thread that asks for it, or on one made for work.
///
/// An endpoint may run kernels on the thread that calls it, for as long as they take; the threads that gRPC's tasks run
/// on are few, and every call waits for them.
struct StepDispatch: Sendable {
    /// Runs jobs at once, on the thread that has them.
    static let inline = StepDispatch { job in job() }
    /// Runs jobs on the threads of the shared compute pool.
    static let computePool = StepDispatch { job in ComputePool.shared.submit(job) }

    private let submit: @Sendable (_ job: @escaping @Sendable () -> Void) -> Void

    private init(_ submit: @escaping @Sendable (_ job: @escaping @Sendable () -> Void) -> Void) { self.submit = submit }

    func callAsFunction(_ job: @escaping @Sendable () -> Void) { submit(job) }
}

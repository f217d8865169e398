import WeirDevice

/// The choice of the thread on which a step begins.
///
/// An endpoint may run kernels on the calling thread, for as long as they take. gRPC's tasks share a few cooperative threads,
/// and a kernel on one of them would delay all calls.
struct StepDispatch: Sendable {
    /// Runs a job at once, on the calling thread.
    static let inline = StepDispatch { job in job() }
    /// Runs a job on the shared compute pool.
    static let computePool = StepDispatch { job in ComputePool.shared.submit(job) }

    private let submit: @Sendable (_ job: @escaping @Sendable () -> Void) -> Void

    private init(_ submit: @escaping @Sendable (_ job: @escaping @Sendable () -> Void) -> Void) { self.submit = submit }

    func callAsFunction(_ job: @escaping @Sendable () -> Void) { submit(job) }
}

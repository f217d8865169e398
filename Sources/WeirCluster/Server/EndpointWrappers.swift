import WeirGraph

/// Wrappers around the endpoints of a server, through which it calls and is called. A test records the calls with them. The
/// default wraps nothing and costs nothing.
struct EndpointWrappers: Sendable {
    /// A service that calls the server's worker for other tasks.
    enum Caller: Sendable {
        /// `LinkServer`.
        case links
        /// `WorkerService`.
        case grpc
    }
    /// Wraps the master that `MasterService` calls.
    var master: @Sendable (any MasterEndpoint) -> any MasterEndpoint = { $0 }
    /// Wraps the worker that other tasks call.
    var worker: @Sendable (any WorkerEndpoint, Caller) -> any WorkerEndpoint = { worker, _ in worker }
    /// Wraps the endpoint of another task.
    var peer: @Sendable (any WorkerEndpoint) -> any WorkerEndpoint = { $0 }
}

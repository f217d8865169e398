import Weir

/// Does work that Ctrl-C, or another signal that ends a process, cancels.
/// - Returns: what the work gave, and whether a signal cancelled it.
/// - Throws: the error of the system when signals cannot be waited for.
func untilTerminated<R: Sendable>(
    _ work: @escaping @Sendable () async throws -> R
) async throws -> (result: Result<R, any Error>, isCancelled: Bool) {
    let end = try TerminationRequest()
    let task = Task { try await work() }
    let watch = Task {
        await end.wait()
        task.cancel()
    }
    defer { watch.cancel() }
    let result = await task.result
    return (result, task.isCancelled)
}

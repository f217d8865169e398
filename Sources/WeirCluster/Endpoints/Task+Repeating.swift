extension Task where Success == Void, Failure == Never {
    /// Calls `body` at every interval, first after one interval, until the task is cancelled.
    package static func repeating(every interval: Duration, _ body: @escaping @Sendable () -> Void) -> Task<Void, Never> {
        Task.detached {
            while (try? await Task<Never, Never>.sleep(for: interval)) != nil { body() }
        }
    }
}

extension Duration {
    /// The longest that anything here waits: ten years.
    ///
    /// What comes from a peer may be any number of milliseconds; Swift's clocks cannot wait for all of them, and the process
    /// ends where one is asked to.
    package static let longestWait = Duration.seconds(10 * 365 * 86_400)

    /// This time, if it can be waited for; else none, or the longest.
    package var bounded: Duration { min(max(self, .zero), .longestWait) }
}

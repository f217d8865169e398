extension Duration {
    /// The longest time that anything here waits: ten years.
    ///
    /// A peer may send any number of milliseconds. Swift's clocks trap when they are asked to wait for a very long time.
    package static let longestWait = Duration.seconds(10 * 365 * 86_400)

    /// This duration, limited to zero at the least and `longestWait` at the most.
    package var bounded: Duration { min(max(self, .zero), .longestWait) }
}

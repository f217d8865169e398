/// Something whose cost is known and watched.
public struct Case: Sendable {
    /// `family/what/size`.
    public let name: String
    /// How often it runs to be counted: a few times, because counting takes fifty times as long as running, and, where
    /// numbers are multiplied, a thousand times.
    public let iterations: Int
    /// How often it runs before: by then plans, kernels and caches are made, and the parallel executor, which times the
    /// nodes of its first four steps, does so no more.
    public let warmUp: Int
    /// How many like parts, such as nodes, an iteration consists of; the cost of one is the iteration's by their number.
    public let parts: Int
    /// Makes ready what is not to be counted, and returns what is.
    public let prepare: @Sendable () throws -> () throws -> Void

    init(
        _ name: String, iterations: Int, warmUp: Int = 6, parts: Int = 1,
        _ prepare: @escaping @Sendable () throws -> () throws -> Void
    ) {
        self.name = name
        self.iterations = iterations
        self.warmUp = warmUp
        self.parts = parts
        self.prepare = prepare
    }
}

/// Stands for whoever uses a value: without it the compiler drops what made it.
@inline(never) @_optimize(none)
func keep(_ value: some Any) {}

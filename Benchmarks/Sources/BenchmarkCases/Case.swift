/// A piece of work whose cost is measured and checked against a threshold.
public struct BenchmarkCase: Sendable {
    /// The name, `family/what/size`.
    public let name: String
    /// How often the case runs when it is counted. The number is small, because counting makes code fifty times slower, and
    /// arithmetic a thousand times.
    public let iterations: Int
    /// How often the case runs before it is counted. Afterwards plans, kernels and caches exist, and the parallel executor has
    /// measured its nodes, which it does in its first four steps.
    public let warmUp: Int
    /// How many equal parts, such as nodes, an iteration has. The cost of one part is the cost of the iteration divided by this
    /// number.
    public let parts: Int
    /// Does the preparation that is not counted, and returns the work that is.
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

/// Uses a value, so that the compiler does not remove the code that computes it.
@inline(never) @_optimize(none)
func keep(_ value: some Any) {}
